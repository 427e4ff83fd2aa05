# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Control evidence: which recorded actions and settings answer which control, and where nothing does.

It counts; whether a control is met is for an auditor to say. Controls are those of PCI DSS 4.0.1
(requirement 10), SOC 2 (trust services criteria CC7) and ISO/IEC 27001:2022 (annex A, 8.15, whose
letters are the event kinds of ISO/IEC 27002).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from .actions import ActionRegistry
from .trail import Search, Trail

if TYPE_CHECKING:
    from ..core.audit_settings import AuditSettings
    from .verify import Report


@dataclass(frozen=True, slots=True)
class Control:
    """A control of a standard.

    Attributes:
        id: As actions name it.
        title: What it asks for, in short.
        setting: Decides from settings and the verification, for what no event can show.
    """

    id: str
    title: str
    setting: Callable[[AuditSettings, Report], tuple[bool, str]] | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a control.

    Attributes:
        control: The control.
        status: `evidence`; `armed` (an action is registered, nothing happened yet); or `gap`.
        events: How many events.
        actions: Events by action.
        note: What the settings or the verification say.
    """

    control: Control
    status: Literal["evidence", "armed", "gap"]
    events: int = 0
    actions: dict[str, int] = field(default_factory=dict)
    note: str = ""


def _kept_a_year(settings: AuditSettings, _: Report) -> tuple[bool, str]:
    days = min(settings.retention_days["standard"], settings.retention_days["long"])
    return days >= 365, f"events of class standard and longer are kept {days} days"


def _protected(_: AuditSettings, report: Report) -> tuple[bool, str]:
    whole = f"{report.size} events, {report.checkpoints} signed checkpoints"
    return report.is_whole, f"{whole}, {len(report.findings)} findings"


def _anchored(_: AuditSettings, report: Report) -> tuple[bool, str]:
    if report.anchored is None:
        return False, "verified without a checkpoint that was kept elsewhere: use --anchor"
    return True, f"extends the anchor of {report.anchored} events"


def _prompt(settings: AuditSettings, report: Report) -> tuple[bool, str]:
    return report.size > 0, f"sealed and signed every {settings.seal_interval_s:g} s"


CONTROLS = (
    Control("PCI DSS 10.2.1.1", "All individual user access to cardholder data"),
    Control("PCI DSS 10.2.1.2", "All actions taken by anyone with administrative access"),
    Control("PCI DSS 10.2.1.3", "All access to audit logs"),
    Control("PCI DSS 10.2.1.4", "All invalid logical access attempts"),
    Control("PCI DSS 10.2.1.5", "Changes to identification and authentication credentials"),
    Control("PCI DSS 10.2.1.6", "Starting, stopping and pausing of audit logs"),
    Control("PCI DSS 10.2.1.7", "Creation and deletion of system-level objects"),
    Control("PCI DSS 10.3.2", "Audit logs are protected from modification", _protected),
    Control("PCI DSS 10.3.3", "Audit logs are promptly backed up where hard to alter", _anchored),
    Control("PCI DSS 10.3.4", "Change detection on audit logs", _protected),
    Control("PCI DSS 10.5.1", "Audit history is kept for at least 12 months", _kept_a_year),
    Control("SOC 2 CC7.1", "Changes to configurations are detected"),
    Control("SOC 2 CC7.2", "System components are monitored for anomalies", _prompt),
    Control("SOC 2 CC7.3", "Security events are evaluated"),
    Control("SOC 2 CC7.4", "Incidents are responded to"),
    Control("ISO 27001 A.8.15 b", "Successful and rejected access attempts"),
    Control("ISO 27001 A.8.15 d", "Changes to system configuration"),
    Control("ISO 27001 A.8.15 e", "Activation and de-activation of protection systems"),
    Control("ISO 27001 A.8.15 f", "Use of privileges, access to logs"),
    Control("ISO 27001 A.8.15 g", "Creation, change and deletion of identities and their data"),
    Control("ISO 27001 A.8.15 protection", "Logs are protected against tampering", _protected),
)


def collect(
    trail: Trail,
    actions: ActionRegistry,
    settings: AuditSettings,
    report: Report,
    *,
    since: str = "",
    until: str = "",
) -> list[Evidence]:
    """Return the evidence for every control, in the order of the standards.

    Args:
        trail: The trail.
        actions: The actions that are registered, each naming its controls.
        settings: The settings of the trail.
        report: Its verification.
        since: RFC 3339, UTC; events at or after it.
        until: The same; events before it.
    """
    named = {control.id: control for control in CONTROLS}
    for action in actions:
        for control_id in action.controls:
            named.setdefault(control_id, Control(control_id, "named by an action of this service"))
    found = []
    for control in named.values():
        counts = {
            action.name: trail.count(Search(action=action.name, since=since, until=until))
            for action in actions
            if control.id in action.controls
        }
        found.append(_judge(control, counts, settings, report))
    return found


def _judge(
    control: Control, counts: dict[str, int], settings: AuditSettings, report: Report
) -> Evidence:
    total = sum(counts.values())
    if control.setting is not None:
        holds, note = control.setting(settings, report)
        return Evidence(control, "evidence" if holds else "gap", total, counts, note)
    if not counts:
        note = "no registered action names it: Action(..., controls=(...))"
        return Evidence(control, "gap", note=note)
    note = "" if total else "nothing of the kind was recorded in this time"
    return Evidence(control, "evidence" if total else "armed", total, counts, note)


def as_markdown(evidence: Iterable[Evidence], *, origin: str, period: str) -> str:
    """Return the report as a Markdown page."""
    rows = list(evidence)
    gaps = sum(row.status == "gap" for row in rows)
    lines = [
        f"# Control evidence of {origin}",
        "",
        f"Period: {period}. {len(rows)} controls, {gaps} gaps.",
        "",
        "| control | asks for | status | events | from |",
        "|---|---|---|---:|---|",
    ]
    for row in rows:
        sources = ", ".join(f"{name} ({count})" for name, count in row.actions.items())
        said = "; ".join(filter(None, (sources, row.note)))
        lines.append(
            f"| {row.control.id} | {row.control.title} | {row.status} | {row.events} | {said} |"
        )
    return "\n".join(lines) + "\n"
