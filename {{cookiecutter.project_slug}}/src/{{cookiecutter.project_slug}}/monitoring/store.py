# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where tasks are kept, whatever keeps them: the interface, and what goes through it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from .schemas import Change, RunRecord

T = TypeVar("T")
Document = dict[str, Any]
"""A task as it is kept; it may be one that this release can't read."""


@dataclass(slots=True)
class Draft:
    """What one change sees and writes; all of it is kept, or nothing.

    Attributes:
        tasks: Every task by its id, or only the one that was asked for.
        count: How many tasks there are in all.
        changes: Changes to remember.
        runs: Runs to remember.
    """

    tasks: dict[str, Document]
    count: int
    changes: list[Change] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)


class PresetsStore(Protocol):
    """Keeps tasks, their runs and their changes.

    Every method raises `PresetsUnreadableError` when it can't read or write what it keeps, and has
    then changed nothing.
    """

    async def read(self) -> dict[str, Document]:
        """Return every task by its id, as some change left them."""
        ...

    async def change(self, work: Callable[[Draft], T], *, only: str | None = None) -> T:
        """Let `work` change the tasks while nobody else can, and keep what it did.

        What it raises leaves everything as it was.

        Args:
            work: Changes the draft; must not block for long.
            only: The id of the one task that it needs.
        """
        ...

    async def runs(self, task_id: str, limit: int) -> list[RunRecord]:
        """Return the newest runs of a task, the newest first."""
        ...

    async def run(self, task_id: str, run_id: str) -> RunRecord | None:
        """Return one run, or None when it is not, or no longer, remembered."""
        ...

    async def changes(self, task_id: str | None, limit: int) -> list[Change]:
        """Return the newest changes, of a task or of all, the newest first."""
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
