"""A report as Markdown: for a job summary, a merge request or a wiki."""

from __future__ import annotations

import html
import re

from ..console import printable
from ..findings import Finding, Outcome
from .model import Report

MAX_ROWS = 500


def write(report: Report) -> str:
    """Return the page; what projects wrote is shown as text, never as markup."""
    grades = ", ".join(f"{count} {grade}" for grade, count in report.grades().items() if count)
    lines = [
        f"# {text(report.name)}: standards",
        "",
        (
            f"{len(report.projects)} projects on {report.when:%Y-%m-%d}: {grades}. "
            f"{report.failures()} findings, {len(report.unchecked)} projects could not be checked."
        ),
        "",
        *_findings(list(report.shown())),
    ]
    problems = [p for p in report.projects if p.problem]
    if problems:
        lines += ["", "## Could not be checked", ""]
        lines += [f"- {text(p.project)}: {text(p.problem)}" for p in problems]
    return "\n".join(lines).rstrip() + "\n"


def _findings(shown: list[Finding]) -> list[str]:
    if not shown:
        return ["Nothing was found."]
    rows = [
        f"| {_word(f)} | {text(f.rule)} | {text(f.project)} | {_place(f)} | {text(f.message)} |"
        for f in shown[:MAX_ROWS]
    ]
    more = len(shown) - MAX_ROWS
    head = ["| | rule | project | place | what |", "|---|---|---|---|---|"]
    return [*head, *rows, *([f"\n{more} more."] if more > 0 else [])]


def _word(finding: Finding) -> str:
    return finding.level.value if finding.outcome is Outcome.FAIL else finding.outcome.value


def _place(finding: Finding) -> str:
    where = f"{finding.path}:{finding.line}" if finding.line else finding.path
    return text(where)


def text(given: str) -> str:
    """Return a text so that Markdown shows it as it is."""
    plain = html.escape(printable(given), quote=False)
    return re.sub(r"([\\`*_{}\[\]()#+!|~-])", r"\\\1", plain)
