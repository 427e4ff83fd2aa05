"""Check one project against the rules. Whatever one rule does, the others and the run go on."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ..errors import ProjectError
from ..findings import Finding, Level, Outcome, fingerprint_of
from ..snapshot import Snapshot
from .errors import CannotReadError, NotCheckedError
from .model import Rule, Sighting
from .parsing import Parser
from .project import Project

MAX_FINDINGS = 200
"""Findings of one rule in one project; what is said 200 times is not read 201 times."""


class Runner:
    """Checks projects, one after the other, and remembers what equal files said.

    Attributes:
        rules: What is checked, by id.
        today: The day that `enforce-from` dates are compared with.
    """

    def __init__(
        self,
        rules: Sequence[Rule],
        today: dt.date,
        levels: Mapping[str, str] | None = None,
        parser: Parser | None = None,
    ) -> None:
        """Take the rules, the day, and the levels that the organisation changed."""
        self.rules = rules
        self.today = today
        self._levels = {rule: Level(level) for rule, level in (levels or {}).items()}
        self._parser = parser or Parser()

    def check(self, snapshot: Snapshot, facts: Mapping[str, object] | None = None) -> list[Finding]:
        """Return what came of every rule: one finding each, or one for each thing found.

        Args:
            snapshot: The project; nothing in it is run.
            facts: What others know about it: `drift`, `release`, `audit`.
        """
        project = Project(snapshot, self._parser, facts)
        return [finding for rule in self.rules for finding in self._outcomes(rule, project)]

    def _outcomes(self, rule: Rule, project: Project) -> Iterator[Finding]:
        try:
            if rule.when and not rule.applies_to(project.answers):
                said = ", ".join(f"{name}: {value}" for name, value in rule.when.items())
                yield self._finding(rule, project, Outcome.NOT_APPLICABLE, f"It is for {said}.")
                return
            sightings = self._first(rule.check(project))
        except NotCheckedError as error:
            yield self._finding(rule, project, Outcome.NOT_APPLICABLE, _sentence(error))
        except ProjectError as error:
            yield self._finding(rule, project, Outcome.ERROR, _sentence(error))
        except Exception as error:  # noqa: BLE001  # a defect of one rule must neither pass nor stop the others
            said = f"The rule itself failed: {type(error).__name__}: {error}"
            yield self._finding(rule, project, Outcome.ERROR, said[:300])
        else:
            yield from self._failures(rule, project, sightings)
            if not sightings:
                yield self._finding(rule, project, Outcome.PASS, "")

    @staticmethod
    def _first(found: Iterable[Sighting]) -> list[Sighting]:
        sightings: list[Sighting] = []
        for sighting in found:
            if len(sightings) == MAX_FINDINGS:
                sightings[-1] = Sighting(f"There is more: only {MAX_FINDINGS} findings are shown.")
                break
            sightings.append(sighting)
        return sorted(sightings, key=lambda one: (one.path, one.line, one.message))

    def _failures(
        self, rule: Rule, project: Project, sightings: list[Sighting]
    ) -> Iterator[Finding]:
        seen: Counter[tuple[str, str]] = Counter()
        for one in sightings:
            key = (one.path, one.message)
            # Equal findings of one file are told apart by their number, since lines move.
            name = f"{one.message}\0{seen[key]}"
            seen[key] += 1
            yield Finding(
                rule=rule.id,
                project=project.name,
                outcome=Outcome.FAIL,
                level=self.level(rule),
                message=one.message,
                path=one.path,
                line=one.line,
                fix=rule.fix,
                fingerprint=fingerprint_of(rule.id, project.name, one.path, name),
                details={"diff": one.diff} if one.diff else {},
            )

    def level(self, rule: Rule) -> Level:
        """Return how bad a finding is today, after what the organisation changed."""
        return self._levels.get(rule.id, rule.level_on(self.today))

    def _finding(self, rule: Rule, project: Project, outcome: Outcome, said: str) -> Finding:
        return Finding(
            rule=rule.id,
            project=project.name,
            outcome=outcome,
            level=self.level(rule),
            message=said,
        )


def _sentence(error: Exception) -> str:
    text = str(error)
    begins = text.split(" ", 1)[0]
    if not (isinstance(error, CannotReadError) or "/" in begins or "." in begins):  # a path
        text = f"{text[:1].upper()}{text[1:]}"
    return text if text.endswith(".") else f"{text}."
