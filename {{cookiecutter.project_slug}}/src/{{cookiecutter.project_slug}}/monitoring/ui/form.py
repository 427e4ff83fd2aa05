# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The form of a task, with what its schedule means shown while it is written."""

from __future__ import annotations

import importlib
import json
from typing import Any
from zoneinfo import available_timezones

from ...core.config import PlatformSettings
from ..checks import CheckRegistry, load_checks
from ..errors import ScheduleError
from ..presets import utc_now
from ..schedule import Schedule, zone
from ..schemas import MonitoringTask
from .rows import plain

# By name, because Streamlit is an extra: types are checked where it is not installed.
st: Any = importlib.import_module("streamlit")

_CONDITIONS = ("on_change", "on_failure", "always")
_EXAMPLES = {
    "http_endpoint": {"url": "https://example.com/"},
    "tls_certificate": {"host": "example.com"},
    "sql_threshold": {"query": "SELECT 0", "operator": "<=", "threshold": 10},
    "stock_levels": {
        "url": "https://inventory.example.com",
        "parts": [{"id": "R-10K", "quantity": 1}],
    },
}


def task_form(settings: PlatformSettings, key: str, task: MonitoringTask | None = None) -> Any:  # noqa: ANN401  # fields, as JSON
    """Show the fields of a task and return what is in them, or None while they can't be read.

    Args:
        settings: The service's settings.
        key: Tells the fields of two forms apart.
        task: The task to change; None for a new one.
    """
    checks = load_checks()
    left, right = st.columns(2)
    name = left.text_input("Name", task.name if task else "", max_chars=120, key=f"{key}-name")
    kinds = [check.kind for check in checks]
    check = right.selectbox(
        "Check",
        kinds,
        index=kinds.index(task.check) if task and task.check in kinds else 0,
        format_func=lambda kind: f"{checks.find(kind).title} ({kind})",
        key=f"{key}-check",
    )
    parameters = _parameters(checks, check, key, task)
    schedule = _schedule(key, task)
    left, right = st.columns(2)
    recipients = left.text_input(
        "Recipients, with commas between them",
        ", ".join(task.recipients) if task else "",
        key=f"{key}-recipients",
    )
    condition = right.selectbox(
        "Tell", _CONDITIONS, index=_CONDITIONS.index(task.notify_condition) if task else 0,
        format_func=lambda value: value.replace("_", " "), key=f"{key}-condition",
    )  # fmt: skip
    if not settings.monitoring.notifications:
        st.warning("Notifications are switched off in the settings: nobody is told anything.")
    if parameters is None:
        return None
    return {
        "name": name.strip(),
        "check": check,
        "parameters": parameters,
        "recipients": [part.strip() for part in recipients.split(",") if part.strip()],
        "notify_condition": condition,
        **schedule,
    }


def _parameters(
    checks: CheckRegistry, check: str, key: str, task: MonitoringTask | None
) -> dict[str, Any] | None:
    """Show the parameters as JSON, beside what the check knows of them."""
    kept = task.parameters if task and task.check == check else _EXAMPLES.get(check, {})
    left, right = st.columns(2)
    written = left.text_area(
        "Parameters (JSON)",
        json.dumps(kept, indent=2, ensure_ascii=False),
        height=170,
        key=f"{key}-parameters-{check}",
    )
    schema = checks.find(check).parameters.model_json_schema()
    required = schema.get("required", [])
    lines = [
        f"- `{name}`{' (required)' if name in required else ''}"
        + (f": {plain(field['description'])}" if "description" in field else "")
        for name, field in schema.get("properties", {}).items()
    ]
    right.caption("What this check knows")
    right.markdown("\n".join(lines) or "It has no parameters.")
    try:
        found = json.loads(written or "{}")
    except ValueError as error:
        left.error(f"This is not JSON: {plain(error)}")
        return None
    if not isinstance(found, dict):
        left.error("Write an object: names and values between braces.")
        return None
    return found


def _schedule(key: str, task: MonitoringTask | None) -> dict[str, Any]:
    """Show when it runs, and the next five runs."""
    is_interval = task is not None and task.interval_s is not None
    left, middle, right = st.columns([1, 2, 2])
    kind = left.radio("Schedule", ("cron", "interval"), index=int(is_interval), key=f"{key}-kind")
    zones = sorted(available_timezones())
    used = task.timezone if task else "UTC"
    if kind == "interval":
        seconds = middle.number_input(
            "Seconds between runs",
            min_value=1,
            value=task.interval_s if task and task.interval_s else 300,
            key=f"{key}-interval",
        )
        fields: dict[str, Any] = {"cron": None, "interval_s": int(seconds), "timezone": used}
    else:
        cron = middle.text_input(
            "Cron expression",
            task.cron if task and task.cron else "*/5 * * * *",
            help="Minute, hour, day of month, month, day of week.",
            key=f"{key}-cron",
        )
        chosen = right.selectbox(
            "Time zone", zones, index=zones.index(used) if used in zones else 0, key=f"{key}-zone"
        )
        fields = {"cron": cron, "interval_s": None, "timezone": chosen}
    _preview(fields)
    return fields


def _preview(fields: dict[str, Any]) -> None:
    try:
        schedule = Schedule(**fields)
        times = schedule.next_times(utc_now(), 5)
    except ScheduleError as error:
        st.error(f"This schedule can't be used: {plain(error)}")
        return
    clock = zone(fields["timezone"])
    shown = [f"{moment.astimezone(clock):%a %d %b %Y %H:%M:%S %Z}" for moment in times]
    st.info("Next runs: " + plain("; ".join(shown)))
