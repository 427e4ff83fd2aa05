"""A report as workflow commands, which GitHub shows at the lines of a pull request."""

from __future__ import annotations

from ..findings import Finding, Level, Outcome
from .model import Report

_KINDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def write(report: Report) -> str:
    """Return one command a line; nothing a project writes can begin another one."""
    lines = [_line(finding) for finding in report.shown() if finding.outcome is not Outcome.WAIVED]
    lines += [
        f"::error title=fleet::{_data(f'{p.project} could not be checked: {p.problem}')}"
        for p in report.projects
        if p.problem
    ]
    return "".join(f"{line}\n" for line in lines)


def _line(finding: Finding) -> str:
    kind = "error" if finding.outcome is Outcome.ERROR else _KINDS[finding.level]
    named = [f"file={_property(finding.path)}"] if finding.path else []
    if finding.line > 0:
        named.append(f"line={finding.line}")
    named.append(f"title={_property(finding.rule)}")
    said = f"{finding.message} {finding.fix}".strip()
    return f"::{kind} {','.join(named)}::{_data(said)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
