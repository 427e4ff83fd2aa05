"""The evidence table: which rules speak to each control, and what came of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from ..findings import Outcome
from ..rules.controls import known_controls
from .model import Report


@dataclass(frozen=True, slots=True)
class Evidence:
    """One control.

    Attributes:
        framework: The standard with its version.
        control: Its number.
        title: What it asks for.
        rules: The rules that speak to it.
        kept: Projects that keep all of those that apply to them.
        broken: Projects that break one.
        waived: Projects with an exception, and none broken.
        unchecked: Projects where one could not be checked, and none is known to be broken.
        not_applicable: Projects that none of them applies to.
    """

    framework: str
    control: str
    title: str
    rules: tuple[str, ...]
    kept: int
    broken: int
    waived: int
    unchecked: int
    not_applicable: int

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def evidence(report: Report) -> Iterator[Evidence]:
    """Yield each control that a rule speaks to, with its projects. Not checked is never kept."""
    outcomes = {project.project: _by_rule(project.findings) for project in report.projects}
    problems = {project.project for project in report.projects if project.problem}
    for framework in known_controls().values():
        for control, title in framework.controls.items():
            rules = tuple(
                r.id for r in report.rules if control in r.controls.get(framework.key, ())
            )
            if not rules:
                continue
            counts = {"kept": 0, "broken": 0, "waived": 0, "unchecked": 0, "not_applicable": 0}
            for name, by_rule in outcomes.items():
                counts["unchecked" if name in problems else _verdict(by_rule, rules)] += 1
            yield Evidence(framework.title, control, title, rules, **counts)


def _by_rule(findings: list[Any]) -> dict[str, set[Outcome]]:
    found: dict[str, set[Outcome]] = {}
    for finding in findings:
        found.setdefault(finding.rule, set()).add(finding.outcome)
    return found


def _verdict(by_rule: dict[str, set[Outcome]], rules: tuple[str, ...]) -> str:
    seen = set().union(*(by_rule.get(rule, {Outcome.ERROR}) for rule in rules))
    for outcome, verdict in (
        (Outcome.FAIL, "broken"),
        (Outcome.ERROR, "unchecked"),
        (Outcome.WAIVED, "waived"),
        (Outcome.PASS, "kept"),
    ):
        if outcome in seen:
            return verdict
    return "not_applicable"


def markdown(report: Report) -> str:
    """Return the table as a page of Markdown."""
    from .markdown import text  # noqa: PLC0415  # a terminal does not need it

    lines = [
        f"# {text(report.name)}: evidence for controls",
        "",
        (
            f"Made on {report.when:%Y-%m-%d at %H:%M} UTC from {len(report.projects)} projects "
            f"and {len(report.rules)} rules. A rule is evidence for a control, never all of it."
        ),
    ]
    framework = ""
    for one in evidence(report):
        if one.framework != framework:
            framework = one.framework
            lines += ["", f"## {text(framework)}", ""]
            lines.append(
                "| control | asks for | rules | kept | broken | waived | not checked | n/a |"
            )
            lines.append("|---|---|---|---:|---:|---:|---:|---:|")
        counts = (one.kept, one.broken, one.waived, one.unchecked, one.not_applicable)
        cells = [text(one.control), text(one.title), ", ".join(one.rules), *map(str, counts)]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
