# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The end of a record: its retention has passed, or the person it is about is erased."""

from __future__ import annotations

import sqlite3
from datetime import datetime

import orjson

from .errors import LegalHoldError
from .events import timestamp
from .holds import PLACED, RELEASED, HoldLedger
from .keys import SubjectKeys
from .trail import Search, Trail

RECORDS_DROPPED = "audit.records_dropped"

STEP = 500
"""Records per transaction."""


def holds(trail: Trail) -> HoldLedger:
    """Return the legal holds that the sealed trail tells of."""
    ledger = HoldLedger()
    for row in trail.search(Search(action="audit.hold.")):
        fields = orjson.loads(row.record or "{}")
        if fields.get("action") in {PLACED, RELEASED}:
            ledger.apply(fields)
    return ledger


def count_expired(connection: sqlite3.Connection, now: datetime) -> tuple[int, int]:
    """Return how many records `drop_expired` would drop, and how many stay because of a hold."""
    ledger = holds(Trail(connection))
    query = "SELECT seq FROM records WHERE expires <= ?"
    expired = [seq for (seq,) in connection.execute(query, (timestamp(now),))]
    held = sum(bool(ledger.protects(_mentioned(connection, seq))) for seq in expired)
    return len(expired) - held, held


def drop_expired(connection: sqlite3.Connection, now: datetime) -> tuple[int, int]:
    """Drop the records whose retention has ended; entries, hashes and proofs stay.

    Record first how many those are: `audit verify` counts what is gone.

    Returns:
        How many were dropped, and how many stay because of a legal hold.
    """
    ledger = holds(Trail(connection))
    dropped = held = 0
    after = -1
    query = "SELECT seq FROM records WHERE expires <= ? AND seq > ? ORDER BY seq LIMIT ?"
    while rows := connection.execute(query, (timestamp(now), after, STEP)).fetchall():
        after = rows[-1][0]
        connection.execute("BEGIN IMMEDIATE")
        for (seq,) in rows:
            if ledger.protects(_mentioned(connection, seq)):
                held += 1
                continue
            connection.execute("DELETE FROM records WHERE seq = ?", (seq,))
            connection.execute("DELETE FROM mentions WHERE seq = ?", (seq,))
            dropped += 1
        connection.execute("COMMIT")
    # What was in the write-ahead log goes too.
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return dropped, held


def _mentioned(connection: sqlite3.Connection, seq: int) -> set[str]:
    return {k for (k,) in connection.execute("SELECT key FROM mentions WHERE seq = ?", (seq,))}


def erase_subject(trail: Trail, keys: SubjectKeys, subject: str) -> str | None:
    """Destroy a subject's key: nothing that the trail holds about them can be read any more.

    Returns:
        The id that the key had, or None when the trail holds nothing about them.

    Raises:
        LegalHoldError: When a hold protects what the trail holds about them.
    """
    key = keys.find(subject)
    if key is not None:
        hold = holds(trail).protects({key})
        if hold:
            raise LegalHoldError(f"the hold {hold} is in force: release it first")
        keys.erase(subject)
    return key
