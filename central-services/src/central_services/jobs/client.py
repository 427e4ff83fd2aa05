# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The service's side of jobs: enqueue them, look at them, cancel and replay them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

from ..utils.context import current_request
from .active import activated, active_client
from .definition import TASKS, JobOptions, Task
from .errors import InvalidArgumentsError, JobFailedError, JobNotFoundError
from .records import Enqueued, Job, JobFilter, JobState, NewJob, QueueStats

if TYPE_CHECKING:
    from .settings import JobsSettings
    from .store import JobBackend


class JobOutbox(Protocol):
    """Keeps jobs in the caller's database transaction, and relays them after its commit."""

    async def add(self, job: NewJob, session: object) -> None:
        """Put a job into the session's transaction.

        Raises:
            TypeError: When the session is none.
        """
        ...


class JobClient:
    """Jobs, for whoever enqueues them.

    Args:
        settings: The section `jobs`.
        connect: Returns the store; called, and the store opened, when it is first needed.

    Attributes:
        outbox: Takes jobs of database transactions; None without a database.
    """

    def __init__(self, settings: JobsSettings, connect: Callable[[], JobBackend]) -> None:
        self.settings = settings
        self.outbox: JobOutbox | None = None
        self._connect = connect
        self._backend: JobBackend | None = None
        self._opening = asyncio.Lock()

    async def backend(self) -> JobBackend:
        """Return the store, open.

        Raises:
            JobsUnavailableError: When it can't be opened.
        """
        if self._backend is None:
            async with self._opening:
                if self._backend is None:
                    backend = self._connect()
                    await backend.open()
                    self._backend = backend
        return self._backend

    async def aclose(self) -> None:
        """Close the store."""
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.aclose()

    async def enqueue(
        self,
        task: Task[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        options: JobOptions,
    ) -> str:
        """Enqueue a job and return its id; see `Task.enqueue`."""
        job = self._checked(task.new_job(args, kwargs, options))
        if options.session is not None:
            if self.outbox is None:
                raise RuntimeError("session=: this service has no database to keep the job in")
            await self.outbox.add(job, options.session)
            return job.id
        return (await self.enqueue_many([job]))[0].id

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Enqueue jobs that were made with `Task.new_job`, all of them or none."""
        return await (await self.backend()).enqueue_many(jobs)

    async def get(self, job_id: str) -> Job:
        """Return a job.

        Raises:
            JobNotFoundError: When there is none with this id.
        """
        return _found(job_id, await (await self.backend()).get(job_id))

    async def search(self, wanted: JobFilter | None = None) -> list[Job]:
        """Return jobs, the newest first."""
        return await (await self.backend()).search(wanted or JobFilter())

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        return await (await self.backend()).stats()

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job and return it; see `JobBackend.cancel`."""
        return _found(job_id, await (await self.backend()).cancel(job_id))

    async def replay(self, job_id: str) -> Job:
        """Let a job start now and return it; see `JobBackend.replay`."""
        return _found(job_id, await (await self.backend()).replay(job_id))

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs and return how many that were."""
        return await (await self.backend()).purge(wanted)

    async def result(self, job_id: str, *, timeout_s: float = 30.0) -> bytes:
        """Wait for a job to succeed and return its result as JSON.

        Raises:
            JobFailedError: When it failed or was cancelled.
            JobNotFoundError: When there is none with this id.
            TimeoutError: When it takes longer.
        """
        until, pause = time.monotonic() + timeout_s, 0.002
        while True:
            job = await self.get(job_id)
            if job.state is JobState.SUCCEEDED:
                return job.result or b"null"
            if job.state.is_finished:
                raise JobFailedError(f"job {job_id} {job.state}: {job.error or 'no reason given'}")
            if time.monotonic() >= until:
                raise TimeoutError(f"job {job_id} is {job.state} after {timeout_s} s")
            # A store tells workers of new jobs, not callers of finished ones: ask, ever less often.
            await asyncio.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(pause * 1.5, 0.25)

    def _checked(self, job: NewJob) -> NewJob:
        """Return a job with the request's trace.

        Raises:
            InvalidArgumentsError: When its arguments are too large.
        """
        limit = self.settings.max_payload_bytes
        if len(job.payload) > limit:
            raise InvalidArgumentsError(
                f"{job.task}: {len(job.payload)} bytes of arguments, {limit} are allowed:"
                " enqueue the id of what is large"
            )
        request = current_request.get()
        if request is None:
            return job
        trace = f"{request.request_id} {request.trace_id} {request.span_id}"
        return replace(job, trace=trace)


def _found(job_id: str, job: Job | None) -> Job:
    if job is None:
        raise JobNotFoundError(f"There is no job {job_id}, or its record was dropped.")
    return job


@asynccontextmanager
async def open_client(
    settings: JobsSettings, connect: Callable[[], JobBackend]
) -> AsyncGenerator[JobClient]:
    """Yield a client that `enqueue_task` and `Task.enqueue` use in this event loop."""
    client = JobClient(settings, connect)
    try:
        with activated(client):
            yield client
    finally:
        await client.aclose()


async def enqueue_task(
    queue: str, task_name: str, *args: object, session: object | None = None, **kwargs: object
) -> str:
    """Enqueue a job by the name of its task and return its id.

    Args:
        queue: Where it waits.
        task_name: The task's name.
        args: What the task takes after its context.
        session: The `AsyncSession` of a database transaction: the job exists when it commits, and
            only then.
        kwargs: The task's arguments by name.

    Raises:
        UnknownTaskError: When no task has this name.
        InvalidArgumentsError: When the arguments don't fit its signature.
        JobsUnavailableError: When nothing could be enqueued.
    """
    options = JobOptions(queue=queue, session=session)
    return await active_client().enqueue(TASKS.find(task_name), args, kwargs, options)
