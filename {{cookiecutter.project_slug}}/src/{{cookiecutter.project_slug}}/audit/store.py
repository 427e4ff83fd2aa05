# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Storing events in the trail's own file: durable when `add` returns, sealed soon after."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import orjson

from ..utils.logging import get_logger
from .errors import AuditConflictError, AuditUnavailableError
from .events import Actor, AuditEvent, Sensitivity
from .group_commit import GroupCommit
from .records import RecordCodec, Stored
from .schema import connect

FILE = "trail.db"
KEYS = "subject-keys.db"

log = get_logger(__name__)


class Inbox:
    """Puts events into the trail's inbox, many callers to a transaction.

    Args:
        path: The trail's file.
        codec: Writes the events down.
        writing: Held while this process writes, so that its own sealer does not make it wait for
            SQLite's busy timeout, which sleeps.
        stored: Called after each commit.
        max_batch: Events per transaction.
        max_pending: Events that may wait.
    """

    def __init__(
        self,
        path: Path,
        codec: RecordCodec,
        *,
        writing: threading.Lock,
        stored: threading.Event,
        max_batch: int,
        max_pending: int,
    ) -> None:
        self._codec = codec
        self._connection = connect(path)
        self._writing = writing
        self._stored = stored
        self._commits: GroupCommit[AuditEvent, AuditEvent] = GroupCommit(
            self._write, max_batch=max_batch, max_pending=max_pending
        )

    async def add(self, event: AuditEvent) -> AuditEvent:
        """Store an event and return it once it is on the disk.

        Returns:
            The event; or the one that was stored before under the same idempotency key, with the
            same content, and then nothing is stored.

        Raises:
            AuditUnavailableError: When it could not be stored.
            AuditConflictError: When another event was stored under its idempotency key.
            InvalidEventError: When it can't be written as JSON.
        """
        return await self._commits.submit(event)

    @property
    def is_alive(self) -> bool:
        """Whether events are taken."""
        return self._commits.is_alive

    def close(self) -> None:
        """Store what waits, and close the file."""
        self._commits.close()
        self._connection.close()

    def _write(self, events: Sequence[AuditEvent]) -> list[AuditEvent | Exception]:
        """Store a batch in one transaction; see `GroupCommit`."""
        try:
            self._codec.prepare(events)
            encoded = [self._encode(event) for event in events]
            with self._writing:
                results = self._insert(events, encoded)
        except sqlite3.Error as error:
            log.exception("audit_store_failed", events=len(events))
            raise AuditUnavailableError from error
        self._stored.set()
        return results

    def _encode(self, event: AuditEvent) -> Stored | Exception:
        try:
            return self._codec.encode(event)
        except Exception as error:  # noqa: BLE001  # one event's fault must not fail its neighbours
            return error

    def _insert(
        self, events: Sequence[AuditEvent], encoded: Sequence[Stored | Exception]
    ) -> list[AuditEvent | Exception]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results: list[AuditEvent | Exception] = []
            for event, stored in zip(events, encoded, strict=True):
                if isinstance(stored, Exception):
                    results.append(stored)
                elif event.fingerprint and (earlier := self._earlier(event)) is not None:
                    results.append(earlier)
                else:
                    row = (stored.id, stored.record, stored.code)
                    self._connection.execute(
                        "INSERT INTO inbox (id, record, code) VALUES (?, ?, ?)", row
                    )
                    results.append(event)
            self._connection.execute("COMMIT")
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _earlier(self, event: AuditEvent) -> AuditEvent | Exception | None:
        """Return what to answer when the event's idempotency key was used before, else None."""
        query = (
            "SELECT record FROM inbox WHERE id = ? UNION ALL SELECT record FROM entries"
            " LEFT JOIN records USING (seq) WHERE id = ?"
        )
        row = self._connection.execute(query, (event.id, event.id)).fetchone()
        if row is None:
            return None
        # A record that was dropped at the end of its retention can't be compared any more.
        if row[0] is None:
            return event
        if orjson.loads(row[0]).get("fingerprint") != event.fingerprint:
            return AuditConflictError("another event was recorded under this idempotency key")
        return self._as_first_recorded(event, row[0])

    def _as_first_recorded(self, event: AuditEvent, record: str) -> AuditEvent:
        """Return an event with what its fingerprint leaves open as in the record of then."""
        then = self._codec.decode(record, Sensitivity.RESTRICTED)
        who = {name: value for name, value in then["actor"].items() if name != "key"}
        return replace(
            event,
            time=datetime.fromisoformat(then["time"]),
            actor=Actor(**who),
            request_id=then.get("request_id", ""),
            trace_id=then.get("trace_id", ""),
        )
