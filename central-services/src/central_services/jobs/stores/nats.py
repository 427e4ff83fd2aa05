# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs on NATS JetStream, for workers on several machines."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from math import ceil
from typing import TYPE_CHECKING, Any, TypeVar

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
from ._nats_attempts import Attempts
from ._nats_connection import Connection
from ._nats_enqueue import Enqueuing
from ._nats_heartbeats import Heartbeats
from ._nats_lines import Lines
from ._nats_names import Names
from ._nats_rates import Rates
from ._nats_records import Record, copy_of, load
from ._nats_search import Search, moment
from ._wake_up import WakeUp

if TYPE_CHECKING:
    from .settings import ServerJobsSettings

T = TypeVar("T")

_POLL_S = 0.25
_PAUSE_S = 0.05
_SWEPT = 16


class NatsStore:
    """Jobs on a NATS server (2.12 or later) with JetStream; see `JobStore`.

    One stream holds everything: a record per job, which is replaced as a whole, and a message per job
    that can start, which the server delivers again when a worker does not say in time that it is in
    progress. A server that is away is waited for, up to `ServerJobsSettings.server_wait_s`, by whatever may
    be asked twice; a claim fails at once, since the worker asks again anyway.

    What the server keeps when its machine dies is its own configuration: `sync_interval: always`, or
    several servers (`ServerJobsSettings.replicas`).

    Args:
        settings: The section `jobs`.
    """

    def __init__(self, settings: ServerJobsSettings) -> None:
        self._settings = settings
        url = settings.url.get_secret_value() if settings.url else ""
        namespace = settings.namespace or (__package__ or "").partition(".")[0]
        self._names = Names(namespace)
        self._connection = self._connect(url, namespace)
        self._wake_up = WakeUp()
        self._lines = Lines(self._connection, self._names, self._wake_up, settings.lease_s)
        self._enqueuing = Enqueuing(self._connection, self._names, self._now)
        self._attempts = Attempts(
            self._connection, self._names, self._enqueuing, settings, self._now
        )
        self._search = Search(self._connection, self._names, self._now)
        self._rates = Rates(self._connection, self._names, self._now)
        beats = self._connect(url, f"{namespace} heartbeats")
        self._heartbeats = Heartbeats(beats, self._names)
        self._ahead_ms = 0.0
        self._turn = 0
        self._claimed_at = 0.0
        self._queues: set[str] = set()
        self._background: set[asyncio.Task[Any]] = set()

    def _connect(self, url: str, name: str) -> Connection:
        return Connection(url, name=name, timeout_s=self._settings.server_timeout_s)

    def _now(self) -> int:
        return ceil(time.time() * 1000 + self._ahead_ms)

    async def open(self) -> None:
        """Connect, and make the stream."""
        if not self._connection.is_open:
            await self._connection.open(self._settings.server_wait_s)
        await self._patiently(self._make_stream)

    async def _make_stream(self) -> None:
        root, stream = self._names.root, self._names.stream
        info = await self._connection.manage(f"STREAM.INFO.{stream}")
        if "error" in info:
            await self._connection.manage(
                f"STREAM.CREATE.{stream}",
                name=stream,
                subjects=self._names.subjects,
                retention="workqueue",  # a message in a line goes when it is acknowledged
                storage="file",
                num_replicas=self._settings.replicas,
                max_msgs_per_subject=1,
                discard="old",
                allow_atomic=True,
                allow_direct=True,
                allow_msg_schedules=True,
                allow_msg_ttl=True,
                republish={
                    "src": f"{root}.ready.>",
                    "dest": f"{root}.woken.>",
                    "headers_only": True,
                },
            )
            info = await self._connection.manage(f"STREAM.INFO.{stream}")
        self._ahead_ms = (moment(info["ts"]).timestamp() - time.time()) * 1000

    async def aclose(self) -> None:
        """Finish what was begun and close."""
        while self._background:
            await asyncio.wait(self._background)
        await self._heartbeats.aclose()
        await self._connection.aclose()

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what can be done twice, done once more while the server is away."""
        until = time.monotonic() + self._settings.server_wait_s
        while True:
            try:
                return await work()
            except JobsUnavailableError:
                if not self._connection.is_open or time.monotonic() + _PAUSE_S > until:
                    raise
            await asyncio.sleep(_PAUSE_S)

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Enqueue jobs; of more than 300, each 300 all or none."""
        nonce = self._enqueuing.nonce()
        await self._know({job.queue for job in jobs})
        if len(jobs) == 1:
            return [await self._patiently(lambda: self._enqueuing.enqueue(jobs[0], nonce))]
        return await self._patiently(lambda: self._enqueuing.enqueue_together(jobs, nonce))

    async def _know(self, queues: set[str]) -> None:
        """Make the consumers of queues that are new here, so that their jobs are counted."""
        for queue in queues - self._queues:
            await self._patiently(lambda queue=queue: self._lines.introduce(queue))  # type: ignore[misc]  # mypy can't infer it
            self._queues.add(queue)

    async def claim(
        self, queues: Sequence[str], limit: int, *, lease_s: float, wait_s: float, worker: str
    ) -> list[Claim]:
        """Take jobs that are due; see `JobStore.claim`."""
        loop = asyncio.get_running_loop()
        until, look_at = loop.time() + wait_s, loop.time()
        await self._lines.prepare(queues, lease_s)
        self._queues.update(queues)
        while True:
            self._wake_up.clear()
            if loop.time() >= look_at:
                # What is delivered again, or was announced while nobody listened.
                self._lines.look_again(queues)
                look_at = loop.time() + _POLL_S
            claims, due_s = await self._take(self._in_turn(queues), limit, worker)
            self._keep(claims, lease_s)
            self._claimed_at = loop.time()
            left = until - loop.time()
            if claims or left <= 0 or self._wake_up.interrupted():
                return claims
            await self._wake_up.wait(min(left, due_s, max(0.0, look_at - loop.time())))

    def _keep(self, claims: Sequence[Claim], lease_s: float) -> None:
        """Have claims last for `lease_s` where the server would deliver them again earlier."""
        for claim in claims:
            record = self._attempts.at_hand(claim.lease.id)
            if record is not None and record.lease_s < lease_s:
                self._heartbeats.keep(record, lease_s)

    def _in_turn(self, queues: Sequence[str]) -> list[str]:
        self._turn += 1
        at = self._turn % len(queues)
        return [*queues[at:], *queues[:at]]

    async def _take(
        self, queues: Sequence[str], limit: int, worker: str
    ) -> tuple[list[Claim], float]:
        asked = asyncio.create_task(self._take_all(queues, limit, worker))
        try:
            return await asyncio.shield(asked)
        except asyncio.CancelledError:
            self._later(self._give_back(asked))
            raise

    async def _take_all(
        self, queues: Sequence[str], limit: int, worker: str
    ) -> tuple[list[Claim], float]:
        """Return what is there, and the seconds until a rate limit allows more."""
        claims: list[Claim] = []
        due_s = _POLL_S
        share = ceil(limit / len(queues))
        for most in (share, limit):
            for queue in queues:
                wanted = min(most, limit - len(claims))
                rate = self._settings.rate_limits.get(queue)
                if wanted <= 0 or not self._lines.may_hold(queue):
                    continue
                if rate is None:
                    claims += await self._attempts.start(
                        await self._lines.take(queue, wanted), worker
                    )
                    continue
                allowed, wait_s = await self._rates.reserve(queue, rate, wanted)
                due_s = min(due_s, wait_s)
                taken = await self._lines.take(queue, allowed) if allowed else []
                found = await self._attempts.start(taken, worker)
                await self._rates.give_back(queue, rate, allowed - len(found))
                claims += found
        return claims, due_s

    async def _give_back(self, asked: asyncio.Task[tuple[list[Claim], float]]) -> None:
        with suppress(JobsUnavailableError):  # then they come back when their leases end
            claims, _ = await asked
            await self.complete_many([Outcome(one.lease, JobState.QUEUED) for one in claims])

    def _later(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def wake(self) -> None:
        """Let a `claim` that waits return."""
        self._wake_up.interrupt()

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Say that leases are in progress, from a thread and over a connection of its own."""
        if not leases:
            return Beat(frozenset(), frozenset())
        beat = self._heartbeats.beat(leases, lease_s)
        self._attempts.drop(beat.lost)
        return beat

    async def complete_many(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Take how attempts ended."""
        return await self._patiently(lambda: self._attempts.end(outcomes))

    async def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep what a task said about how far it is."""
        said = (progress.done, progress.total, progress.note)

        def decide(record: Record) -> tuple[Record, dict[str, str]] | None:
            if record.token != lease.token or record.state != JobState.RUNNING:
                return None
            after = copy_of(record)
            after.progress = said
            return after, {}

        changed = await self._patiently(lambda: self._attempts.change(lease.id, decide))
        return changed is not None and changed[0] is not changed[1]

    async def reclaim(self) -> list[Job]:
        """Return new dead letters; the server itself delivers again what a dead worker had.

        A worker that can take nothing at the moment also looks for those that are not to start again.
        """
        if asyncio.get_running_loop().time() - self._claimed_at > 2 * _POLL_S:
            for info in await self._search.consumers():
                if info["num_ack_pending"]:
                    queue, _, line = info["name"].rpartition("-")
                    found = await self._lines.pull(queue, line, _SWEPT)
                    await self._attempts.start(found, None)
        return self._attempts.dead_letters()

    async def get(self, job_id: str) -> Job | None:
        """Return a job."""
        subject = self._names.record(job_id)
        read = self._connection.read
        stored = (await self._patiently(lambda: read(self._names.stream, [subject]))).get(subject)
        record = load(stored.data) if stored else None
        return record.job() if record and not record.dropped else None

    async def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs, the newest first."""
        return await self._patiently(lambda: self._search.search(wanted))

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        return await self._patiently(self._search.stats)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job."""

        def decide(record: Record) -> tuple[Record, dict[str, str]] | None:
            after = copy_of(record)
            after.cancelled = True
            if record.is_finished or record.cancelled:
                return None
            if not record.waits:
                return after, {}
            after.state = JobState.CANCELLED.value
            return after, after.retain(self._settings.retention_s, self._now())

        changed = await self._patiently(lambda: self._attempts.change(job_id, decide))
        if changed is None:
            return None
        before, after = changed
        if before.waits:
            ready = self._names.ready(after.queue, after.priority, job_id)
            await self._enqueuing.purge(ready, self._names.waiting(after.queue, job_id))
            await self._enqueuing.release([after])
        return after.job()

    async def replay(self, job_id: str) -> Job | None:
        """Let a job start now."""
        known = await self.get(job_id)
        again = known is not None and known.state in {JobState.FAILED, JobState.CANCELLED}
        if known is not None and again and known.unique:
            holder = await self._enqueuing.acquire(known.unique, job_id)
            if holder:
                raise JobStateError(f"Job {holder} has the unique key of job {job_id} now.")

        def decide(record: Record) -> tuple[Record, dict[str, str]] | None:
            if not (record.waits or record.state in {JobState.FAILED, JobState.CANCELLED}):
                return None
            after = copy_of(record)
            if after.is_finished:
                after.state, after.attempt, after.error = JobState.QUEUED.value, 0, ""
                after.started = after.finished = after.expires = 0
                after.progress, after.worker, after.cancelled = None, "", False
            after.due = min(after.due, self._now()) if record.waits else self._now()
            return after, {}

        changed = await self._patiently(lambda: self._attempts.change(job_id, decide))
        if changed is None:
            return None
        before, after = changed
        if before is not after:
            await self._connection.publish([self._enqueuing.pointer(after)])
            dead, waiting = self._names.dead, self._names.waiting
            await self._enqueuing.purge(dead(after.queue, job_id), waiting(after.queue, job_id))
        return after.job()

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs."""
        found = await self._search.search(wanted, finished=True)
        for job in found:
            dead = self._names.dead(job.queue, job.id)
            await self._enqueuing.purge(self._names.record(job.id), dead)
        return len(found)
