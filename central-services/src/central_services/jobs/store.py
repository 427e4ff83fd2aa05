# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What keeps jobs. Engines implement `JobBackend`; those whose worker is ours, `JobStore`.

What holds for every store, and what the conformance suite shows:

- A job is on disk (or replicated, as the server is configured to) when `enqueue_many` returns.
- At least once: a job that was enqueued starts again until an outcome is taken, or its attempts are
  used up. A worker that dies costs an attempt, so that a job which kills workers ends as a dead
  letter.
- One at a time: while a lease lasts nobody else gets the job. When it ends without an outcome, the
  job can be claimed again at most one second later.
- Fenced: of a claim that is not the newest, nothing is taken, not even progress.
- Within a queue the higher priority goes first, and then who came first; a retry comes when it is due.
- Every method raises `JobsUnavailableError` when the store can't be reached or can't write.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .records import (
    Beat,
    Claim,
    Enqueued,
    Job,
    JobFilter,
    Lease,
    NewJob,
    Outcome,
    Progress,
    QueueStats,
)


class JobBackend(Protocol):
    """What a service needs of an engine to enqueue jobs and to look after them."""

    async def open(self) -> None:
        """Connect, and make what is missing; safe to repeat, and for several processes at once."""
        ...

    async def aclose(self) -> None:
        """Finish what was begun and close; later calls raise `JobsUnavailableError`."""
        ...

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Enqueue jobs and return, in their order, what is there now.

        All of them, or none when it raises. Callers at the same time share one write where the
        engine can. A job is not created when the store keeps one with its id, or one with its unique
        key that is not finished; jobs of the same call count too.
        """
        ...

    async def get(self, job_id: str) -> Job | None:
        """Return a job, or None when it is not, or no longer, kept."""
        ...

    async def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs, the newest first."""
        ...

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing that has a job, in the order of their names."""
        ...

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job and return it as it is now, or None when there is none.

        One that waits is cancelled at once. One that runs is marked; its worker learns of it with the
        next heartbeat and stops it. A finished one is left as it is.
        """
        ...

    async def replay(self, job_id: str) -> Job | None:
        """Let a job start now, and return it, or None when there is none.

        A failed or cancelled one is queued again under its id, with all its attempts; one that waits
        for a retry or for its time is due at once. Others are left as they are.
        """
        ...

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs, up to the filter's limit, and return how many that were."""
        ...


class JobStore(JobBackend, Protocol):
    """What a worker needs in addition.

    `claim`, `complete_many` and `progress` are called from the loop that opened the store,
    `heartbeat` from another thread.
    """

    async def claim(
        self, queues: Sequence[str], limit: int, *, lease_s: float, wait_s: float, worker: str
    ) -> list[Claim]:
        """Take up to `limit` jobs that are due, from all queues in turn.

        It returns as soon as there is at least one, woken up rather than polling, and with none after
        `wait_s` or after `wake`. A queue with a rate limit (`JobsSettings.rate_limits`) gives no
        more than that, counted over all workers. A call that is cancelled loses no job: what it had
        taken is given back, or comes back when its lease ends.

        Args:
            queues: Their names.
            limit: How many at most.
            lease_s: Seconds that they belong to the caller, unless heartbeats prolong that.
            wait_s: Seconds to wait.
            worker: Who takes them, for people to see.
        """
        ...

    def wake(self) -> None:
        """Let a `claim` that waits return; safe from any thread."""
        ...

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases to `lease_s` from now, and return what the worker must stop.

        Blocks; called from a thread of the worker's own that goes on while the event loop is blocked,
        so a store uses a connection of its own here, and not the loop.
        """
        ...

    async def complete_many(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Take how attempts ended; return for each whether it was taken (see fencing, above)."""
        ...

    async def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep what a task said about how far it is; return whether that was taken."""
        ...

    async def reclaim(self) -> list[Job]:
        """Take back jobs whose lease has ended, and drop records past their retention.

        Workers call it every half second; where the server does the same by itself, it only reports.

        Returns:
            Those that have no attempt left and are dead letters now, once each over all workers.
        """
        ...
