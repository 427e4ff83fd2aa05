# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The keys of subjects in an SQLite file, for the processes of one host."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

from .keys import WrappedKey


class KeyFile:
    """Keeps wrapped keys in a file that only this user may read.

    What is erased is overwritten: there is no write-ahead log, which would keep it until its next
    checkpoint, and deleted rows become zeros.

    Args:
        path: The file; it is made at first use.
    """

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        for pragma in ("journal_mode = DELETE", "synchronous = EXTRA", "secure_delete = ON"):
            self._file.execute(f"PRAGMA {pragma}")
        self._file.execute("PRAGMA busy_timeout = 10000")
        self._file.execute(
            "CREATE TABLE IF NOT EXISTS subjects"
            " (name BLOB PRIMARY KEY, id TEXT NOT NULL UNIQUE, wrapped BLOB NOT NULL) WITHOUT ROWID"
        )

    def named(self, names: Sequence[bytes]) -> Iterable[WrappedKey]:
        """Return the keys of these names, as far as there are any."""
        return self._found("SELECT name, id, wrapped FROM subjects WHERE name = ?", names)

    def wrapped(self, ids: Sequence[str]) -> Iterable[WrappedKey]:
        """Return the keys of these ids, as far as there are any."""
        return self._found("SELECT name, id, wrapped FROM subjects WHERE id = ?", ids)

    def all(self) -> Iterable[WrappedKey]:
        """Return every key, to move them elsewhere."""
        rows = self._file.execute("SELECT name, id, wrapped FROM subjects ORDER BY name")
        return (WrappedKey(*row) for row in rows)

    def add(self, keys: Sequence[WrappedKey]) -> None:
        """Store keys, on the disk when it returns; of a name that has one the old one stays."""
        rows = [(key.name, key.id, key.wrapped) for key in keys]
        self._file.execute("BEGIN IMMEDIATE")
        self._file.executemany("INSERT OR IGNORE INTO subjects VALUES (?, ?, ?)", rows)
        self._file.execute("COMMIT")

    def erase(self, name: bytes) -> str | None:
        """Destroy a key and return the id it had, or None when there was none."""
        row = self._file.execute("SELECT id FROM subjects WHERE name = ?", (name,)).fetchone()
        self._file.execute("DELETE FROM subjects WHERE name = ?", (name,))
        return str(row[0]) if row else None

    def version(self) -> int:
        """Return a number that changes when another process has changed the file."""
        return int(self._file.execute("PRAGMA data_version").fetchone()[0])

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _found(self, query: str, values: Sequence[object]) -> Iterable[WrappedKey]:
        for value in values:
            row = self._file.execute(query, (value,)).fetchone()
            if row is not None:
                yield WrappedKey(*row)
