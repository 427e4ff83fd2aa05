# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Whose a path is: the table that came with the template, in ownership.toml beside this file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath

TABLE = "scripts/updating/ownership.toml"


@dataclass(frozen=True)
class Ownership:
    """The classes of paths, and what may be switched.

    Attributes:
        owned: Patterns of what is the project's; `*` is one level.
        merged: Patterns of what both add to.
        replaceable: Patterns of files that a project may replace, such as images.
        answers: What each question may be answered with; nothing for yes and no.
        moved: Where paths of earlier releases are now.
    """

    owned: list[str] = field(default_factory=list)
    merged: list[str] = field(default_factory=list)
    replaceable: list[str] = field(default_factory=list)
    answers: dict[str, list[str]] = field(default_factory=dict)
    moved: dict[str, str] = field(default_factory=dict)

    def class_of(self, path: str) -> str:
        """Return the class of a path that the template brings: managed, merged or owned."""
        for name, patterns in (("merged", self.merged), ("owned", self.owned)):
            if any(matches(path, pattern) for pattern in patterns):
                return name
        return "owned" if self.is_replaceable(path) else "managed"

    def is_replaceable(self, path: str) -> bool:
        """Tell whether a project may put a file of its own in this place, such as an image."""
        name = PurePosixPath(path).name
        return any(fnmatchcase(name, pattern) for pattern in self.replaceable)

    def new_place(self, path: str) -> str | None:
        """Return where a path of an earlier release is now, or None when it is where it was."""
        for old, new in self.moved.items():
            if matches(path, old):
                # A star stands for the package, which has the same name on both sides.
                parts, above = PurePosixPath(path).parts, PurePosixPath(old).parts
                stars = [part for part, p in zip(parts, above, strict=False) if p == "*"]
                moved = [stars.pop(0) if part == "*" else part for part in PurePosixPath(new).parts]
                return str(PurePosixPath(*moved, *parts[len(above) :]))
        return None


@cache
def _parts(path: str) -> tuple[str, ...]:
    return PurePosixPath(path).parts


def matches(path: str, pattern: str) -> bool:
    """Tell whether a pattern names a path or a folder above it; `*` is one level."""
    parts, wanted = _parts(path), _parts(pattern)
    return len(parts) >= len(wanted) and all(map(fnmatchcase, parts, wanted))


def load(project: Path) -> Ownership:
    """Return the table of a project as it is in its work tree now."""
    table = tomllib.loads((project / TABLE).read_text("utf-8"))
    known = Ownership.__dataclass_fields__
    return Ownership(**{name: value for name, value in table.items() if name in known})
