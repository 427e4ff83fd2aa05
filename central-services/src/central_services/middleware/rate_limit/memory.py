# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rate-limit algorithms that count in this process, in a fixed amount of memory.

Each works on a table of packed floats. A decision is 0.4 to 0.9 us, and with room for 200,000 keys
100,000 of them take 51 bytes each (token bucket) or 77 (windows), strings included, because only
their hashes are kept.
"""

from __future__ import annotations

from array import array
from typing import Protocol

from ..refusals import Pair
from .quota import Quota

_SPARE = 1.6
"""Slots per key: at most 5 of 8 are taken, so that a search looks at 2 slots, or 5 for a new key."""

# Times are float seconds: sums of 60 periods are off by some 1e-8, requests are further apart.
_EPSILON = 1e-6
_PAIR = float(2**26)
"""Two counts share one float of 53 bits in the sliding window: previous * 2^26 + current."""


class PackedTable:
    """A bounded map from strings to a few floats each, without an object per key.

    Two generations of open-addressing hash tables: when the younger one is full, it becomes the
    older, and what was the older is forgotten. A key that is used moves to the younger one. So the
    cap always holds, eviction costs nothing, and a key is forgotten only after `max_keys / 2` other
    keys were used since. Keys are told apart by 53 bits of their hash, which Python seeds at random
    for each process: 100,000 keys share one by chance once in a million runs.

    Args:
        max_keys: Keys remembered at most, in both generations.
        width: Floats per key.
    """

    __slots__ = ("_capacity", "_end", "_old", "_stride", "cells", "slots", "used")

    def __init__(self, max_keys: int, width: int = 1) -> None:
        self._capacity = max(1, max_keys // 2)
        self._stride = 1 + width
        self.slots = int(self._capacity * _SPARE) + 1
        self._end = self.slots * self._stride
        self.cells = array("d", bytes(8 * self._end))
        self._old: array[float] | None = None
        self.used = 0

    def find(self, key: str) -> int:
        """Return the index in `cells` of the first float of a key, which are 0.0 for a new one.

        Fetch `cells` after this: it may have started a new generation.
        """
        number = hash(key)
        tag = number * 1.0 or 1.0
        start = number % self.slots * self._stride
        cells = self.cells
        index = start
        while (found := cells[index]) != tag:
            if not found:
                return self._insert(tag, index, start)
            index += self._stride
            if index == self._end:
                index = 0
        return index + 1

    def _insert(self, tag: float, index: int, start: int) -> int:
        if self.used >= self._capacity:
            self._old = self.cells
            self.cells = array("d", bytes(8 * self._end))
            self.used = 0
            index = start
        self.used += 1
        self.cells[index] = tag
        old = self._old
        if old is not None:
            while (found := old[start]) != tag and found:
                start += self._stride
                if start == self._end:
                    start = 0
            if found:
                self.cells[index : index + self._stride] = old[start : start + self._stride]
        return index + 1

    def __len__(self) -> int:
        """Return how many keys are remembered at most: those of both generations."""
        return self.used + (self._capacity if self._old is not None else 0)

    @property
    def nbytes(self) -> int:
        """Bytes held by both generations."""
        return (1 if self._old is None else 2) * 8 * self._end


class Algorithm(Protocol):
    """Counts requests in this process; never fails."""

    def hit(self, key: str, quota: Quota, now: float) -> float:
        """Count a request of a key.

        Args:
            key: Who is counted; one string per client and quota.
            quota: What is allowed.
            now: Seconds of a clock that never goes back.

        Returns:
            Something that `headers` reads when the request is allowed, at least 0; otherwise minus
            the seconds after which it will be.
        """
        ...

    def headers(self, level: float, quota: Quota, now: float) -> tuple[Pair, Pair]:
        """Return what a response says after a request that `hit` allowed; see `Quota.headers`."""
        ...


class TokenBucket:
    """Token bucket, as GCRA: one time per key, the theoretical arrival time of the next request.

    At most `burst` requests at once, then one every `window / limit`; in any interval of t seconds
    never more than `burst + t * limit / window`.
    """

    __slots__ = ("_headers", "_said", "table")

    def __init__(self, max_keys: int) -> None:
        self.table = PackedTable(max_keys)
        self._said: tuple[Quota, int, int] | None = None
        self._headers: tuple[Pair, Pair]

    def hit(self, key: str, quota: Quota, now: float) -> float:
        """Count a request; see `Algorithm`."""
        table = self.table
        # PackedTable.find by hand for the common case, a key in its first slot: saves 0.15 us.
        number = hash(key)
        cells = table.cells
        index = number % table.slots * 2
        if cells[index] == (number * 1.0 or 1.0):
            index += 1
        else:
            index = table.find(key)
            cells = table.cells
        ahead = cells[index] - now
        if ahead < 0.0:
            ahead = 0.0
        if ahead > quota.tolerance:
            return quota.tolerance - ahead
        cells[index] = now + ahead + quota.period
        return ahead

    def headers(self, level: float, quota: Quota, now: float) -> tuple[Pair, Pair]:
        """Return what is left; `level` is how far the bucket was from full, in seconds."""
        del now
        left = int((quota.tolerance - level) / quota.period)
        seconds = level + quota.period
        # A client that stays below its quota is told the same each time.
        said = (quota, left, int(seconds + 0.999999))
        if said != self._said:
            self._said, self._headers = said, quota.headers(left, seconds)
        return self._headers


class FixedWindow:
    """Fixed window: at most `limit` requests in each window of the clock.

    Up to twice the limit fits around the boundary of two windows.
    """

    __slots__ = ("table",)

    def __init__(self, max_keys: int) -> None:
        self.table = PackedTable(max_keys, 2)

    def hit(self, key: str, quota: Quota, now: float) -> float:
        """Count a request; see `Algorithm`."""
        index = self.table.find(key)
        cells = self.table.cells
        window = now // quota.window + 1.0  # never 0.0, which is an unused cell
        count = cells[index + 1] if cells[index] == window else 0.0
        if count >= quota.limit:
            return min(-_EPSILON, now - window * quota.window)
        cells[index] = window
        cells[index + 1] = count + 1.0
        return count

    def headers(self, level: float, quota: Quota, now: float) -> tuple[Pair, Pair]:
        """Return what is left; `level` is the count before this request."""
        return quota.headers(quota.limit - int(level) - 1, quota.window - now % quota.window)


class SlidingWindow:
    """Sliding window by counters: the previous window counts by the share that still overlaps.

    It takes the previous window's requests for evenly spread, so it is exact for steady clients and
    forgives a burst at a window's end; never more than `limit` in a window of the clock.
    """

    __slots__ = ("table",)

    def __init__(self, max_keys: int) -> None:
        self.table = PackedTable(max_keys, 2)

    def hit(self, key: str, quota: Quota, now: float) -> float:
        """Count a request; see `Algorithm`."""
        index = self.table.find(key)
        cells = self.table.cells
        size = quota.window
        window = now // size + 1.0
        previous, current = divmod(cells[index + 1], _PAIR)
        if cells[index] != window:
            previous = current if cells[index] == window - 1.0 else 0.0
            current = 0.0
        left = window * size - now
        used = previous * left / size + current
        free = quota.limit - 1.0
        if used > free + _EPSILON:
            return -sliding_wait(previous, current, free, left, size)
        cells[index] = window
        cells[index + 1] = previous * _PAIR + current + 1.0
        return used

    def headers(self, level: float, quota: Quota, now: float) -> tuple[Pair, Pair]:
        """Return what is left; `level` is the weighted count before this request."""
        left = int(quota.limit - level - 1.0 + _EPSILON)
        return quota.headers(left, quota.window - now % quota.window)


def sliding_wait(previous: float, current: float, free: float, left: float, size: float) -> float:
    """Return the seconds until the weighted count has fallen to `free`.

    Args:
        previous: Requests in the previous window.
        current: Requests in this one.
        free: The count at which one more request is allowed, limit - 1.
        left: Seconds to the end of this window.
        size: Seconds of a window.
    """
    if current <= free:
        return max(_EPSILON, left - (free - current) * size / previous)
    return left + size - free * size / current
