# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The embedded queue: jobs in a SQLite file that the processes of one machine share.

An enqueued job and a finished one are on the disk when the caller hears of it (WAL with
`synchronous=FULL`); callers at the same time share the sync. The file must be on a local disk: locks
of network file systems are not reliable (sqlite.org/faq.html#q5).
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import orjson

from ..errors import JobStateError, JobsUnavailableError
from ..records import (
    Beat,
    Claim,
    Enqueued,
    Job,
    JobFilter,
    JobState,
    Lease,
    NewJob,
    Outcome,
    Progress,
    QueueStats,
)
from . import sqlite_operations as operations
from . import sqlite_views as views
from .sqlite_schema import connect, prepare
from .sqlite_wake import Turn
from .sqlite_writer import Operation, WaitingClaim, Writer

if TYPE_CHECKING:
    from ..settings import JobsSettings

T = TypeVar("T")


@dataclass(slots=True)
class _Open:
    """What is there while the store is open."""

    writer: Writer
    reader: sqlite3.Connection
    beater: sqlite3.Connection
    turn: Turn


class SqliteJobStore:
    """The embedded queue; see `JobStore` for what each method promises."""

    def __init__(self, settings: JobsSettings) -> None:
        self._settings = settings
        self._file = settings.path.absolute()
        self._open: _Open | None = None
        self._reading = threading.Lock()
        self._beating = threading.Lock()
        self._turn = 0

    async def open(self) -> None:
        """Open the file, and make it when there is none."""
        if self._open is None:
            self._open = await asyncio.to_thread(self._connect)

    def _connect(self) -> _Open:
        try:
            prepare(self._file)
            beater = connect(self._file)
            # A lease that a power cut forgets is one that nobody holds any more.
            beater.execute("PRAGMA synchronous = NORMAL")
            reader = connect(self._file)
            reader.execute("PRAGMA query_only = ON")
            writer = Writer(self._file, self._give_back)
            return _Open(writer, reader, beater, Turn(self._file))
        except (sqlite3.Error, OSError) as error:
            raise JobsUnavailableError from error

    async def aclose(self) -> None:
        """Finish what was begun, and close the file."""
        opened, self._open = self._open, None
        if opened is not None:
            await asyncio.to_thread(self._disconnect, opened)

    def _disconnect(self, opened: _Open) -> None:
        opened.writer.close()
        with self._reading:
            opened.reader.close()
        with self._beating:
            opened.beater.close()
            opened.turn.close()

    @property
    def _opened(self) -> _Open:
        if self._open is None:
            raise JobsUnavailableError("The job store is not open.")
        return self._open

    def _do(
        self,
        work: Callable[[sqlite3.Connection, float], T],
        *,
        durable: bool = True,
        wakes: bool = False,
    ) -> asyncio.Future[T]:
        """Do something in the writer's next transaction."""
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._opened.writer.submit(Operation(work, done, durable, wakes))
        return done

    async def _read(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Read in a thread."""
        reader = self._opened.reader

        def in_thread() -> T:
            with self._reading:
                try:
                    return read(reader)
                except sqlite3.Error as error:
                    raise JobsUnavailableError from error

        return await asyncio.to_thread(in_thread)

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Enqueue jobs."""
        batch = list(jobs)
        return await self._do(lambda c, now: operations.enqueue(c, batch, now), wakes=True)

    async def get(self, job_id: str) -> Job | None:
        """Return a job."""
        return await self._read(lambda c: views.get(c, job_id))

    async def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs."""
        return await self._read(lambda c: views.search(c, wanted, time.time()))

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        return await self._read(lambda c: views.stats(c, time.time()))

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job."""
        retention_s = self._settings.retention_s
        await self._do(lambda c, now: operations.cancel(c, job_id, retention_s, now))
        return await self.get(job_id)

    async def replay(self, job_id: str) -> Job | None:
        """Let a job start now.

        Raises:
            JobStateError: When another job with its unique key is not finished.
        """

        def work(connection: sqlite3.Connection, now: float) -> bool:
            try:
                operations.replay(connection, job_id, now)
            except sqlite3.IntegrityError:  # undoes the one statement
                return False
            return True

        if not await self._do(work, wakes=True):
            raise JobStateError("Another job with its unique key is not finished.")
        return await self.get(job_id)

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs."""
        return await self._do(lambda c, now: views.purge(c, wanted, now))

    async def claim(
        self, queues: Sequence[str], limit: int, *, lease_s: float, wait_s: float, worker: str
    ) -> list[Claim]:
        """Take jobs that are due."""
        rates = self._settings.rate_limits
        # Another queue is the first each time, so that a full one starves no other.
        self._turn += 1
        first = self._turn % len(queues) if queues else 0
        order = [*queues[first:], *queues[:first]]
        waiting = WaitingClaim(
            lambda c, now: operations.claim(c, order, limit, lease_s, worker, rates, now),
            lambda c: operations.next_due(c, order, rates),
            asyncio.get_running_loop().create_future(),
            time.monotonic() + wait_s,
        )
        self._opened.writer.wait_for_jobs(waiting)
        return await waiting.done

    def wake(self) -> None:
        """Let a claim that waits return."""
        if self._open is not None:
            self._open.writer.release()

    def _give_back(self, claims: list[Claim]) -> None:
        """Give back what a cancelled call had claimed; runs in the loop."""
        if self._open is None:
            return  # their leases end by themselves
        outcomes = [Outcome(claim.lease, JobState.QUEUED) for claim in claims]
        self._do(lambda c, now: operations.complete(c, outcomes, 0.0, now), wakes=True)

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases."""
        opened = self._opened
        connection = opened.beater
        with self._beating, opened.turn:
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    found = operations.beat(connection, leases, time.time() + lease_s)
                finally:
                    connection.execute("COMMIT")
            except sqlite3.Error as error:
                raise JobsUnavailableError from error
        return found

    async def complete_many(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Take how attempts ended."""
        batch, retention_s = list(outcomes), self._settings.retention_s
        wakes = any(one.state in {JobState.RETRYING, JobState.QUEUED} for one in batch)
        return await self._do(
            lambda c, now: operations.complete(c, batch, retention_s, now), wakes=wakes
        )

    async def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep progress."""
        text = orjson.dumps((progress.done, progress.total, progress.note)).decode()
        return await self._do(lambda c, _now: operations.report(c, lease, text), durable=False)

    async def reclaim(self) -> list[Job]:
        """Take back jobs whose lease has ended, and drop old records."""
        retention_s, dead_retention_s = self._settings.retention_s, self._settings.dead_retention_s

        def work(connection: sqlite3.Connection, now: float) -> list[Job]:
            operations.expire(connection, now)
            dead = operations.free(connection, retention_s, dead_retention_s, now)
            return [job for job in (views.get(connection, one) for one in dead) if job is not None]

        return await self._do(work, durable=False, wakes=True)
