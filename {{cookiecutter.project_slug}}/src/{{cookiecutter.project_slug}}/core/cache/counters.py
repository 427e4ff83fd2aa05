# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the cache did, counted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

FIELDS = ("hits", "misses", "loads", "stored", "refused")


class Counts:
    """Counters of one namespace, which only go up."""

    __slots__ = FIELDS

    def __init__(self) -> None:
        self.hits = 0
        self.misses = 0
        self.loads = 0
        self.stored = 0
        self.refused = 0


@dataclass(frozen=True, slots=True)
class NamespaceStats:
    """What happened in one namespace.

    Attributes:
        hits: Values found, "there is none" included.
        misses: Values not found, or not believed.
        loads: Loads begun.
        stored: Values stored.
        refused: Values that were not stored or not believed: of another type, too large, forged.
    """

    hits: int = 0
    misses: int = 0
    loads: int = 0
    stored: int = 0
    refused: int = 0

    @property
    def hit_ratio(self) -> float:
        """Hits among reads, from 0 to 1; 0 before the first read."""
        reads = self.hits + self.misses
        return self.hits / reads if reads else 0.0


@dataclass(frozen=True, slots=True)
class CacheStats:
    """What the cache did since it was made.

    Attributes:
        namespaces: By name and version, what happened there.
        errors: Operations that the server did not carry out, or was not asked to while it was down.
        available: Whether values can be stored and read now.
        shared: Whether a server keeps the values.
        entries: Values kept in this process.
        size_bytes: What they take.
        evictions: Values that had to make room before their time.
    """

    namespaces: Mapping[str, NamespaceStats]
    errors: int
    available: bool
    shared: bool
    entries: int = 0
    size_bytes: int = 0
    evictions: int = 0

    @property
    def total(self) -> NamespaceStats:
        """All namespaces together."""
        sums = (sum(getattr(n, field) for n in self.namespaces.values()) for field in FIELDS)
        return NamespaceStats(*sums)


class Counters:
    """Counters of all namespaces, and what of them was reported already."""

    def __init__(self) -> None:
        self._counts: dict[str, Counts] = {}
        self._reported: dict[str, int] = {}
        self.errors = 0

    def of(self, space_id: str) -> Counts:
        """Return the counters of a namespace."""
        counts = self._counts.get(space_id)
        if counts is None:
            counts = self._counts[space_id] = Counts()
        return counts

    def namespaces(self) -> dict[str, NamespaceStats]:
        """Return them as they are now."""
        return {
            space_id: NamespaceStats(*(getattr(counts, field) for field in FIELDS))
            for space_id, counts in self._counts.items()
        }

    def take(self) -> dict[str, int]:
        """Return by how much each has gone up since the last call, as `prices:1:hits`."""
        now = {
            f"{space_id}:{field}": getattr(counts, field)
            for space_id, counts in self._counts.items()
            for field in FIELDS
        }
        now["errors"] = self.errors
        grown = {
            name: count - self._reported.get(name, 0)
            for name, count in now.items()
            if count > self._reported.get(name, 0)
        }
        self._reported = now
        return grown
