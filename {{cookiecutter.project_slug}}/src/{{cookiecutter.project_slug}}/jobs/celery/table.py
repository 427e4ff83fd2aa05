# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where the ledger of jobs is kept: versioned records, and sorted indexes over them.

A table decides nothing. All that a job goes through is in `ledger.py`, once, and a table only has to
write several records at once, and only if nobody else wrote one of them meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol


class Stored(NamedTuple):
    """A record as it was read.

    Attributes:
        version: Grows with each write; 0 when there is none.
        body: Its bytes; empty when there is none.
    """

    version: int
    body: bytes


ABSENT = Stored(0, b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A record to write, and what changes with it in the indexes.

    Attributes:
        key: Its key.
        version: The version that was read; 0 when there must be none.
        body: The new bytes; empty to delete it.
        put: (index, member) to score.
        drop: (index, member) to take out.
    """

    key: str
    version: int
    body: bytes
    put: Mapping[tuple[str, str], float] = field(default_factory=dict)
    drop: Sequence[tuple[str, str]] = ()


class Summary(NamedTuple):
    """What an index holds.

    Attributes:
        due: Members whose score is not in the future.
        total: All members.
        first_age_s: Seconds since the lowest score; negative when it is in the future, 0 when empty.
    """

    due: int
    total: int
    first_age_s: float


class Table(Protocol):
    """Records and indexes. Blocks; every method may be called from any thread.

    The time is the table's own, in seconds since 1970, so that programs need not agree about it.
    Every method raises `JobsUnavailableError` when it can't be reached or can't write.
    """

    def open(self) -> None:
        """Connect, and make what is missing; safe to repeat."""
        ...

    def close(self) -> None:
        """Close all connections."""
        ...

    def read(self, keys: Sequence[str]) -> tuple[float, list[Stored]]:
        """Return the time and the records, `ABSENT` for what is not there."""
        ...

    def write(self, changes: Sequence[Change]) -> bool:
        """Write all changes and return True, or none and False when a version is not the newest."""
        ...

    def touch(self, index: str, members: Mapping[str, float]) -> list[bool]:
        """Set scores to so many seconds from now; return which members there were. None is added."""
        ...

    def scores(self, index: str, members: Sequence[str]) -> tuple[float, list[float | None]]:
        """Return the time and the members' scores."""
        ...

    def due(self, index: str, limit: int) -> list[str]:
        """Return members whose score is not in the future, the lowest first."""
        ...

    def newest(self, index: str, offset: int, limit: int) -> list[str]:
        """Return members by falling score."""
        ...

    def summaries(self, indexes: Sequence[str]) -> list[Summary]:
        """Return what each index holds."""
        ...
