# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The worker's loop: claim jobs, run them side by side, hand in how they ended."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..utils.logging import get_logger
from .dead_letters import DeadLetter, announce
from .errors import JobsUnavailableError
from .execution import Executor, Middleware
from .heartbeats import Heartbeats
from .metrics import JobMetrics
from .records import Beat, Claim, Job, JobState, Outcome, Progress

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from .store import JobStore

RECLAIM_S = 0.5
WAIT_S = 5.0
"""Seconds that a claim waits; a stop wakes it."""
PAUSE_S = 0.5
"""Seconds to wait after the store could not be reached."""
STUBBORN_S = 2.0
"""Seconds that a task may resist its cancellation when the worker stops."""

log = get_logger("jobs")


class Consumer:
    """Runs jobs of some queues until it is stopped.

    Args:
        store: Where the jobs are, open.
        settings: The service's settings.
        queues: The queues it serves.
        name: Who it is, for people to see.
        resources: What tasks find in their context.
        middlewares: Run around each attempt.

    Attributes:
        metrics: Counts what it does.
        queues: The queues it serves.
        concurrency: Jobs that it runs at the same time.
    """

    def __init__(
        self,
        store: JobStore,
        settings: PlatformSettings,
        *,
        queues: Sequence[str],
        name: str,
        concurrency: int | None = None,
        resources: Mapping[type[Any], object] | None = None,
        middlewares: tuple[Middleware, ...] = (),
    ) -> None:
        self.metrics = JobMetrics()
        self._store = store
        self._jobs = settings.jobs
        self.queues = list(queues)
        self._name = name
        self.concurrency = concurrency or settings.jobs.concurrency
        self._resources = resources or {}
        self._executor = Executor(
            settings, self._resources, self.metrics, self._report, middlewares
        )
        self._running: dict[str, asyncio.Task[Outcome]] = {}
        self._claims: dict[str, Claim] = {}
        self._stopped_as: dict[str, JobState | None] = {}
        self._outcomes: list[tuple[Claim, Outcome]] = []
        self._stopping = asyncio.Event()
        self._hurry = asyncio.Event()
        self._change = asyncio.Event()
        self._over = asyncio.Event()
        self._seen_at = time.monotonic()
        self._loop = asyncio.get_running_loop()
        self._heartbeats = Heartbeats(store, self._jobs.lease_s, self._on_beat)

    @property
    def is_ready(self) -> bool:
        """Whether it takes jobs, and the store has answered lately."""
        return not self._stopping.is_set() and self.is_alive

    @property
    def is_alive(self) -> bool:
        """Whether its loop turns, and the store has answered within the last lease and a bit."""
        patience_s = self._jobs.lease_s + 10 * RECLAIM_S
        return time.monotonic() - self._seen_at < patience_s

    def stop(self) -> None:
        """Take no more jobs, let running ones finish, and end; the second time, give them back."""
        if self._stopping.is_set():
            self._hurry.set()
            return
        self._stopping.set()
        self._change.set()
        self._store.wake()

    async def run(self) -> None:
        """Run jobs until `stop` is called."""
        self._heartbeats.start()
        finishing = asyncio.create_task(self._hand_in_always())
        reclaiming = asyncio.create_task(self._reclaim_always())
        try:
            await self._claim_always()
            await self._wind_down()
        finally:
            self._over.set()
            self._change.set()
            # As long as the leases last; what is not handed in then runs again. Cut off halfway, a
            # job would be dead and nobody told.
            await asyncio.wait({reclaiming, finishing}, timeout=self._jobs.lease_s)
            reclaiming.cancel()
            finishing.cancel()
            await asyncio.to_thread(self._heartbeats.stop)

    async def _claim_always(self) -> None:
        while not self._stopping.is_set():
            free = self.concurrency - len(self._running)
            if free <= 0:
                self._change.clear()
                await self._change.wait()
                continue
            try:
                claims = await self._store.claim(
                    self.queues,
                    free,
                    lease_s=self._jobs.lease_s,
                    wait_s=WAIT_S,
                    worker=self._name,
                )
            except JobsUnavailableError:
                log.warning("job_store_unavailable", doing="claim")
                await self._pause()
                continue
            self._seen_at = time.monotonic()
            for claim in claims:
                self._start(claim)
            # What is quick ends now, so that the next claim takes as many jobs as it can.
            await asyncio.sleep(0)

    def _start(self, claim: Claim) -> None:
        job_id = claim.lease.id
        task = asyncio.create_task(self._executor.run(claim))
        self._running[job_id] = task
        self._claims[job_id] = claim
        self._heartbeats.leases[job_id] = claim.lease
        self.metrics.running += 1
        task.add_done_callback(lambda done: self._ended(claim, done))

    def _ended(self, claim: Claim, task: asyncio.Task[Outcome]) -> None:
        """Note how a job ended; its lease is kept until the store has taken that."""
        job_id = claim.lease.id
        del self._running[job_id], self._claims[job_id]
        self.metrics.running -= 1
        stopped_as = self._stopped_as.pop(job_id, JobState.RETRYING)
        if stopped_as is None:
            del self._heartbeats.leases[job_id]  # somebody else has the job now
        elif not task.cancelled():
            self._outcomes.append((claim, task.result()))
        elif stopped_as is JobState.RETRYING:
            cause = asyncio.CancelledError("the task cancelled itself")
            self._outcomes.append((claim, self._executor.failure(claim, cause)))
        else:
            self._outcomes.append((claim, Outcome(claim.lease, stopped_as)))
        self._change.set()

    def _on_beat(self, beat: Beat) -> None:
        """Stop jobs, told by the thread of the heartbeats."""
        self._loop.call_soon_threadsafe(self._stop_jobs, beat)

    def _stop_jobs(self, beat: Beat) -> None:
        for job_id in beat.lost:
            self._stop_job(job_id, None)
        for job_id in beat.cancelled:
            self._stop_job(job_id, JobState.CANCELLED)

    def _stop_job(self, job_id: str, state: JobState | None) -> None:
        task = self._running.get(job_id)
        if task is None or job_id in self._stopped_as:
            return
        claim = self._claims[job_id]
        how = "lost" if state is None else str(state)
        log.warning("job_stopped", job_id=job_id, task=claim.task, outcome=how)
        self._stopped_as[job_id] = state
        task.cancel()

    async def _report(self, claim: Claim, progress: Progress) -> None:
        if not await self._store.progress(claim.lease, progress):
            self._stop_job(claim.lease.id, None)

    async def _hand_in_always(self) -> None:
        """Hand in outcomes, those that come meanwhile together."""
        while self._outcomes or not self._over.is_set():
            if self._outcomes:
                await self._hand_in()
            else:
                self._change.clear()
                await self._change.wait()

    async def _hand_in(self) -> None:
        batch, self._outcomes = self._outcomes, []
        try:
            taken = await self._store.complete_many([outcome for _, outcome in batch])
        except JobsUnavailableError:
            # They are still leased: keep them, and try again.
            self._outcomes = batch + self._outcomes
            log.warning("job_store_unavailable", doing="complete", jobs=len(batch))
            await asyncio.sleep(PAUSE_S)
            return
        self._seen_at = time.monotonic()
        for (claim, outcome), was_taken in zip(batch, taken, strict=True):
            self._heartbeats.leases.pop(claim.lease.id, None)
            if not was_taken:
                log.warning("job_outcome_refused", job_id=claim.lease.id)
            elif outcome.state is JobState.FAILED:
                await self._announce(claim.lease.id, claim, outcome.error)

    async def _announce(self, job_id: str, job: Claim | Job, error: str) -> None:
        letter = DeadLetter(
            job_id=job_id, task=job.task, queue=job.queue, attempt=job.attempt, error=error
        )
        await announce(letter, self._resources)

    async def _reclaim_always(self) -> None:
        """Take back the jobs of workers that died, twice a second."""
        while not self._over.is_set():
            try:
                for job in await self._store.reclaim():
                    self.metrics.finished(job.task, "lost", 0.0, 0.0)
                    await self._announce(job.id, job, job.error)
                self._seen_at = time.monotonic()
            except JobsUnavailableError:
                log.warning("job_store_unavailable", doing="reclaim")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), RECLAIM_S)

    async def _pause(self) -> None:
        """Wait a moment, or until the worker stops."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), PAUSE_S)

    async def _wind_down(self) -> None:
        """Let running jobs finish; give back those that take too long."""
        if self._running:
            log.info("worker_finishing", running=len(self._running))
            hurry = asyncio.create_task(self._hurry.wait())
            until = time.monotonic() + self._jobs.shutdown_timeout_s
            while self._running and not hurry.done() and time.monotonic() < until:
                await asyncio.wait(
                    {hurry, *self._running.values()},
                    timeout=until - time.monotonic(),
                    return_when=asyncio.FIRST_COMPLETED,
                )
            hurry.cancel()
        for job_id in list(self._running):
            self._stop_job(job_id, JobState.QUEUED)
        if self._running:
            await asyncio.wait(list(self._running.values()), timeout=STUBBORN_S)
