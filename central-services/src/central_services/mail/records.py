# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Small durable records that several processes change at once, by comparing and swapping.

What was sent, and which outages the admins know of, is kept in them.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

__all__ = ["MemoryRecords", "RecordStore", "RecordsUnavailableError", "SqliteRecords"]

Clock = Callable[[], float]

_BUSY_S = 30.0  # a message whose record can not be written is sent again
_PURGED = 100  # expired rows that one new record takes away, so that the file never grows old
_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (
    key TEXT PRIMARY KEY, value TEXT NOT NULL, expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS records_expires_at ON records (expires_at);
"""


class RecordsUnavailableError(Exception):
    """The records can't be read or written now; nothing that depends on them may be sent."""


class RecordStore(Protocol):
    """Durable values by key, changed only where nobody else changed them first.

    A write that has returned survives the end of the process. Every method raises
    `RecordsUnavailableError` when the store can't be reached.
    """

    async def read(self, key: str) -> str | None:
        """Return the value of a key, or None when there is none or its time is over."""
        ...

    async def swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        """Put a value in the place of another, and return whether that other was there.

        Args:
            key: What to change.
            expected: The value it must have; None, that it has none.
            new: The value it gets; None removes it.
            ttl_s: Seconds after which it is forgotten.
        """
        ...

    async def keys(self, prefix: str) -> list[str]:
        """Return the keys that start with a prefix, in order."""
        ...

    async def aclose(self) -> None:
        """Let go of what is open."""
        ...


class MemoryRecords:
    """Records of this process alone, for tests and for what must leave nothing behind."""

    def __init__(self, *, clock: Clock = time.time) -> None:
        self._clock = clock
        self._values: dict[str, tuple[str, float]] = {}

    async def read(self, key: str) -> str | None:
        """See `RecordStore.read`."""
        value, until = self._values.get(key, ("", 0.0))
        return value if until > self._clock() else None

    async def swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        """See `RecordStore.swap`."""
        if await self.read(key) != expected:
            return False
        self._values.pop(key, None)
        if new is not None:
            self._values[key] = new, self._clock() + ttl_s
        return True

    async def keys(self, prefix: str) -> list[str]:
        """See `RecordStore.keys`."""
        now = self._clock()
        return sorted(k for k, (_, t) in self._values.items() if k.startswith(prefix) and t > now)

    async def aclose(self) -> None:
        """See `RecordStore.aclose`."""


class SqliteRecords:
    """Records in a file, for all processes of one machine; opened when it is first used.

    WAL with synchronous=FULL: what was swapped in is on the disk.
    """

    def __init__(self, path: Path, *, clock: Clock = time.time) -> None:
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    async def read(self, key: str) -> str | None:
        """See `RecordStore.read`."""
        return await asyncio.to_thread(self._read, key)

    async def swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        """See `RecordStore.swap`."""
        return await asyncio.to_thread(self._swap, key, expected, new, ttl_s)

    async def keys(self, prefix: str) -> list[str]:
        """See `RecordStore.keys`."""
        return await asyncio.to_thread(self._keys, prefix)

    async def aclose(self) -> None:
        """See `RecordStore.aclose`."""
        await asyncio.to_thread(self._close)

    @contextmanager
    def _database(self) -> Generator[sqlite3.Connection]:
        """Yield the connection, to one thread at a time; its errors say what they mean."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = self._open()
                yield self._connection
        except (sqlite3.Error, OSError) as error:
            msg = f"the mail records can't be used: {error}"
            raise RecordsUnavailableError(msg) from error

    def _open(self) -> sqlite3.Connection:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
        )
        try:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("PRAGMA synchronous = FULL")
            db.executescript(_SCHEMA)
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _read(self, key: str) -> str | None:
        with self._database() as db:
            return self._value(db, key)

    def _value(self, db: sqlite3.Connection, key: str) -> str | None:
        query = "SELECT value FROM records WHERE key = ? AND expires_at > ?"
        row = db.execute(query, (key, self._clock())).fetchone()
        return row[0] if row else None

    def _keys(self, prefix: str) -> list[str]:
        query = (
            "SELECT key FROM records WHERE substr(key, 1, ?) = ? AND expires_at > ? ORDER BY key"
        )
        with self._database() as db:
            return [row[0] for row in db.execute(query, (len(prefix), prefix, self._clock()))]

    def _swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        with self._database() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                swapped = self._value(db, key) == expected
                if swapped:
                    self._put(db, key, new, self._clock() + ttl_s)
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise
            return swapped

    def _put(self, db: sqlite3.Connection, key: str, new: str | None, until: float) -> None:
        if new is None:
            db.execute("DELETE FROM records WHERE key = ?", (key,))
            return
        db.execute("INSERT OR REPLACE INTO records VALUES (?, ?, ?)", (key, new, until))
        db.execute(
            "DELETE FROM records WHERE key IN"
            " (SELECT key FROM records WHERE expires_at <= ? LIMIT ?)",
            (self._clock(), _PURGED),
        )
