"""A report as one self-contained page: nothing is loaded, and nothing a project wrote can run.

Every text goes through Jinja's escaping, no attribute holds a project's text but `title` and
`data-text`, links lead only into the page, and a policy in the page allows this page's one script
and style by their digests and nothing else.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from importlib import resources
from typing import Any

import jinja2
import markupsafe

from ..checking import ProjectResult
from ..console import printable
from ..findings import Finding, Level, Outcome
from ..rules.model import Rule
from .controls import evidence
from .model import GRADES, Report, Tally

_ORDER = {Outcome.ERROR: 0, Outcome.FAIL: 1, Outcome.WAIVED: 2}
_LEVELS = {Level.ERROR: 0, Level.WARNING: 1, Level.NOTE: 2}
WIDTH, HEIGHT = 640, 120
"""Of a chart, in the units of its own coordinates."""


@dataclass(frozen=True, slots=True)
class Row:
    """A project as the page shows it."""

    project: ProjectResult
    grade: str
    errors: int
    warnings: int
    notes: int
    waived: int
    unchecked: int
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class RuleRow:
    """A rule as the page shows it."""

    rule: Rule
    tally: Tally
    percent: str
    broken_by: list[str]


def write(report: Report) -> str:
    """Return the page."""
    folder = resources.files(__package__) / "page"
    files = {
        name: (folder / name).read_text("utf-8") for name in ("page.html", "page.css", "page.js")
    }
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["plain"] = printable_lines
    environment.filters["coded"] = coded
    page = environment.from_string(files["page.html"])
    return page.render(
        report=report,
        grades=report.grades(),
        order=GRADES,
        tiles=_tiles(report),
        rows=[_row(report, project) for project in report.projects],
        rules=_rules(report),
        controls=list(evidence(report)),
        waived=[f for f in report.findings() if f.outcome is Outcome.WAIVED],
        trend=_trend(report),
        burndowns=[(one, _points(one.left)) for one in report.campaigns],
        css=files["page.css"],
        js=files["page.js"],
        css_digest=_digest(files["page.css"]),
        js_digest=_digest(files["page.js"]),
        width=WIDTH,
        height=HEIGHT,
    )


def printable_lines(text: str) -> str:
    """Return a text without control characters, its lines kept."""
    return "\n".join(printable(line) for line in str(text).split("\n"))


def coded(text: str) -> markupsafe.Markup:
    """Return a text, escaped, whose words in backticks are code."""
    escaped = str(markupsafe.escape(printable_lines(text)))
    return markupsafe.Markup(re.sub(r"`([^`\n]+)`", r"<code>\1</code>", escaped))


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _tiles(report: Report) -> list[tuple[str, str, str]]:
    """Return (what, number, kind) of what a manager looks at first."""
    grades, total = report.grades(), len(report.projects)
    good = total - grades["none"]
    waived = sum(f.outcome is Outcome.WAIVED for f in report.findings())
    errors = sum(f.outcome is Outcome.FAIL and f.level is Level.ERROR for f in report.findings())
    return [
        ("projects", str(total), ""),
        ("at bronze or better", f"{good} of {total}", "good" if good == total else "bad"),
        ("errors", str(errors), "bad" if errors else "good"),
        ("findings in all", str(report.failures()), ""),
        ("waived", str(waived), ""),
        ("not fully checked", str(len(report.unchecked)), "bad" if report.unchecked else "good"),
    ]


def _row(report: Report, project: ProjectResult) -> Row:
    failed = [f for f in project.findings if f.outcome is Outcome.FAIL]
    shown = [f for f in project.findings if f.outcome in _ORDER]
    shown.sort(key=lambda f: (_ORDER[f.outcome], _LEVELS[f.level], f.rule, f.path, f.line))
    return Row(
        project,
        report.grade(project),
        errors=sum(f.level is Level.ERROR for f in failed),
        warnings=sum(f.level is Level.WARNING for f in failed),
        notes=sum(f.level is Level.NOTE for f in failed),
        waived=sum(f.outcome is Outcome.WAIVED for f in project.findings),
        unchecked=sum(f.outcome is Outcome.ERROR for f in project.findings) + bool(project.problem),
        findings=shown,
    )


def _rules(report: Report) -> list[RuleRow]:
    tallies = {tally.rule: tally for tally in report.tallies()}
    broken: dict[str, dict[str, None]] = {}
    for finding in report.findings():
        if finding.outcome is Outcome.FAIL and finding.project:
            broken.setdefault(finding.rule, {})[finding.project] = None
    rows = []
    for rule in report.rules:
        tally = tallies.get(rule.id, Tally(rule.id, {}))
        # Rounded down: 99.6 % is not all of them.
        percent = "" if tally.adopted is None else f"{int(tally.adopted * 100)}"
        rows.append(RuleRow(rule, tally, percent, list(broken.get(rule.id, ()))))
    return sorted(rows, key=lambda row: (int(row.percent or "101"), row.rule.id))


def _trend(report: Report) -> dict[str, Any] | None:
    """Return the chart of earlier runs: findings that fail, and projects without a grade."""
    points = report.trend
    if len(points) < 2:
        return None
    return {
        "first": points[0].day[:10],
        "last": points[-1].day[:10],
        "failures": _points([(p.day, p.failures) for p in points]),
        "most": max(p.failures for p in points),
        "below": _points([(p.day, p.grades.get("none", 0)) for p in points]),
        "most_below": max(p.grades.get("none", 0) for p in points),
        "table": [(p.day[:16].replace("T", " "), p.failures, p.grades) for p in points[-10:]],
    }


def _points(values: list[tuple[str, int]]) -> str:
    """Return the points of a polyline over time, scaled to the chart."""
    times = [_time(when) for when, _ in values]
    start, span = times[0], max(times[-1] - times[0], 1.0)
    top = max(1, *(number for _, number in values))
    return " ".join(
        f"{(at - start) / span * WIDTH:.1f},{HEIGHT - number / top * (HEIGHT - 8):.1f}"
        for at, (_, number) in zip(times, values, strict=True)
    )


def _time(when: str) -> float:
    try:
        return dt.datetime.fromisoformat(when).timestamp()
    except ValueError:
        return 0.0
