# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs on Valkey or Redis Streams, for workers on several machines."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Coroutine, Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ...utils.valkey import redis_url
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
from . import _valkey_inspection as inspection
from . import _valkey_scripts as scripts
from ._batches import Batches
from ._valkey_records import (
    Argument,
    complete_arguments,
    dump_progress,
    enqueue_arguments,
    lease_arguments,
    load_claims,
    load_job,
    load_stats,
    milliseconds,
)
from ._valkey_search import search
from ._valkey_server import Server
from ._valkey_wakeups import WakeUps
from ._wake_up import WakeUp
from .promises import LOST, burst_of

if TYPE_CHECKING:
    from .settings import ServerJobsSettings

_BATCH = 512
_MOST_CLAIMS = 1_000
_RECLAIMED = 500


class ValkeyStore:
    """Jobs on a Valkey (7.2 or later) or Redis (7 or later) server; see `JobStore`.

    Enqueuing and finishing are micro-batched: what comes while one exchange is under way shares the
    next one. A server that is away is waited for, up to `ServerJobsSettings.server_wait_s`, by whatever may
    be asked twice; a claim fails at once, since the worker asks again anyway.

    What the server keeps when it dies is its own configuration: with `appendonly yes` and
    `appendfsync always` everything, with `everysec` up to a second is lost when its machine dies.

    Args:
        settings: The section `jobs`.

    Raises:
        ValueError: When it is made, for a URL that names no server.
    """

    def __init__(self, settings: ServerJobsSettings) -> None:
        self._settings = settings
        url = settings.url.get_secret_value() if settings.url else ""
        namespace = settings.namespace or (__package__ or "").partition(".")[0]
        # The braces make one cluster slot of all keys, which a script that takes many needs.
        prefix = "{" + namespace + ":jobs}"
        self._server = Server(
            redis_url(url, setting="JOBS__URL"),
            prefix=prefix,
            timeout_s=settings.server_timeout_s,
            wait_s=settings.server_wait_s,
        )
        self._wake_up = WakeUp()
        self._listener = WakeUps(self._server, self._wake_up)
        self._enqueuing: Batches[NewJob, Enqueued] = Batches(self._enqueue, size=_BATCH)
        self._completing: Batches[Outcome, bool] = Batches(self._complete, size=_BATCH)
        self._instance = os.urandom(6).hex()
        self._calls = itertools.count()
        self._turn = 0
        self._background: set[asyncio.Task[Any]] = set()

    async def open(self) -> None:
        """Connect to the server."""
        await self._server.open()

    async def aclose(self) -> None:
        """Finish what was begun and close."""
        await self._enqueuing.drain()
        while self._background:
            await asyncio.wait(self._background)
        await self._completing.drain()
        await self._listener.aclose()
        await self._server.aclose()

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Enqueue jobs, in one script with those of other callers."""
        return await self._enqueuing.add(jobs)

    async def _enqueue(self, jobs: list[NewJob]) -> list[Enqueued]:
        nonce = f"{self._instance}{next(self._calls)}"
        arguments = (part for job in jobs for part in enqueue_arguments(job, nonce))
        answer = await self._server.run(scripts.ENQUEUE, arguments)
        pairs = zip(answer[::2], answer[1::2], strict=True)
        return [Enqueued(job_id.decode(), bool(created)) for job_id, created in pairs]

    async def claim(
        self, queues: Sequence[str], limit: int, *, lease_s: float, wait_s: float, worker: str
    ) -> list[Claim]:
        """Take jobs that are due; see `JobStore.claim`."""
        loop = asyncio.get_running_loop()
        until = loop.time() + wait_s
        arguments = (worker, milliseconds(lease_s), min(limit, _MOST_CLAIMS))
        while True:
            self._wake_up.clear()
            answer = await self._undivided(self._take(queues, arguments))
            claims = load_claims(answer)
            left = until - loop.time()
            if claims or left <= 0 or self._wake_up.interrupted():
                return claims
            due_ms = int(answer[1])
            await self._wake_up.wait(left if due_ms < 0 else min(left, due_ms / 1000))

    def _in_turn(self, queues: Sequence[str]) -> Iterator[Argument]:
        """Yield each queue with its limit, beginning with another one each time."""
        self._turn += 1
        for place in range(len(queues)):
            queue = queues[(place + self._turn) % len(queues)]
            rate = self._settings.rate_limits.get(queue)
            yield queue
            yield 0 if rate is None else max(1, round(1e6 / rate))
            yield 0 if rate is None else burst_of(rate)

    async def _take(self, queues: Sequence[str], arguments: tuple[Argument, ...]) -> Sequence[Any]:
        await self._listener.listen(queues)
        given = (*arguments, *self._in_turn(queues))
        answer: Sequence[Any] = await self._server.run(scripts.CLAIM, given, wait=False)
        return answer

    async def _undivided(self, taking: Coroutine[Any, Any, Sequence[Any]]) -> Sequence[Any]:
        """Return what was taken; when the caller is cancelled, give that back."""
        asked = asyncio.get_running_loop().create_task(taking)
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._later(self._give_back(asked))
            raise

    async def _give_back(self, asked: asyncio.Task[Sequence[Any]]) -> None:
        with suppress(JobsUnavailableError):  # then they come back when their leases end
            claims = load_claims(await asked)
            await self.complete_many([Outcome(one.lease, JobState.QUEUED) for one in claims])

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def wake(self) -> None:
        """Let a `claim` that waits return."""
        self._wake_up.interrupt()

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases, from the worker's thread and over a connection of its own."""
        if not leases:
            return Beat(frozenset(), frozenset())
        arguments = [milliseconds(lease_s), *lease_arguments(leases)]
        answer = self._server.run_blocking(scripts.HEARTBEAT, arguments)
        said = list(zip(leases, answer, strict=True))
        return Beat(
            lost=frozenset(lease.id for lease, held in said if held == 0),
            cancelled=frozenset(lease.id for lease, held in said if held == 2),
        )

    async def complete_many(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Take how attempts ended, in one script with those of other callers."""
        return await self._completing.add(outcomes)

    async def _complete(self, outcomes: list[Outcome]) -> list[bool]:
        arguments = (part for outcome in outcomes for part in complete_arguments(outcome))
        retention = milliseconds(self._settings.retention_s)
        answer = await self._server.run(scripts.COMPLETE, (retention, *arguments))
        return [taken == 1 for taken in answer]

    async def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep what a task said about how far it is."""
        arguments = (lease.id, lease.token, dump_progress(progress))
        return bool(await self._server.run(inspection.PROGRESS, arguments))

    async def reclaim(self) -> list[Job]:
        """Take back jobs whose lease has ended; drop records past their retention."""
        dead = milliseconds(self._settings.dead_retention_s)
        cancelled = milliseconds(self._settings.retention_s)
        answer = await self._server.run(inspection.RECLAIM, (dead, cancelled, LOST, _RECLAIMED))
        found = [await self.get(job_id.decode()) for job_id in answer]
        return [job for job in found if job is not None]

    async def get(self, job_id: str) -> Job | None:
        """Return a job."""
        key = f"{self._server.prefix}:j:{job_id}"
        return _job(job_id, await self._server.ask(lambda client: client.hgetall(key)))

    async def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs, the newest first."""
        return await search(self._server, wanted)

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        return load_stats(await self._server.run(inspection.STATS, ()))

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job."""
        retention = milliseconds(self._settings.retention_s)
        return _job(job_id, _pairs(await self._server.run(inspection.CANCEL, (job_id, retention))))

    async def replay(self, job_id: str) -> Job | None:
        """Let a job start now."""
        answer = await self._server.run(inspection.REPLAY, (job_id,))
        if len(answer) == 1:
            holder = answer[0].decode()
            raise JobStateError(f"Job {holder} has the unique key of job {job_id} now.")
        return _job(job_id, _pairs(answer))

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs."""
        found = await search(self._server, wanted, finished=True)
        return (
            int(await self._server.run(inspection.PURGE, [job.id for job in found])) if found else 0
        )


def _pairs(flat: Sequence[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _job(job_id: str, fields: dict[bytes, bytes]) -> Job | None:
    return load_job(job_id, fields) if fields else None
