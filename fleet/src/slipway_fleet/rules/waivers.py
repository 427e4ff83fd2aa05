"""Exceptions from rules: for a reason, by somebody, with an end. Nothing is dropped silently."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..findings import Finding, Level, Outcome, fingerprint_of
from ..patterns import compile_pattern
from .errors import CannotReadError, WaiverFileError
from .model import Rule, Waivable
from .parsing import parse_yaml

LOCAL_FILE = ".fleet-waivers.yaml"
"""Where a project keeps its own; only rules that are waivable `local` can be in it."""
RULE_ID = "WAIVER"
"""What findings about waivers themselves are filed under."""
_TEXTS = ("id", "rule", "project", "reason", "owner", "approver", "ticket")
_KEYS = {*_TEXTS, "paths", "created", "expires"}
_MIN_REASON = 15


@dataclass(frozen=True, slots=True)
class Waiver:
    """One exception.

    Attributes:
        id: Its name; unique in its file.
        rule: The rule that it is an exception from.
        project: The project, or a pattern of several in the organisation's file.
        paths: Patterns of the files it covers; empty for all.
        reason: Why.
        owner: Who has to end it.
        approver: Who allowed it; somebody else than the owner.
        created: The day it begins.
        expires: The last day that it holds.
        ticket: Where the work is tracked.
        local: Whether it stands in the project itself.
    """

    id: str
    rule: str
    project: str
    paths: tuple[str, ...]
    reason: str
    owner: str
    approver: str
    created: dt.date
    expires: dt.date
    ticket: str
    local: bool = False

    @property
    def key(self) -> str:
        """Its name among the waivers of all files: a project's own are told apart by the project."""
        return f"{self.project}: {self.id}" if self.local else self.id

    def covers(self, finding: Finding) -> bool:
        """Return whether it is about a finding, whether or not it still holds."""
        return (
            finding.rule == self.rule
            and compile_pattern(self.project)(finding.project)
            and (not self.paths or any(compile_pattern(p)(finding.path) for p in self.paths))
        )


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a waiver.

    Attributes:
        waiver: Its id, or its place in the file.
        message: What is wrong and what to do.
        level: An error stops it from holding; a warning does not.
    """

    waiver: str
    message: str
    level: Level


def read_waivers(path: str, text: str, *, local_to: str = "") -> list[Waiver]:
    """Return the waivers of a file: a list, or nothing.

    Args:
        path: Its name, for messages.
        text: Its content.
        local_to: The project whose own file it is; then no entry names a project.

    Raises:
        WaiverFileError: When an entry can not be understood.
    """
    try:
        documents = parse_yaml(path, text)
    except CannotReadError as error:
        raise WaiverFileError(str(error)) from error
    entries = documents[0] if documents else None
    if entries is None:
        return []
    if len(documents) > 1 or not isinstance(entries, list):
        raise WaiverFileError(f"{path} must be a list of waivers")
    return [_read(f"{path}, entry {n}", one, local_to) for n, one in enumerate(entries, 1)]


def load_waivers(path: Path) -> list[Waiver]:
    """Return the waivers of the organisation's file; none when there is no such file."""
    try:
        return read_waivers(path.name, path.read_text("utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise WaiverFileError(f"{path} can not be read: {error}") from error


def _read(place: str, entry: object, local_to: str) -> Waiver:
    if not isinstance(entry, dict):
        raise WaiverFileError(f"{place}: a waiver is a mapping")
    unknown = sorted(map(str, set(entry) - _KEYS))
    if unknown:
        raise WaiverFileError(f"{place}: unknown key {', '.join(unknown)}")
    given: Mapping[str, object] = {"project": local_to, **entry} if local_to else entry
    if local_to and given["project"] != local_to:
        raise WaiverFileError(f"{place}: a project's own waivers are about {local_to} only")
    texts = {}
    for name in _TEXTS:
        value = given.get(name)
        if not isinstance(value, str) or not value.strip():
            raise WaiverFileError(f"{place}: `{name}` is missing")
        texts[name] = value.strip()
    days = {}
    for name in ("created", "expires"):
        value = given.get(name)
        if type(value) is not dt.date:
            raise WaiverFileError(f"{place}: `{name}` must be a day, as in 2027-01-31")
        days[name] = value
    paths = given.get("paths", [])
    if not isinstance(paths, list) or not all(isinstance(one, str) for one in paths):
        raise WaiverFileError(f"{place}: `paths` must be a list of patterns")
    return Waiver(
        id=texts["id"],
        rule=texts["rule"],
        project=texts["project"],
        paths=tuple(paths),
        reason=texts["reason"],
        owner=texts["owner"],
        approver=texts["approver"],
        created=days["created"],
        expires=days["expires"],
        ticket=texts["ticket"],
        local=bool(local_to),
    )


class Waivers:
    """The waivers that hold, and what is wrong with the others.

    Args:
        waivers: Of the organisation and of projects.
        rules: Every rule.
        today: The day of the run.
        max_days: The longest time that one may run.
        forbidden: Patterns of rules that nobody may be excepted from.
        projects: The names of all projects, to find waivers for none; None when not all are known.
    """

    def __init__(
        self,
        waivers: Iterable[Waiver],
        rules: Sequence[Rule],
        today: dt.date,
        *,
        max_days: int = 180,
        forbidden: Sequence[str] = (),
        projects: Iterable[str] | None = None,
    ) -> None:
        """Take what holds; see the class."""
        self._all = list(waivers)
        self._rules = {rule.id: rule for rule in rules}
        self._today = today
        self._max_days = max_days
        self._forbidden = forbidden
        self._projects = None if projects is None else sorted(projects)
        self.problems = [problem for one in self._all for problem in self._problems(one)]
        refused = {p.waiver for p in self.problems if p.level is Level.ERROR}
        self._usable = [one for one in self._all if one.key not in refused]
        self._used: set[str] = set()

    def _problems(self, one: Waiver) -> Iterator[Problem]:
        for said in self._errors(one):
            yield Problem(one.key, said, Level.ERROR)

    def _errors(self, one: Waiver) -> Iterator[str]:
        if sum(other.key == one.key for other in self._all) > 1:
            yield "there are two waivers with this id"
        yield from self._forbidden_errors(one)
        yield from self._time_errors(one)
        if one.approver == one.owner:
            yield "its owner can not approve it"
        if len(one.reason) < _MIN_REASON:
            yield f"its reason says less than {_MIN_REASON} characters"
        names = self._projects
        if names is not None and not any(map(compile_pattern(one.project), names)):
            yield f"there is no project {one.project}"

    def _forbidden_errors(self, one: Waiver) -> Iterator[str]:
        rule = self._rules.get(one.rule)
        if rule is None:
            yield f"there is no rule {one.rule}"
        elif rule.waivable is Waivable.NONE or any(
            compile_pattern(pattern)(one.rule) for pattern in self._forbidden
        ):
            yield f"nobody may be excepted from {one.rule}"
        elif one.local and rule.waivable is Waivable.CENTRAL:
            yield f"a project can not except itself from {one.rule}: ask the platform team"

    def _time_errors(self, one: Waiver) -> Iterator[str]:
        if one.expires < one.created:
            yield "it ends before it begins"
        if (one.expires - one.created).days > self._max_days:
            yield f"it runs for more than {self._max_days} days"
        if one.created > self._today:
            yield f"it begins in the future, on {one.created}"

    def apply(self, findings: Iterable[Finding]) -> list[Finding]:
        """Return the findings, with those that a waiver covers marked.

        A failure under a waiver that has ended stays a failure, and its message says so. An error
        is never waived: nothing is known about it.
        """
        return [self._applied(finding) for finding in findings]

    def _applied(self, finding: Finding) -> Finding:
        if finding.outcome is not Outcome.FAIL:
            return finding
        covering = [one for one in self._usable if one.covers(finding)]
        held = next((one for one in covering if self._today <= one.expires), None)
        for one in covering:
            self._used.add(one.key)
        if held is not None:
            details = {**finding.details, "reason": held.reason, "owner": held.owner}
            details |= {"expires": held.expires.isoformat(), "ticket": held.ticket}
            return dataclasses.replace(
                finding, outcome=Outcome.WAIVED, waiver=held.key, details=details
            )
        if covering:
            ended = covering[0]
            said = f"{finding.message} (The waiver {ended.key} of {ended.owner} ended on {ended.expires}.)"
            return dataclasses.replace(finding, message=said, waiver=ended.key)
        return finding

    def unused(self) -> list[Problem]:
        """Return the waivers that covered nothing; asked after every project was checked."""
        return [
            Problem(one.key, f"it covers nothing: delete it (rule {one.rule})", Level.WARNING)
            for one in self._usable
            if one.key not in self._used
        ]

    def findings(self, *, complete: bool) -> list[Finding]:
        """Return what is wrong with waivers as findings: of a project for its own, else of none.

        Args:
            complete: Whether every project was checked, so that an unused one is known.
        """
        own = {one.key: one.project for one in self._all if one.local}
        problems = [*self.problems, *(self.unused() if complete else ())]
        return [self._finding(problem, own.get(problem.waiver, "")) for problem in problems]

    @staticmethod
    def _finding(problem: Problem, project: str) -> Finding:
        return Finding(
            rule=RULE_ID,
            project=project,
            outcome=Outcome.FAIL,
            level=problem.level,
            message=f"The waiver {problem.waiver}: {problem.message}.",
            path=LOCAL_FILE if project else "",
            fix="Change or delete it; `fleet waiver lint` says what is left.",
            fingerprint=fingerprint_of(RULE_ID, project, "", f"{problem.waiver}{problem.message}"),
        )


def waiver_text(waiver: Waiver) -> str:
    """Return an entry as it stands in a file."""
    import yaml  # noqa: PLC0415  # only needed to write one

    entry = {
        name: getattr(waiver, name)
        for name in ("id", "rule", "project", "paths", "reason", "owner", "approver")
    } | {"created": waiver.created, "expires": waiver.expires, "ticket": waiver.ticket}
    entry["paths"] = list(waiver.paths)
    if not waiver.paths:
        del entry["paths"]
    if waiver.local:
        del entry["project"]
    return yaml.safe_dump([entry], sort_keys=False, allow_unicode=True, width=100)
