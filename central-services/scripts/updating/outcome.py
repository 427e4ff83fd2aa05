# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What an update did, in words for whoever reads it."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field

CLASSES = {
    "managed": "the platform's",
    "merged": "yours and the platform's",
    "owned": "yours",
}
SIGNS = {"A": "new    ", "M": "changed", "D": "gone   ", "T": "changed"}


@dataclass
class Outcome:
    """What changed in the work tree.

    Attributes:
        before: The release the project was at.
        after: The release it is at now.
        changed: For each class, what happened to which path.
        bent: Managed files that the project had edited, with its edits as a diff.
        deleted: Managed files that the project had deleted.
        kept: Where lines of the project's are kept that have no place any more.
        moved: Files that went to a new path with the project's lines in them.
        conflicts: Merged files in which both sides changed the same lines.
        broken: Imports of what is gone, where they were accepted.
    """

    before: str
    after: str
    changed: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    bent: dict[str, str] = field(default_factory=dict)
    deleted: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    moved: list[tuple[str, str]] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether nothing changed."""
        return not any(self.changed.values()) and not self.kept

    def lines(self) -> Iterator[str]:
        """Yield the report, what needs a look first."""
        for path, diff in self.bent.items():
            what = "had edits" if diff else "had another mode"
            yield f"{path} is managed and {what}; it is the template's again" + ":" * bool(diff)
            yield from (f"    {line}" for line in diff.splitlines())
        yield from (f"{path} is managed and was deleted; it is back" for path in self.deleted)
        yield from (f"{old} is now {new}, with your lines" for old, new in self.moved)
        if self.bent or self.deleted or self.moved:
            yield ""
        yield f"release {self.before} -> {self.after}"
        for name, whose in CLASSES.items():
            changes = self.changed.get(name, [])
            yield f"{name} ({whose}): {len(changes) or 'no'} changed"
            yield from (f"  {SIGNS.get(sign, sign)} {path}" for sign, path in changes)
        yield from (f"kept aside, move what you need and delete it: {path}" for path in self.kept)
        yield from (f"broken: {line}" for line in self.broken)
        yield from (
            f"CONFLICT in {path}: resolve it, then git add {path}" for path in self.conflicts
        )


def edits(path: str, before: bytes, after: bytes) -> str:
    """Return what a project changed in a file, as a diff; binary files in a word."""
    try:
        old, new = (text.decode("utf-8").splitlines() for text in (before, after))
    except UnicodeDecodeError:
        return "(a binary file)"
    return "\n".join(
        difflib.unified_diff(old, new, f"template/{path}", f"project/{path}", lineterm="")
    )
