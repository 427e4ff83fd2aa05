# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs in the caller's transaction: they are enqueued when it commits, and only then.

The job is a row of the project's own database, written through the caller's session. After the commit
a relay moves it into the queue, which takes each id once; every web process and every worker relays,
so that a job is not lost with the process that committed it.
"""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

import orjson
from sqlalchemy import Table, delete, event, insert, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ..core._database_engine import sqlite_path
from ..core.database import Database, DatabaseUnavailableError, unavailable
from ..core.database_settings import DatabaseSettings
from ..utils.logging import get_logger
from .errors import JobsUnavailableError
from .models import JobOutboxRow
from .records import NewJob

if TYPE_CHECKING:
    from .client import JobClient

INTERVAL_S = 0.5
"""Seconds after which a job that another process committed, and did not relay, is relayed."""

STEP = 500
"""Rows per transaction."""

log = get_logger(__name__)
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


class _Source(Protocol):
    """Where committed jobs wait."""

    async def move(self, client: JobClient) -> int:
        """Enqueue at most `STEP` jobs, remove their rows, and return how many that were."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class _File:
    """The outbox in a SQLite file, read with the driver itself: a tenth of the engine's CPU."""

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None

    async def move(self, client: JobClient) -> int:
        rows = await asyncio.to_thread(self._read)
        if rows:
            # Its writers take turns: none is held up while the queue waits for the disk.
            await client.enqueue_many([_load(text) for _, text in rows])
            await asyncio.to_thread(self._remove, [(n,) for n, _ in rows])
        return len(rows)

    async def aclose(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _read(self) -> list[tuple[int, str]]:
        with unavailable():
            connection = self._connection = self._connection or self._connect()
            query = "SELECT n, job FROM jobs_outbox ORDER BY n LIMIT ?"
            return connection.execute(query, (STEP,)).fetchall()

    def _remove(self, numbers: Sequence[tuple[int]]) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101  # it was read from
        with unavailable(), connection:
            connection.executemany("DELETE FROM jobs_outbox WHERE n = ?", numbers)

    def _connect(self) -> sqlite3.Connection:
        # The mode: only a migration may make the file.
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_s * 1000)}")
        # A removal that a power cut undoes is repeated, so it need not wait for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection


class _Server:
    """The outbox in PostgreSQL, where processes take different rows."""

    def __init__(self, settings: DatabaseSettings) -> None:
        # Connections of its own: it must not wait for a request.
        size = {"pool_size": 1, "max_overflow": 0}
        self._database = Database(settings.model_copy(update=size))

    async def move(self, client: JobClient) -> int:
        query = select(_table.c.n, _table.c.job).order_by(_table.c.n).limit(STEP)
        async with self._database.transaction() as session:
            rows = (await session.execute(query.with_for_update(skip_locked=True))).all()
            if rows:
                await client.enqueue_many([_load(row.job) for row in rows])
                mine = _table.c.n.in_([row.n for row in rows])
                await session.execute(delete(_table).where(mine))
        return len(rows)

    async def aclose(self) -> None:
        await self._database.aclose()


class JobRelay:
    """Moves jobs from the outbox into the queue; close it when it did not `run`.

    Attributes:
        problem: Why the last step failed, or an empty string.
    """

    def __init__(self, client: JobClient, settings: DatabaseSettings) -> None:
        file = sqlite_path(settings)
        self._source: _Source = (
            _Server(settings) if file is None else _File(file, settings.busy_timeout_s)
        )
        self._client = client
        self._wake = asyncio.Event()
        self._stopping = False
        self.problem = ""

    async def run(self, interval_s: float = INTERVAL_S) -> None:
        """Relay until `stop` is called, and then what is left."""
        while not self._stopping:
            self._wake.clear()
            await self._try()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), interval_s)
        await self._try()
        await self.aclose()

    def wake(self) -> None:
        """Let `run` look now: something was committed."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._wake.set()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._source.aclose()

    async def relay(self) -> int:
        """Enqueue what is committed, and return how many jobs that were.

        Raises:
            DatabaseUnavailableError: When the database can't be reached or is too busy.
            JobsUnavailableError: When the queue can't be written.
        """
        total = moved = await self._source.move(self._client)
        # Not until there is nothing left: under load that would be a step for every job.
        while moved == STEP:
            moved = await self._source.move(self._client)
            total += moved
        return total

    async def _try(self) -> None:
        try:
            await self.relay()
            self.problem = ""
        except DatabaseUnavailableError:
            # The readiness check of the database tells, and knows sooner when it is back.
            self.problem = ""
        except (SQLAlchemyError, sqlite3.Error, JobsUnavailableError) as error:
            # The jobs are safe where they are.
            if not self.problem:
                log.exception("job_relay_failed")
            self.problem = type(error).__name__


@asynccontextmanager
async def relaying(client: JobClient, settings: DatabaseSettings) -> AsyncGenerator[JobRelay]:
    """Let a client enqueue in transactions, and relay what they commit."""
    relay = JobRelay(client, settings)
    client.outbox = Outbox(relay.wake)
    task = asyncio.create_task(relay.run())
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
