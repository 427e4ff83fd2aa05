# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs in the caller's transaction: they are enqueued when it commits, and only then.

The job is a row of the project's own database, written through the caller's session. After the commit
a relay moves it into the queue, which takes each id once; every web process and every worker relays,
so that a job is not lost with the process that committed it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import orjson
from sqlalchemy import Table, event, insert
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.database_settings import DatabaseSettings
from ..core.outbox import OutboxRelay, OutboxTable, Rows
from .models import JobOutboxRow
from .records import NewJob

if TYPE_CHECKING:
    from .client import JobClient

INTERVAL_S = 0.5
"""Seconds after which a job that another process committed, and did not relay, is relayed."""

_table = cast("Table", JobOutboxRow.__table__)


class Outbox:
    """Keeps jobs in the transactions of callers.

    Args:
        committed: Called after a commit that brought jobs.
    """

    def __init__(self, committed: Callable[[], None]) -> None:
        self._committed = committed

    async def add(self, job: NewJob, session: object) -> None:
        """Put a job into the session's transaction.

        Raises:
            TypeError: When the session is none.
        """
        if not isinstance(session, AsyncSession):
            raise TypeError("session: pass the AsyncSession of the transaction")
        await session.execute(insert(_table), {"job": _dump(job)})
        event.listen(session.sync_session, "after_commit", self._after_commit, once=True)

    def _after_commit(self, _session: object) -> None:
        self._committed()


class JobRelay(OutboxRelay):
    """Moves jobs from the outbox into the queue."""

    name = "jobs"

    def __init__(self, client: JobClient, settings: DatabaseSettings) -> None:
        super().__init__(settings, OutboxTable(_table, ("n", "job")))
        self._client = client

    async def hand_over(self, rows: Rows) -> None:
        """Enqueue jobs; those that are there already are left alone."""
        await self._client.enqueue_many([_load(job) for _, job in rows])


@asynccontextmanager
async def relaying(client: JobClient, settings: DatabaseSettings) -> AsyncGenerator[JobRelay]:
    """Let a client enqueue in transactions, and relay what they commit."""
    relay = JobRelay(client, settings)
    client.outbox = Outbox(relay.wake)
    task = asyncio.create_task(relay.run(INTERVAL_S))
    try:
        yield relay
    finally:
        client.outbox = None
        relay.stop()
        await task


def _dump(job: NewJob) -> str:
    fields = dataclasses.asdict(job) | {"payload": job.payload.decode(), "added": time.time()}
    return orjson.dumps(fields).decode()


def _load(text: str) -> NewJob:
    """Return a job; what it waited here counts for its delay."""
    fields = orjson.loads(text)
    waited_s = max(0.0, time.time() - fields.pop("added"))
    fields["delay_s"] = max(0.0, fields["delay_s"] - waited_s)
    return NewJob(**{**fields, "payload": fields["payload"].encode()})
