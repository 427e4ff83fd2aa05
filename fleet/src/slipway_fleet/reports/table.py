"""A report for a terminal."""

from __future__ import annotations

from ..console import note, print_table
from ..findings import Outcome
from .model import Report

MAX_ROWS = 200


def show(report: Report, *, everything: bool = False) -> None:
    """Print what was found, and what could not be checked on stderr."""
    shown = list(report.findings() if everything else report.shown())
    several = len(report.projects) > 1
    rows = [
        (
            f.level.value if f.outcome is Outcome.FAIL else f.outcome.value,
            f.rule,
            *((f.project,) if several else ()),
            f"{f.path}:{f.line}" if f.line else f.path,
            f.message,
        )
        for f in shown[:MAX_ROWS]
    ]
    if rows:
        print_table("", ["", "rule", *(("project",) if several else ()), "place", "what"], rows)
    if len(shown) > MAX_ROWS:
        note(f"{len(shown) - MAX_ROWS} more: see --format json or html")
    for project in report.projects:
        if project.problem:
            note(f"{project.project}: could not be checked: {project.problem}")
    grades = ", ".join(f"{count} {grade}" for grade, count in report.grades().items() if count)
    what = "project" if len(report.projects) == 1 else "projects"
    note(f"{len(report.projects)} {what}, {len(report.rules)} rules: {grades}")
