# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The sealer: moves events from the inbox into the log, in order, and signs what the log then is.

It runs beside the requests, in a thread of its own; they wait for their event to be on the disk and
never for the chain. What was stored and not sealed when a process dies is sealed by the next one.
Several processes may seal one trail: each step is one exclusive transaction.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from datetime import datetime
from hmac import compare_digest
from pathlib import Path
from typing import Any

import orjson

from ..utils.logging import get_logger
from .checkpoint import Checkpoint, NoteSigner
from .events import timestamp, utc_now
from .keys import MasterKey
from .merkle import Frontier, leaf_hash
from .records import entry_for, keys_of
from .schema import connect
from .trail import Trail

STEP = 500
"""Events per transaction, so that no request waits long for its turn to write."""

log = get_logger(__name__)

_STATEMENTS = (
    "INSERT INTO entries VALUES (?, ?, ?)",
    "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
    "INSERT INTO mentions VALUES (?, ?)",
    "INSERT INTO nodes VALUES (?, ?, ?)",
    "DELETE FROM inbox WHERE n = ?",
)


class Sealer:
    """Seals events; one step at a time, or in a thread.

    Attributes:
        last_error: Why the last step failed, or an empty string.
    """

    def __init__(
        self,
        path: Path,
        signer: NoteSigner,
        master: MasterKey,
        *,
        writing: threading.Lock | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.connection = connect(path)
        self._trail = Trail(self.connection)
        self._signer = signer
        self._master = master
        self._writing = writing or threading.Lock()
        self._clock = clock
        self._frontier: Frontier | None = None
        self._refused: set[str] = set()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_error = ""

    def seal(self) -> int:
        """Seal all that waits and return how many events that were.

        Raises:
            sqlite3.Error: When the log can't be written; what waits, waits on.
        """
        total = sealed = self._step()
        # Not until there is nothing left: under load that would be a signature for every event.
        while sealed == STEP:
            sealed = self._step()
            total += sealed
        return total

    def _step(self) -> int:
        with self._writing:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                sealed = self._seal_some()
                self.connection.execute("COMMIT")
            except BaseException:  # whatever it is, the step is undone, and it goes on
                self._frontier = None  # it may be ahead of what is stored
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise
        return sealed

    def _seal_some(self) -> int:
        size = self._trail.size()
        if self._frontier is None or self._frontier.size != size:
            self._frontier = self._trail.frontier()
        query = "SELECT n, id, record, code FROM inbox ORDER BY n LIMIT ?"
        rows = self.connection.execute(query, (STEP + len(self._refused),)).fetchall()
        step = _Step(timestamp(self._clock()))
        for number, event_id, record, code in rows:
            if not compare_digest(self._master.code(record), code):
                self._refuse(event_id)
                continue
            step.add(self._frontier, number, record)
        step.store(self.connection)
        sealed = self._frontier.size - size
        if sealed:
            checkpoint = Checkpoint(self._signer.name, self._frontier.size, self._frontier.root())
            note = (checkpoint.size, self._signer.sign(checkpoint))
            self.connection.execute("INSERT INTO checkpoints VALUES (?, ?)", note)
        return sealed

    def _refuse(self, event_id: str) -> None:
        """Leave what this service did not write in the inbox, where `verify` reports it."""
        if event_id not in self._refused:
            self._refused.add(event_id)
            log.critical("audit_event_forged", event_id=event_id)

    def start(self, interval_s: float, stored: threading.Event) -> None:
        """Seal in a thread: soon after events were stored, and each second whatever happens."""
        self._thread = threading.Thread(
            target=self._run, args=(interval_s, stored), name="audit-sealer", daemon=True
        )
        self._thread.start()

    def _run(self, interval_s: float, stored: threading.Event) -> None:
        while not self._stop.is_set():
            # Once a second also for what another process stored and did not live to seal.
            stored.wait(1.0)
            stored.clear()
            began = time.monotonic()
            self._try_to_seal()
            self._stop.wait(max(0.0, interval_s - (time.monotonic() - began)))

    def _try_to_seal(self) -> None:
        """Seal, or say in the log and to the readiness check why that is not possible."""
        try:
            self.seal()
            self.last_error = ""
        except (sqlite3.Error, IndexError, ValueError) as error:
            # A log that was tampered with has no hashes to go on from: `audit verify` says where.
            self.last_error = type(error).__name__
            log.exception("audit_seal_failed")

    def close(self, stored: threading.Event | None = None) -> None:
        """Stop the thread, seal what is left and close the file."""
        if self._thread is not None:
            self._stop.set()
            if stored is not None:
                stored.set()
            self._thread.join()
        self._try_to_seal()
        self.connection.close()


class _Step:
    """The rows that one transaction adds, and those of the inbox that they replace."""

    def __init__(self, sealed: str) -> None:
        self._sealed = sealed
        self._rows: dict[str, list[tuple[object, ...]]] = {text: [] for text in _STATEMENTS}

    def add(self, frontier: Frontier, number: int, record: str) -> None:
        """Append a record to the log, as the number it has in the inbox."""
        entries, records, mentions, nodes, sealed = self._rows.values()
        fields = orjson.loads(record)
        seq = frontier.size
        leaf = entry_for(seq, record, fields, self._sealed)
        entries.append((seq, fields["id"], leaf))
        records.append((seq, *columns(fields), record))
        mentions.extend((key, seq) for key in keys_of(fields))
        nodes.extend(frontier.append(leaf_hash(leaf.encode())))
        sealed.append((number,))

    def store(self, connection: sqlite3.Connection) -> None:
        """Write the rows."""
        for statement, rows in self._rows.items():
            connection.executemany(statement, rows)


def columns(fields: dict[str, Any]) -> tuple[str | None, ...]:
    """Return what a record is found by: time, action, outcome, target, request id, expiry."""
    target = fields["target"]
    return (
        fields["time"],
        fields["action"],
        fields["outcome"],
        f"{target['kind']}:{target['id']}" if "id" in target else None,
        fields.get("request_id"),
        fields.get("expires"),
    )
