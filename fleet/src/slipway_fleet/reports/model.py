"""A report: the projects of one run, the rules, and what they amount to."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..checking import ProjectResult
from ..errors import Exit
from ..findings import Finding, Level, Outcome, exit_code
from ..rules.model import Grade, Rule

NO_GRADE = "none"
GRADES = (Grade.GOLD.value, Grade.SILVER.value, Grade.BRONZE.value, NO_GRADE)
"""The best first."""


@dataclass(frozen=True, slots=True)
class Tally:
    """How often each outcome came of a rule, counted in projects.

    Attributes:
        rule: Its id.
        counts: Projects by outcome; a project with several findings counts once.
    """

    rule: str
    counts: dict[str, int]

    @property
    def adopted(self) -> float | None:
        """The share of projects that keep it among those that it applies to and were checked."""
        kept = self.counts.get(Outcome.PASS, 0)
        all_of_them = kept + self.counts.get(Outcome.FAIL, 0) + self.counts.get(Outcome.WAIVED, 0)
        return kept / all_of_them if all_of_them else None


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One run of the past.

    Attributes:
        day: When, ISO 8601.
        grades: Projects by grade.
        failures: Findings that fail, notes left out.
        unchecked: Projects that could not be checked.
    """

    day: str
    grades: dict[str, int]
    failures: int
    unchecked: int


@dataclass(frozen=True, slots=True)
class Burndown:
    """A campaign: what is left to do.

    Attributes:
        id: Its name.
        target: The release it moves projects to.
        states: Projects by state.
        left: (when, projects that are not done) after each change.
    """

    id: str
    target: str
    states: dict[str, int]
    left: list[tuple[str, int]]


@dataclass(frozen=True)
class Report:
    """One run.

    Attributes:
        name: What the fleet is called.
        when: When it was made, aware.
        rules: Every rule that was checked.
        projects: What came of each project, by name.
        fleet_findings: Findings about no single project, such as an unused waiver.
        trend: Earlier runs, the oldest first.
        campaigns: What is under way.
    """

    name: str
    when: dt.datetime
    rules: Sequence[Rule]
    projects: Sequence[ProjectResult]
    fleet_findings: Sequence[Finding] = ()
    trend: Sequence[TrendPoint] = field(default_factory=list)
    campaigns: Sequence[Burndown] = field(default_factory=list)

    def findings(self) -> Iterator[Finding]:
        """Yield every finding."""
        for project in self.projects:
            yield from project.findings
        yield from self.fleet_findings

    def shown(self) -> Iterator[Finding]:
        """Yield what a reader has to know: failures, waived ones and errors."""
        for finding in self.findings():
            if finding.outcome in {Outcome.FAIL, Outcome.WAIVED, Outcome.ERROR}:
                yield finding

    @property
    def unchecked(self) -> list[ProjectResult]:
        """The projects that could not be checked, in whole or in part."""
        return [
            project
            for project in self.projects
            if project.problem or any(f.outcome is Outcome.ERROR for f in project.findings)
        ]

    def exit_code(self) -> Exit:
        """Return how the command ends."""
        return exit_code(self.findings(), unchecked=len(self.unchecked))

    def grade(self, project: ProjectResult) -> str:
        """Return the highest grade of which, and below which, every rule is kept.

        What does not apply and what is waived does not count against a project; what could not be
        checked does.
        """
        if project.problem:
            return NO_GRADE
        broken = {f.rule for f in project.findings if f.outcome in {Outcome.FAIL, Outcome.ERROR}}
        held = NO_GRADE
        for grade in Grade:
            if any(rule.id in broken for rule in self.rules if rule.grade is grade):
                break
            held = grade.value
        return held

    def grades(self) -> dict[str, int]:
        """Return how many projects have each grade."""
        counted = Counter(self.grade(project) for project in self.projects)
        return {grade: counted.get(grade, 0) for grade in GRADES}

    def failures(self) -> int:
        """Return how many findings fail, notes left out."""
        return sum(f.outcome is Outcome.FAIL and f.level is not Level.NOTE for f in self.findings())

    def tallies(self) -> list[Tally]:
        """Return the outcomes of each rule, counted in projects."""
        counts: dict[str, Counter[str]] = {rule.id: Counter() for rule in self.rules}
        for project in self.projects:
            worst: dict[str, Outcome] = {}
            for finding in project.findings:
                before = worst.get(finding.rule)
                if before is None or _RANK[finding.outcome] > _RANK[before]:
                    worst[finding.rule] = finding.outcome
            for rule, outcome in worst.items():
                counts.setdefault(rule, Counter())[outcome.value] += 1
        return [Tally(rule, dict(counted)) for rule, counted in sorted(counts.items())]

    def without_passes(self) -> Report:
        """Return the same report without what passed or does not apply, which is most of it."""
        kept = {Outcome.FAIL, Outcome.WAIVED, Outcome.ERROR}
        projects = [
            dataclasses.replace(p, findings=[f for f in p.findings if f.outcome in kept])
            for p in self.projects
        ]
        return dataclasses.replace(self, projects=projects)


_RANK = {
    Outcome.NOT_APPLICABLE: 0,
    Outcome.PASS: 1,
    Outcome.WAIVED: 2,
    Outcome.FAIL: 3,
    Outcome.ERROR: 4,
}
