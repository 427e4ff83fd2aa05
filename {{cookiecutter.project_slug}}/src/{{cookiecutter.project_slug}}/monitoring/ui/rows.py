# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Plain text and small tables for the page: nothing that a task says is read as markup."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ..schemas import Change, MonitoringTask, Outcome, RunRecord, TaskStatus

_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:&@^=\"'])")
_STATES = {
    TaskStatus.NEW: "○ new",
    TaskStatus.OK: "● ok",
    TaskStatus.ALERT: "▲ alert",
    TaskStatus.ERROR: "✖ error",
    TaskStatus.FAILING: "✖ failing",
    TaskStatus.BROKEN: "✖ broken",
}
_OUTCOMES = {
    Outcome.OK: "● ok",
    Outcome.ALERT: "▲ alert",
    Outcome.ERROR: "✖ error",
    Outcome.MISSED: "○ missed",
}
# The sparkline shows how bad runs were; a flat line at the bottom is what one wants to see.
_HEIGHTS = {Outcome.OK: 1, Outcome.MISSED: 2, Outcome.ALERT: 3, Outcome.ERROR: 4}
SPARKLINE_RUNS = 30


def plain(text: object) -> str:
    """Return text that Streamlit's Markdown shows as it is: no links, no pictures, no colours."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


def moment(value: datetime | None) -> str:
    """Return a time (UTC) for a table."""
    return f"{value:%Y-%m-%d %H:%M:%S}" if value else "-"


def short(value: datetime | None) -> str:
    """Return a time (UTC) in few characters."""
    return f"{value:%d %b %H:%M}" if value else "-"


def state(status: TaskStatus) -> str:
    """Return a state with a sign that does not depend on colour alone."""
    return _STATES[status]


def schedule_of(task: MonitoringTask) -> str:
    """Return when a task runs, in a few words."""
    if task.interval_s is not None:
        return f"every {task.interval_s} s"
    return f"{task.cron} ({task.timezone})"


def overview(task: MonitoringTask, runs: Sequence[RunRecord]) -> dict[str, Any]:
    """Return a task's row in the table."""
    newest = runs[:SPARKLINE_RUNS]
    return {
        "Task": task.name,
        "State": state(task.status),
        "Active": task.active,
        "Schedule": schedule_of(task),
        "Last run (UTC)": moment(task.last_run),
        "Next run (UTC)": moment(task.next_run),
        "History": [_HEIGHTS[run.outcome] for run in reversed(newest)],
        "Last result": newest[0].summary if newest else "-",
    }


def run_row(run: RunRecord) -> dict[str, Any]:
    """Return a run's row in the history."""
    return {
        "Started (UTC)": moment(run.started),
        "Due (UTC)": moment(run.scheduled_for) if run.scheduled_for else "by hand",
        "Outcome": _OUTCOMES[run.outcome],
        "Took (ms)": round(run.duration_ms),
        "Told": ", ".join(run.told) or "-",
        "Result": run.summary,
    }


def change_row(change: Change) -> dict[str, Any]:
    """Return a change's row."""
    before, after = (json.dumps(v, ensure_ascii=False) for v in (change.before, change.after))
    return {
        "At (UTC)": moment(change.at),
        "By": change.by or "-",
        "What": change.action,
        "Before": before if change.action == "edited" else "",
        "After": after if change.action == "edited" else change.reason,
    }
