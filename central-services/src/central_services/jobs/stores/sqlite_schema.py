# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The tables of the embedded queue, and connections to it."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

READY, WAITING, RUNNING, SUCCEEDED, FAILED, CANCELLED = range(6)
"""States as they are stored: from SUCCEEDED on a job is finished."""

VERSION = 1
BUSY_S = 10.0
"""Seconds to wait for another process's write lock, which is held for one commit."""

_TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    task TEXT NOT NULL,
    queue TEXT NOT NULL,
    payload BLOB NOT NULL,
    priority INTEGER NOT NULL,
    state INTEGER NOT NULL,
    due REAL NOT NULL,
    max_attempts INTEGER NOT NULL,
    timeout_s REAL NOT NULL,
    result_ttl_s REAL NOT NULL,
    unique_key TEXT,
    idempotency_key TEXT NOT NULL,
    trace TEXT NOT NULL,
    enqueued REAL NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    fence INTEGER NOT NULL DEFAULT 0,
    lease REAL,
    worker TEXT NOT NULL DEFAULT '',
    cancel INTEGER NOT NULL DEFAULT 0,
    started REAL,
    finished REAL,
    expires REAL,
    result BLOB,
    error TEXT NOT NULL DEFAULT '',
    progress TEXT
);
CREATE INDEX IF NOT EXISTS jobs_ready ON jobs (queue, priority DESC, n) WHERE state = 0;
CREATE INDEX IF NOT EXISTS jobs_waiting ON jobs (due) WHERE state = 1;
CREATE INDEX IF NOT EXISTS jobs_running ON jobs (lease) WHERE state = 2;
CREATE INDEX IF NOT EXISTS jobs_failed ON jobs (queue) WHERE state = 4;
CREATE INDEX IF NOT EXISTS jobs_expiring ON jobs (expires) WHERE state >= 3;
CREATE UNIQUE INDEX IF NOT EXISTS jobs_unique ON jobs (unique_key)
    WHERE unique_key IS NOT NULL AND state < 3;
CREATE TABLE IF NOT EXISTS rates (queue TEXT PRIMARY KEY, next REAL NOT NULL) WITHOUT ROWID;
"""


def prepare(path: Path) -> None:
    """Make the file and its tables where they are missing; safe for several processes at once.

    Raises:
        sqlite3.Error: When that is not possible, or the file is of a newer release.
        OSError: When its folder can't be made.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    # Arguments of jobs can be personal data, so the file is its owner's alone.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > VERSION:
            raise sqlite3.OperationalError(f"{path} was made by a newer release")
        if version < VERSION:
            connection.executescript(
                f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version = {VERSION}; COMMIT;"
            )
    finally:
        connection.close()


def connect(path: Path) -> sqlite3.Connection:
    """Return a connection for one thread at a time.

    Raises:
        sqlite3.Error: When the file can't be opened.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA cache_size = -16000")
    # A checkpoint copies pages and syncs twice: one for every 16 MB of log, not for every 4.
    connection.execute("PRAGMA wal_autocheckpoint = 4000")
    connection.execute("PRAGMA synchronous = FULL")
    return connection
