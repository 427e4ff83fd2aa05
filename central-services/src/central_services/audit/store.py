# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Storing events in the trail's own file: durable when `add` returns, sealed soon after."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from pathlib import Path

from ..utils.logging import get_logger
from .errors import AuditConflictError, AuditUnavailableError
from .events import AuditEvent
from .group_commit import GroupCommit
from .records import RecordCodec, Stored, refuse_another
from .schema import connect

FILE = "trail.db"
KEYS = "subject-keys.db"

_INSERT = "INSERT INTO inbox (id, record, code) VALUES (?, ?, ?)"
_FIND = (
    "SELECT record FROM inbox WHERE id = ? UNION ALL SELECT record FROM entries"
    " LEFT JOIN records USING (seq) WHERE id = ?"
)

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
        self._commits: GroupCommit[AuditEvent, str | None] = GroupCommit(
            self._write, max_batch=max_batch, max_pending=max_pending
        )

    async def add(self, event: AuditEvent) -> str | None:
        """Store an event and return once it is on the disk.

        Returns:
            None; or, with nothing stored, the record of the event that was stored before under the
            same idempotency key, with the same content: empty when it has been dropped.

        Raises:
            AuditUnavailableError: When it could not be stored.
            AuditConflictError: When another event was stored under its idempotency key.
            InvalidEventError: When it can't be written as JSON.
        """
        return await self._commits.submit(event)

    def take_now(self, stored: Sequence[Stored]) -> None:
        """Store records that were made before, unless they are in the trail; it blocks.

        Raises:
            AuditUnavailableError: When they could not be stored.
        """
        self._write(stored)

    @property
    def is_alive(self) -> bool:
        """Whether events are taken."""
        return self._commits.is_alive

    def close(self) -> None:
        """Store what waits, and close the file."""
        self._commits.close()
        self._connection.close()

    def _write(self, items: Sequence[AuditEvent | Stored]) -> list[str | Exception | None]:
        """Store a batch in one transaction; see `GroupCommit`."""
        try:
            self._codec.prepare([item for item in items if isinstance(item, AuditEvent)])
            encoded = [self._encode(item) for item in items]
            with self._writing:
                results = self._insert(items, encoded)
        except sqlite3.Error as error:
            log.exception("audit_store_failed", events=len(items))
            raise AuditUnavailableError from error
        self._stored.set()
        return results

    def _encode(self, item: AuditEvent | Stored) -> Stored | Exception:
        if isinstance(item, Stored):
            return item
        try:
            return self._codec.encode(item)
        except Exception as error:  # noqa: BLE001  # one event's fault must not fail its neighbours
            return error

    def _insert(
        self, items: Sequence[AuditEvent | Stored], encoded: Sequence[Stored | Exception]
    ) -> list[str | Exception | None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            results: list[str | Exception | None] = []
            for item, stored in zip(items, encoded, strict=True):
                result = stored if isinstance(stored, Exception) else self._earlier(item)
                if result is None and isinstance(stored, Stored):
                    row = (stored.id, stored.record, stored.code)
                    self._connection.execute(_INSERT, row)
                results.append(result)
            self._connection.execute("COMMIT")
        except BaseException:  # whatever it is, nothing of the batch may stay
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        return results

    def _earlier(self, item: AuditEvent | Stored) -> str | Exception | None:
        """Return what to answer when an event is there already, else None."""
        if isinstance(item, AuditEvent) and not item.fingerprint:
            return None  # its id is new
        row = self._connection.execute(_FIND, (item.id, item.id)).fetchone()
        if row is None:
            return None
        record = str(row[0] or "")
        if isinstance(item, AuditEvent):
            try:
                refuse_another(record, item)
            except AuditConflictError as error:
                return error
        return record
