# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The ledger in an SQLite file: for one machine, with nothing to install."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..errors import JobsUnavailableError
from .table import ABSENT, Change, Stored, Summary

_BUSY_S = 10.0
_SCHEMA = """
CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, version INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS place (
    name TEXT NOT NULL, member TEXT NOT NULL, score REAL NOT NULL, PRIMARY KEY (name, member)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS place_score ON place (name, score);
"""


class SqliteTable:
    """A `Table` in one file, shared by the processes of one machine.

    Args:
        path: The file; on a local disk, since locks are not reliable on network file systems.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None

    def open(self) -> None:
        """Open the file, and make it when there is none."""
        with self._lock:
            if self._connection is not None:
                return
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True)
                connection = sqlite3.connect(
                    self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA journal_mode=WAL")
                # A job that was enqueued is on disk, not only with the operating system.
                connection.execute("PRAGMA synchronous=FULL")
                connection.executescript(_SCHEMA)
            except (OSError, sqlite3.Error) as error:
                raise JobsUnavailableError from error
            self._connection = connection

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    @contextmanager
    def _using(self, begin: str = "") -> Generator[sqlite3.Connection]:
        with self._lock:
            connection = self._connection
            if connection is None:
                raise JobsUnavailableError("The job store is closed.")
            try:
                if not begin:
                    yield connection
                    return
                connection.execute(begin)
                try:
                    yield connection
                except BaseException:
                    connection.execute("ROLLBACK")
                    raise
                connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise JobsUnavailableError from error

    def read(self, keys: Sequence[str]) -> tuple[float, list[Stored]]:
        """Return the time and the records."""
        found = []
        with self._using() as connection:
            for key in keys:
                row = connection.execute(
                    "SELECT version, body FROM record WHERE key = ?", (key,)
                ).fetchone()
                found.append(Stored(*row) if row else ABSENT)
        return time.time(), found

    def write(self, changes: Sequence[Change]) -> bool:
        """Write all changes, or none."""
        with self._using("BEGIN IMMEDIATE") as connection:
            for change in changes:
                row = connection.execute(
                    "SELECT version FROM record WHERE key = ?", (change.key,)
                ).fetchone()
                if (row[0] if row else 0) != change.version:
                    return False  # nothing was written yet
            for change in changes:
                _apply(connection, change)
        return True

    def touch(self, index: str, members: Mapping[str, float]) -> list[bool]:
        """Set the scores of members that there are."""
        statement = "UPDATE place SET score = ? WHERE name = ? AND member = ?"
        now = time.time()
        with self._using("BEGIN IMMEDIATE") as connection:
            return [
                connection.execute(statement, (now + delay_s, index, member)).rowcount > 0
                for member, delay_s in members.items()
            ]

    def scores(self, index: str, members: Sequence[str]) -> tuple[float, list[float | None]]:
        """Return the time and the members' scores."""
        found: list[float | None] = []
        with self._using() as connection:
            for member in members:
                row = connection.execute(
                    "SELECT score FROM place WHERE name = ? AND member = ?", (index, member)
                ).fetchone()
                found.append(row[0] if row else None)
        return time.time(), found

    def due(self, index: str, limit: int) -> list[str]:
        """Return members that are due."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT member FROM place WHERE name = ? AND score <= ? ORDER BY score LIMIT ?",
                (index, time.time(), limit),
            ).fetchall()
        return [row[0] for row in rows]

    def newest(self, index: str, offset: int, limit: int) -> list[str]:
        """Return members by falling score."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT member FROM place WHERE name = ? ORDER BY score DESC, member DESC"
                " LIMIT ? OFFSET ?",
                (index, limit, offset),
            ).fetchall()
        return [row[0] for row in rows]

    def summaries(self, indexes: Sequence[str]) -> list[Summary]:
        """Return what each index holds."""
        found, now = [], time.time()
        with self._using() as connection:
            for index in indexes:
                total, due, first = connection.execute(
                    "SELECT count(*), coalesce(sum(score <= ?), 0), min(score) FROM place"
                    " WHERE name = ?",
                    (now, index),
                ).fetchone()
                found.append(Summary(due, total, 0.0 if first is None else now - first))
        return found


def _apply(connection: sqlite3.Connection, change: Change) -> None:
    """Write one change."""
    if change.body:
        connection.execute(
            "INSERT INTO record VALUES (?, ?, ?) ON CONFLICT (key)"
            " DO UPDATE SET version = excluded.version, body = excluded.body",
            (change.key, change.version + 1, change.body),
        )
    else:
        connection.execute("DELETE FROM record WHERE key = ?", (change.key,))
    connection.executemany("DELETE FROM place WHERE name = ? AND member = ?", change.drop)
    connection.executemany(
        "INSERT INTO place VALUES (?, ?, ?) ON CONFLICT (name, member)"
        " DO UPDATE SET score = excluded.score",
        [(name, member, score) for (name, member), score in change.put.items()],
    )
