# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The store of one process: bounded by entries and bytes, the least recently used goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from .namespace import Namespace
from .stores import Grant, Lease

ENTRY_BYTES = 200
"""What an entry takes besides its key and value, about: measured with tracemalloc."""


class MemoryStore:
    """Keep bytes in this process.

    Args:
        max_entries: Most entries kept.
        max_bytes: Most bytes kept, `ENTRY_BYTES` for each entry included.
        clock: Monotonic seconds.
    """

    def __init__(
        self, *, max_entries: int, max_bytes: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._clock = clock
        self._entries: OrderedDict[str, tuple[float, int, bytes]] = OrderedDict()
        self._generations: dict[str, int] = {}
        self._first = 0  # the generation of namespaces that were not deleted yet
        self.size_bytes = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._entries)

    async def read(self, space: Namespace[Any], key: str) -> bytes | None:
        """Return the bytes, or None when there are none."""
        name = f"{space.id}:{key}"
        entry = self._entries.get(name)
        if entry is None:
            return None
        expires, generation, raw = entry
        if expires <= self._clock() or generation != self._generations.get(space.id, self._first):
            self._drop(name)
            return None
        self._entries.move_to_end(name)
        return raw

    async def lease(self, space: Namespace[Any], key: str) -> Lease:  # noqa: ARG002  # the Protocol's
        """Grant it: no other process stores anything here."""
        return Grant(b"", b"%d" % self._generations.get(space.id, self._first))

    async def fill(
        self, space: Namespace[Any], key: str, grant: Grant, raw: bytes, ttl_s: float
    ) -> bool:
        """Store what was loaded, unless the namespace was deleted meanwhile."""
        if int(grant.generation) != self._generations.get(space.id, self._first):
            return False
        return await self.write(space, key, raw, ttl_s)

    def release(self, space: Namespace[Any], key: str, grant: Grant) -> None:
        """Do nothing: a grant is for this process only."""

    async def write(self, space: Namespace[Any], key: str, raw: bytes, ttl_s: float) -> bool:
        """Store bytes; what was used least recently makes room."""
        name = f"{space.id}:{key}"
        self._drop(name)
        size = len(raw) + len(name) + ENTRY_BYTES
        if size > self._max_bytes:
            return False
        self._entries[name] = (
            self._clock() + ttl_s,
            self._generations.get(space.id, self._first),
            raw,
        )
        self.size_bytes += size
        while len(self._entries) > self._max_entries or self.size_bytes > self._max_bytes:
            oldest = next(iter(self._entries))
            self.evictions += self._entries[oldest][0] > self._clock()
            self._drop(oldest)
        return True

    async def delete(self, space: Namespace[Any], *keys: str) -> None:
        """Forget keys."""
        for key in keys:
            self._drop(f"{space.id}:{key}")

    async def delete_namespace(self, space: Namespace[Any]) -> None:
        """Begin a new generation; entries of the old one make room when they are met."""
        self._generations[space.id] = self._generations.get(space.id, self._first) + 1

    async def clear(self) -> int:
        """Forget everything; return how many entries."""
        count = len(self._entries)
        self._entries.clear()
        # Loads that are under way were granted under generations that are gone now.
        self._first = max(self._generations.values(), default=self._first) + 1
        self._generations.clear()
        self.size_bytes = 0
        return count

    async def aclose(self) -> None:
        """Do nothing: there is nothing open."""

    def _drop(self, name: str) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self.size_bytes -= len(entry[2]) + len(name) + ENTRY_BYTES
