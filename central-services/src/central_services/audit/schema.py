# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The tables of the trail, in an SQLite file of its own, and what the database refuses by itself.

| table | holds | may change |
|---|---|---|
| inbox | events that are stored and not yet sealed | a row leaves only into the log |
| entries | the log: one entry per event, in order | never |
| records | the events, encrypted where sensitive | a row goes when its retention has ended |
| mentions | which subject keys a record mentions | goes with its record |
| nodes | hashes of complete subtrees of 256, 65,536, ... entries | never |
| checkpoints | signed states of the log | never |

Triggers stop mistakes and whoever has no more than SQL. Whoever can write the file can drop them;
`verify` notices that, and every change that was made without them.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 1

_TABLES = """
CREATE TABLE inbox (
  n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, record TEXT NOT NULL, code BLOB NOT NULL
);
CREATE TABLE entries (seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, leaf TEXT NOT NULL);
CREATE TABLE records (
  seq INTEGER PRIMARY KEY, time TEXT NOT NULL, action TEXT NOT NULL, outcome TEXT NOT NULL,
  target TEXT, request_id TEXT, expires TEXT, record TEXT NOT NULL
);
CREATE INDEX records_by_time ON records (time);
CREATE INDEX records_by_action ON records (action);
CREATE INDEX records_by_target ON records (target);
CREATE INDEX records_by_expiry ON records (expires) WHERE expires IS NOT NULL;
CREATE TABLE mentions (key TEXT NOT NULL, seq INTEGER NOT NULL, PRIMARY KEY (key, seq)) WITHOUT ROWID;
CREATE INDEX mentions_by_seq ON mentions (seq);
CREATE TABLE nodes (
  level INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL, PRIMARY KEY (level, position)
) WITHOUT ROWID;
CREATE TABLE checkpoints (size INTEGER PRIMARY KEY, note TEXT NOT NULL);
"""


def _trigger(name: str, event: str, condition: str = "") -> str:
    when = f" WHEN {condition}" if condition else ""
    table = name.partition("_")[0]
    return (
        f"CREATE TRIGGER {name} BEFORE {event} ON {table}{when}"
        f" BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )


_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

TRIGGERS = {
    name: _trigger(name, *rule)
    for name, rule in {
        **{f"{table}_update": ("UPDATE",) for table in (
            "inbox", "entries", "records", "mentions", "nodes", "checkpoints",
        )},
        **{f"{table}_delete": ("DELETE",) for table in ("entries", "nodes", "checkpoints")},
        "inbox_delete": ("DELETE", "NOT EXISTS (SELECT 1 FROM entries WHERE id = OLD.id)"),
        "records_delete": ("DELETE", f"OLD.expires IS NULL OR OLD.expires > {_NOW}"),
        "mentions_delete": ("DELETE", "EXISTS (SELECT 1 FROM records WHERE seq = OLD.seq)"),
        # INSERT OR REPLACE deletes without asking the triggers above.
        "entries_insert": ("INSERT", "NEW.seq != (SELECT ifnull(max(seq) + 1, 0) FROM entries)"),
        "records_insert": ("INSERT", "EXISTS (SELECT 1 FROM records WHERE seq = NEW.seq)"),
        "nodes_insert": (
            "INSERT",
            "EXISTS (SELECT 1 FROM nodes WHERE level = NEW.level AND position = NEW.position)",
        ),
        "checkpoints_insert": ("INSERT", "NEW.size <= (SELECT max(size) FROM checkpoints)"),
    }.items()
}  # fmt: skip


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the trail for one thread; transactions are begun and ended by hand.

    Raises:
        sqlite3.Error: When the file can't be opened.
    """
    if read_only:
        uri = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA busy_timeout = 10000")
        return connection
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600)
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA busy_timeout = 10000")
    # FULL: a transaction that has been committed is on the disk, whatever happens next. What is
    # deleted is overwritten with zeros.
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
        connection.execute(f"PRAGMA {pragma}")
    _create(connection)
    return connection


def _create(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    if connection.execute("PRAGMA user_version").fetchone()[0] == 0:
        for statement in _TABLES.split(";\n")[:-1]:
            connection.execute(statement)
        for trigger in TRIGGERS.values():
            connection.execute(trigger)
        connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def altered_schema(connection: sqlite3.Connection) -> list[str]:
    """Return what is not as it was created: tables, indexes, triggers, by name."""
    reference = sqlite3.connect(":memory:", isolation_level=None)
    _create(reference)
    query = "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%'"
    expected, found = set(reference.execute(query)), set(connection.execute(query))
    reference.close()
    return sorted({f"{row[0]} {row[1]}" for row in expected ^ found})
