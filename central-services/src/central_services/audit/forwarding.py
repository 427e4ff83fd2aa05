# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What was forwarded: a table beside the trail, which is the outbox.

Events leave the trail in its order. Each is written down here, as it will be sent, in the transaction
that moves the cursor on, so that a repetition sends the same bytes. It stays, with its receipt, for as
long as the trail has it: what was dropped there at the end of its retention goes here too.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .actions import ACTIONS
from .ocsf import cloud_event
from .records import RecordCodec

FILE = "forwarding.db"
MAX_BATCH_BYTES = 262_144
"""Bytes of one call at most, unless a single event is larger."""

_TABLES = """
CREATE TABLE IF NOT EXISTS cursor (one INTEGER PRIMARY KEY CHECK (one = 1), next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS lease (
  one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, until REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
  seq INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, event TEXT NOT NULL, state TEXT NOT NULL,
  taken REAL NOT NULL, place INTEGER, reason TEXT, receipt TEXT, again INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS events_waiting ON events (seq) WHERE state = 'waiting';
CREATE INDEX IF NOT EXISTS events_without_receipt ON events (seq)
  WHERE state = 'sent' AND receipt IS NULL AND reason IS NULL;
"""

State = Literal["waiting", "sent", "refused"]


@dataclass(frozen=True, slots=True)
class Forwarded:
    """An event on its way, or there.

    Attributes:
        seq: Its number in the trail.
        id: Its id.
        event: What is sent, JSON.
        state: Whether it waits, was sent, or was refused for good.
        place: Its number in the service's log; None while that is not known.
        reason: Why it was refused.
        receipt: The proof that it is there; None while there is none.
    """

    seq: int
    id: str
    event: str
    state: State
    place: int | None
    reason: str | None
    receipt: str | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """How far forwarding is.

    Attributes:
        waiting: Events that were not sent, those still in the trail included.
        oldest_s: Seconds that the first of them has waited since it was taken from the trail.
        sent: Events that the service has.
        refused: Events that it refused for good, or whose receipt proves nothing.
        without_receipt: Events that were sent and have no receipt yet.
    """

    waiting: int
    oldest_s: float
    sent: int
    refused: int
    without_receipt: int


class Forwarding:
    """The table.

    Args:
        folder: The trail's folder.
        clock: Seconds since 1970.
    """

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        path = folder / FILE
        path.touch(mode=0o600)
        # One thread at a time uses it, not always the same one.
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        pragmas = ("busy_timeout = 10000", "journal_mode = WAL", "synchronous = FULL")
        for pragma in (*pragmas, "secure_delete = ON"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def lead(self, holder: str, seconds: float) -> bool:
        """Whether this holder is the one that forwards, for the next seconds."""
        now = self._clock()
        done = self._connection.execute(
            "INSERT INTO lease VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE"
            " SET holder = excluded.holder, until = excluded.until"
            " WHERE holder = excluded.holder OR until < ?",
            (holder, now + seconds, now),
        )
        return done.rowcount == 1

    def resign(self, holder: str) -> None:
        """Let another one forward."""
        self._connection.execute("DELETE FROM lease WHERE holder = ?", (holder,))

    def take(
        self, trail: sqlite3.Connection, codec: RecordCodec, *, source: str, limit: int
    ) -> int:
        """Write down the next sealed events of the trail; return how many entries that were."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            start = self._next()
            rows = trail.execute(
                "SELECT seq, record FROM entries LEFT JOIN records USING (seq)"
                " WHERE seq >= ? ORDER BY seq LIMIT ?",
                (start, limit),
            ).fetchall()
            now = self._clock()
            for seq, record in rows:
                if record is None:
                    continue  # dropped at the end of its retention
                shown = codec.decode(record)
                action = ACTIONS.find(shown["action"])
                event = cloud_event(shown, action, source=source, seq=seq)
                text = json.dumps(event, ensure_ascii=False, separators=(",", ":"))
                row = (seq, shown["id"], text, "waiting", now)
                self._connection.execute(
                    "INSERT INTO events (seq, id, event, state, taken) VALUES (?, ?, ?, ?, ?)", row
                )
            if rows:
                self._connection.execute(
                    "INSERT INTO cursor VALUES (1, ?) ON CONFLICT (one) DO UPDATE SET next = excluded.next",
                    (rows[-1][0] + 1,),
                )
            self._connection.execute("COMMIT")
        except BaseException:  # whatever it is, the step is undone
            self._connection.execute("ROLLBACK")
            raise
        return len(rows)

    def waiting(self, limit: int) -> list[Forwarded]:
        """Return the events to be sent next, in order, as many as one call may hold."""
        found: list[Forwarded] = []
        size = 0
        for one in self._select("state = 'waiting' ORDER BY seq LIMIT ?", limit):
            size += len(one.event.encode())
            if found and size > MAX_BATCH_BYTES:
                break
            found.append(one)
        return found

    def sent(self, places: Mapping[str, int | None]) -> None:
        """Note that the service has events; `places` are their ids with their numbers there."""
        self._write(
            "UPDATE events SET state = 'sent', place = ? WHERE id = ?",
            [(place, event_id) for event_id, place in places.items()],
        )

    def refused(self, event_id: str, reason: str) -> None:
        """Note that the service will never take an event."""
        self._write(
            "UPDATE events SET state = 'refused', reason = ? WHERE id = ?", [(reason, event_id)]
        )

    def distrust(self, event_id: str, reason: str) -> None:
        """Note that the receipt of an event proves nothing."""
        self._write("UPDATE events SET reason = ? WHERE id = ?", [(reason, event_id)])

    def lost(self, event_ids: Sequence[str]) -> None:
        """Note that the service has lost events: they wait again, those that already did do not."""
        ids = [(event_id,) for event_id in event_ids]
        self._write(
            "UPDATE events SET reason = 'the service took it twice and does not have it'"
            " WHERE id = ? AND again",
            ids,
        )
        self._write(
            "UPDATE events SET state = 'waiting', place = NULL, again = 1 WHERE id = ? AND NOT again",
            ids,
        )

    def try_refused_again(self) -> int:
        """Let all refused events wait again, for whoever mended the cause; return how many."""
        done = self._connection.execute(
            "UPDATE events SET state = 'waiting', reason = NULL WHERE state = 'refused'"
        )
        return done.rowcount

    def without_receipt(self, limit: int) -> list[Forwarded]:
        """Return events that were sent and have no receipt, the oldest first."""
        return self._select(
            "state = 'sent' AND receipt IS NULL AND reason IS NULL ORDER BY seq LIMIT ?", limit
        )

    def keep(self, receipts: Mapping[str, str]) -> None:
        """Keep receipts by the ids of their events."""
        self._write(
            "UPDATE events SET receipt = ? WHERE id = ?",
            [(receipt, event_id) for event_id, receipt in receipts.items()],
        )

    def prune(self, trail: sqlite3.Connection, *, after: int, limit: int) -> tuple[int, int | None]:
        """Delete events with receipts that the trail has dropped.

        Args:
            trail: The trail, open to be read.
            after: Only those with a higher number in the trail are looked at.
            limit: How many of them.

        Returns:
            How many were deleted, and the number of the last that was looked at; None at the end.
        """
        rows = self._connection.execute(
            "SELECT seq FROM events WHERE receipt IS NOT NULL AND seq > ? ORDER BY seq LIMIT ?",
            (after, limit),
        ).fetchall()
        there = "SELECT 1 FROM records WHERE seq = ?"
        gone = [row for row in rows if trail.execute(there, row).fetchone() is None]
        self._write("DELETE FROM events WHERE seq = ?", gone)
        return len(gone), rows[-1][0] if rows else None

    def find(self, event_id: str) -> Forwarded | None:
        """Return an event, or None when it was not taken from the trail yet."""
        return next(iter(self._select("id = ?", event_id)), None)

    def faulty(self, limit: int) -> list[Forwarded]:
        """Return the newest events that were refused, or whose receipt proves nothing."""
        return self._select("reason IS NOT NULL ORDER BY seq DESC LIMIT ?", limit)

    def backlog(self, trail_size: int) -> Backlog:
        """Return how far it is.

        Args:
            trail_size: How many events the trail has sealed.
        """
        row = self._connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'waiting'),"
            " count(*) FILTER (WHERE state = 'sent'),"
            " count(*) FILTER (WHERE reason IS NOT NULL),"
            " count(*) FILTER (WHERE state = 'sent' AND receipt IS NULL),"
            " min(taken) FILTER (WHERE state = 'waiting') FROM events"
        ).fetchone()
        waiting, sent, refused, without, oldest = row
        age = max(0.0, self._clock() - oldest) if oldest is not None else 0.0
        return Backlog(waiting + trail_size - self._next(), age, sent, refused, without)

    def _next(self) -> int:
        row = self._connection.execute("SELECT next FROM cursor").fetchone()
        return int(row[0]) if row else 0

    def _select(self, condition: str, *values: object) -> list[Forwarded]:
        columns = "seq, id, event, state, place, reason, receipt"
        query = f"SELECT {columns} FROM events WHERE {condition}"  # noqa: S608  # conditions of this class
        return [Forwarded(*row) for row in self._connection.execute(query, values)]

    def _write(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(statement, rows)
        self._connection.execute("COMMIT")
