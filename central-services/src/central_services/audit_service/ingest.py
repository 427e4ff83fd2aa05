"""Taking events in: durable when `take` returns, many batches to a transaction."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.exc import IntegrityError

from ..audit.errors import AuditUnavailableError
from ..audit.events import Retention
from ..audit.group_commit import GroupCommit
from ..core.database import Database
from ..kit.tenancy import over_all_tenants
from .errors import EventConflictError, OverloadedError
from .events import Event, expiry
from .payloads import PayloadCodec
from .repository import EventKey, EventRepository, Known

MAX_BATCHES = 32
"""Batches that share one transaction: with 500 events each it is still a short one."""

ATTEMPTS = 5
"""Another process may store the same event at the same moment: then it is looked for again."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that are stored together or not at all.

    Attributes:
        tenant: Whose they are.
        sender: The client that sent them.
        events: The events.
    """

    tenant: str
    sender: str
    events: Sequence[Event]


@dataclass(frozen=True, slots=True)
class Taken:
    """That an event is stored.

    Attributes:
        id: What its sender calls it.
        seq: Its index in the tenant's log, or None while it is not sealed.
        duplicate: Whether it was stored before.
    """

    id: str
    seq: int | None
    duplicate: bool


class Ingest:
    """Stores batches.

    Args:
        database: Where.
        codec: Encrypts them.
        days: Days that each class of retention is kept.
        clock: Tells the time.
        stored: Called after each transaction.
        max_pending: Batches that may wait.
    """

    def __init__(
        self,
        database: Database,
        codec: PayloadCodec,
        days: Mapping[Retention, int],
        *,
        clock: Callable[[], datetime],
        stored: Callable[[], None],
        max_pending: int,
    ) -> None:
        self._database = database
        self._codec = codec
        self._days = days
        self._clock = clock
        self._stored = stored
        self._loop = asyncio.get_running_loop()
        self._commits: GroupCommit[Batch, list[Taken]] = GroupCommit(
            self._write, max_batch=MAX_BATCHES, max_pending=max_pending
        )

    async def take(self, batch: Batch) -> list[Taken]:
        """Return what became of each event, once all of them are on the disk.

        Raises:
            EventConflictError: One of the ids was another event's.
            OverloadedError: Too many wait.
            DatabaseUnavailableError: They can't be stored now.
        """
        try:
            return await self._commits.submit(batch)
        except AuditUnavailableError:
            raise OverloadedError(headers={"Retry-After": "1"}) from None

    def rows(self, batch: Batch) -> list[dict[str, Any]]:
        """Return the rows of events, for a transaction of somebody else's; it may wait for the disk."""
        self._codec.prepare((batch.tenant, event) for event in batch.events)
        return [self._row(batch, event) for event in batch.events]

    async def aclose(self) -> None:
        """Store what waits, and stop."""
        await asyncio.to_thread(self._commits.close)

    @property
    def is_alive(self) -> bool:
        """Whether events are taken."""
        return self._commits.is_alive

    def _write(self, batches: Sequence[Batch]) -> Sequence[list[Taken] | Exception]:
        """Store batches in one transaction; it runs in the thread of the group commit."""
        prepared = [(batch.tenant, event) for batch in batches for event in batch.events]
        self._codec.prepare(prepared)
        rows = [[self._row(batch, event) for event in batch.events] for batch in batches]
        return self._in_loop(self._store(rows))

    def _in_loop(
        self, work: Coroutine[Any, Any, Sequence[list[Taken] | Exception]]
    ) -> Sequence[list[Taken] | Exception]:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def _row(self, batch: Batch, event: Event) -> dict[str, Any]:
        payload = self._codec.seal(batch.tenant, event)
        return {
            "tenant_id": batch.tenant,
            "sender": batch.sender,
            "source": event.source,
            "event_id": event.id,
            "time": event.time,
            "received_at": self._clock(),
            "action": event.action,
            "outcome": event.outcome,
            "retention": event.retention.value,
            "expires_at": expiry(event, self._days),
            "commitment": payload.commitment,
            "fingerprint": payload.fingerprint,
            "code": payload.code,
            "keys": payload.keys,
            "box": payload.box,
            "words": payload.words,
        }

    async def _store(
        self, rows: Sequence[Sequence[dict[str, Any]]]
    ) -> Sequence[list[Taken] | Exception]:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with over_all_tenants():
                    async with self._database.transaction() as session:
                        results = await _store_once(EventRepository(session), rows)
            except IntegrityError:
                if attempt == ATTEMPTS:
                    raise
            else:
                self._stored()
                return results
        raise AssertionError


async def _store_once(
    repository: EventRepository,
    rows: Sequence[Sequence[dict[str, Any]]],
) -> list[list[Taken] | Exception]:
    known = await repository.known([_key(row) for batch in rows for row in batch])
    results: list[list[Taken] | Exception] = []
    new: list[dict[str, Any]] = []
    for wanted in rows:
        taken, added = _judge(wanted, known)
        results.append(taken)
        # A batch that is refused leaves nothing, and nothing that a later one could repeat.
        if not isinstance(taken, Exception):
            known |= added
            first = {_key(row): row for row in reversed(wanted)}
            new += [first[key] for key in added]
    await repository.add(new)
    return results


def _judge(
    rows: Sequence[dict[str, Any]], known: Mapping[EventKey, Known]
) -> tuple[list[Taken] | Exception, dict[EventKey, Known]]:
    """Return what becomes of the events of a batch, and those that are new."""
    added: dict[EventKey, Known] = {}
    taken = []
    for index, row in enumerate(rows):
        key = _key(row)
        before = added.get(key) or known.get(key)
        if before is None:
            added[key] = Known(row["fingerprint"], None)
        elif before.fingerprint not in {None, row["fingerprint"]}:
            detail = "Another event was stored under this source and id; none of these was."
            pointer = f"#/{index}"
            wrong = [{"index": index, "pointer": pointer, "detail": "the id is another event's"}]
            return EventConflictError(detail, errors=wrong), {}
        seq = before.seq if before else None
        taken.append(Taken(row["event_id"], seq, before is not None))
    return taken, added


def _key(row: Mapping[str, Any]) -> EventKey:
    return row["tenant_id"], row["source"], row["event_id"]
