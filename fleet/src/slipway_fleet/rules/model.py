"""A rule, its parts, and what checking it against a project gives."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from ..findings import Level

if TYPE_CHECKING:
    from .project import Project


class Grade(StrEnum):
    """How far a service has come: it has a grade when it keeps all rules of it and below."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"


class Lifecycle(StrEnum):
    """How settled a rule is; an experimental one only ever warns, a deprecated one notes."""

    EXPERIMENTAL = "experimental"
    STABLE = "stable"
    DEPRECATED = "deprecated"


class Waivable(StrEnum):
    """Who may except a project from a rule."""

    NONE = "none"
    CENTRAL = "central"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What a check saw and where.

    Attributes:
        message: What is wrong, in a sentence.
        path: The file, empty when it is the project as a whole.
        line: From 1; 0 when it is the file as a whole.
        diff: What an update would change, when that says more than the message.
    """

    message: str
    path: str = ""
    line: int = 0
    diff: str = ""


class Check(Protocol):
    """Decides whether a project keeps a rule.

    Raises `NotCheckedError` when this run lacks what it needs and `CannotReadError` when a file of
    the project can not be read. Whatever else it raises is the rule's own defect: the outcome is
    `error` for that project and the run goes on.
    """

    def __call__(self, project: Project) -> Iterable[Sighting]:
        """Yield what is wrong; nothing when the project keeps the rule."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One change that an example makes to a fresh project.

    Attributes:
        action: `write`, `append`, `replace`, `delete`, `chmod`, `link`, or `lock`, which writes a
            lock file of what pyproject.toml asks for.
        path: The file, where `{package}` stands for the package's folder.
        text: The new content, what is appended, the mode or the target.
        old: What `replace` replaces; it must be there.
    """

    action: str
    path: str
    text: str = ""
    old: str = ""


@dataclass(frozen=True, slots=True)
class Example:
    """A project that keeps or breaks a rule: answers, and edits to a fresh render.

    The edits count as the template's own: what drifted is said by the fact `drift`, so that an
    example for a rule about a managed file breaks that rule alone.

    Attributes:
        answers: What differs from the default answers.
        edits: Made to the render, in order.
        facts: What `Project.facts` holds.
    """

    answers: Mapping[str, object] = field(default_factory=dict)
    edits: tuple[Edit, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Rule:
    """One standard that projects are held to.

    Attributes:
        id: Stable name, such as `SEC01`.
        title: What a project that keeps it can say, in a sentence.
        family: What it belongs to.
        grade: The grade that asks for it.
        level: How bad a finding is.
        why: What goes wrong without it.
        fix: What to do about a finding.
        check: Decides.
        kind: Type of the check in its rule file.
        lifecycle: How settled it is.
        enforce_from: Day from which a finding has its full level; a warning before.
        waivable: Who may except a project.
        effort: Minutes that a fix takes, roughly.
        when: Answers that a project must have for the rule to apply; all of them.
        controls: What an auditor knows it as: framework to its identifiers.
        autofix: A change that is safe to make by itself, or None.
        options: What the check was made from, for the documentation.
        passing: Projects that keep it, beside every fresh one.
        failing: Projects that break it, and no other rule.
    """

    id: str
    title: str
    family: str
    grade: Grade
    level: Level
    why: str
    fix: str
    check: Check
    kind: str
    lifecycle: Lifecycle = Lifecycle.STABLE
    enforce_from: dt.date | None = None
    waivable: Waivable = Waivable.LOCAL
    effort: int = 15
    when: Mapping[str, object] = field(default_factory=dict)
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    autofix: Mapping[str, object] | None = None
    options: Mapping[str, object] = field(default_factory=dict)
    passing: tuple[Example, ...] = ()
    failing: tuple[Example, ...] = ()

    def applies_to(self, answers: Mapping[str, object]) -> bool:
        """Return whether the answers of a project bring the rule into play."""
        return all(_agrees(answers.get(name), wanted) for name, wanted in self.when.items())

    def level_on(self, day: dt.date) -> Level:
        """Return how bad a finding is on a day."""
        if self.lifecycle is Lifecycle.DEPRECATED:
            return Level.NOTE
        early = self.enforce_from is not None and day < self.enforce_from
        if self.level is Level.ERROR and (early or self.lifecycle is Lifecycle.EXPERIMENTAL):
            return Level.WARNING
        return self.level


def _agrees(answer: object, wanted: object) -> bool:
    if isinstance(wanted, list):
        return any(_agrees(answer, one) for one in wanted)
    return type(answer) is type(wanted) and answer == wanted
