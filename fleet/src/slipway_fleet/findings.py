"""What a check has to say about a project."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from .errors import Exit


class Outcome(StrEnum):
    """What came of one check. An error is never folded into a pass."""

    PASS = "pass"
    FAIL = "fail"
    WAIVED = "waived"
    NOT_APPLICABLE = "not-applicable"
    ERROR = "error"


class Level(StrEnum):
    """How bad a failure is, in the words of SARIF."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of one rule in one project.

    Attributes:
        rule: The rule's id, such as `FL101`.
        project: The project's id in the inventory.
        outcome: What came of the check.
        level: How bad a failure is.
        message: One sentence, in words about this project.
        path: The file it is about, relative to the project; empty for the whole project.
        line: From 1; 0 when it is about the whole file.
        fix: What to do about it, one sentence.
        fingerprint: The same for the same finding in every run; see `fingerprint_of`.
        waiver: The id of the waiver that covers it; empty without one.
        details: More, by name, for JSON and SARIF properties.
    """

    rule: str
    project: str
    outcome: Outcome
    level: Level = Level.ERROR
    message: str = ""
    path: str = ""
    line: int = 0
    fix: str = ""
    fingerprint: str = ""
    waiver: str = ""
    details: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Fill in the fingerprint."""
        if not self.fingerprint:
            made = fingerprint_of(self.rule, self.project, self.path)
            object.__setattr__(self, "fingerprint", made)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def fingerprint_of(rule: str, project: str, path: str, key: str = "") -> str:
    """Return 16 hex digits that stay the same while lines move; `key` tells findings of one file apart."""
    text = f"{rule}\0{project}\0{path}\0{key}"
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def exit_code(findings: Iterable[Finding], *, unchecked: int = 0) -> Exit:
    """Return how a command ends: what could not be checked outweighs what was found.

    Only failures at level error or warning count; a note and a waived finding do not.
    """
    seen = Exit.CLEAN
    for finding in findings:
        if finding.outcome is Outcome.ERROR:
            return Exit.UNCHECKED
        if finding.outcome is Outcome.FAIL and finding.level is not Level.NOTE:
            seen = Exit.FINDINGS
    return Exit.UNCHECKED if unchecked else seen
