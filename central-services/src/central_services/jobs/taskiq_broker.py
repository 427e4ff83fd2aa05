# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A taskiq broker over the service's own queue, for taskiq's tools and middlewares.

    taskiq worker central_services.jobs.taskiq_broker:make_broker

Every task is registered under its name, so that what taskiq's API or its schedulers send runs in any
worker, and jobs run in taskiq's worker with the same retries, dead letters and leases. The command
`worker` does without it: taskiq's receiver costs more for a job than the job's own store, and it
can't stop a job that was cancelled or lost.

Importing this module imports taskiq; nothing else here does.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import orjson
from pydantic_core import to_jsonable_python
from taskiq import (
    AckableMessage,
    AsyncBroker,
    AsyncResultBackend,
    BrokerMessage,
    TaskiqMessage,
    TaskiqMiddleware,
    TaskiqResult,
)

from .client import JobClient, open_client
from .connecting import make_store
from .consumer import RECLAIM_S, WAIT_S
from .dead_letters import DeadLetter, announce
from .definition import TASKS, JobOptions, Task
from .errors import JobFailedError, JobsUnavailableError, UnknownTaskError
from .execution import Executor
from .heartbeats import Heartbeats
from .metrics import JobMetrics
from .records import Beat, Claim, JobState, NewJob, Outcome, Progress
from .resources import open_resources

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from .store import JobStore

PREFETCH = 16
"""Jobs that are claimed at once; they are leased while they wait for the receiver."""

_claim: ContextVar[Claim | None] = ContextVar("taskiq_claim", default=None)


def make_broker() -> JobBroker:
    """Return the broker of the service's settings, for taskiq's command line."""
    from ..settings import Settings  # noqa: PLC0415  # read when it is called, not at import

    return JobBroker(Settings())


class JobBroker(AsyncBroker):
    """Sends to the service's queue, and receives from it.

    Labels of a message become options of its job: `queue`, `priority`, `delay` (seconds) and
    `idempotency_key`.
    """

    def __init__(self, settings: PlatformSettings) -> None:
        super().__init__()
        self._settings = settings
        self._stack = AsyncExitStack()
        self._client: JobClient | None = None
        self._executor: Executor | None = None
        self._heartbeats: Heartbeats | None = None
        self.claims: dict[str, Claim] = {}
        self.with_result_backend(JobResults(self))
        self.add_middlewares(_RememberClaim(self))
        for task in TASKS:
            self.register_task(_callable(self, task), task.name)

    @property
    def client(self) -> JobClient:
        """The client of the queue.

        Raises:
            JobsUnavailableError: Before `startup`.
        """
        if self._client is None:
            raise JobsUnavailableError("The broker is not started.")
        return self._client

    @property
    def executor(self) -> Executor:
        """What makes contexts and failures.

        Raises:
            JobsUnavailableError: Outside of a worker.
        """
        if self._executor is None:
            raise JobsUnavailableError("The broker does not run in a worker.")
        return self._executor

    async def startup(self) -> None:
        """Open the queue and, in a worker, what tasks need."""
        jobs = self._settings.jobs
        opened = open_client(jobs, lambda: make_store(jobs))
        self._client = await self._stack.enter_async_context(opened)
        if self.is_worker_process:
            await self._start_working()
        await super().startup()

    async def _start_working(self) -> None:
        resources = await self._stack.enter_async_context(open_resources(self._settings))
        store = await self._store()
        self._executor = Executor(self._settings, resources, JobMetrics(), self._report)
        self._heartbeats = Heartbeats(store, self._settings.jobs.lease_s, self._on_beat)
        self._heartbeats.start()
        self._stack.push_async_callback(asyncio.to_thread, self._heartbeats.stop)
        reclaiming = asyncio.create_task(self._reclaim_always(store, resources))
        self._stack.callback(reclaiming.cancel)

    async def shutdown(self) -> None:
        """Close the queue."""
        await super().shutdown()
        await self._stack.aclose()
        self._client = None

    async def kick(self, message: BrokerMessage) -> None:
        """Enqueue what taskiq sends."""
        sent = orjson.loads(message.message)
        await self.client.enqueue_many([_as_job(message, sent["args"], sent["kwargs"])])

    async def listen(self) -> AsyncGenerator[AckableMessage]:
        """Claim jobs and yield them as messages."""
        store = await self._store()
        queues = [*(self._settings.jobs.queues or TASKS.queues())]
        lease_s = self._settings.jobs.lease_s
        name = f"{socket.gethostname()}:{os.getpid()}:taskiq"
        while True:
            for claim in await store.claim(
                queues, PREFETCH, lease_s=lease_s, wait_s=WAIT_S, worker=name
            ):
                self._hold(claim)
                yield AckableMessage(
                    data=self.formatter.dumps(_as_message(claim)).message,
                    ack=partial(self._acknowledge, claim.lease.id),
                )

    async def finish(self, claim: Claim, outcome: Outcome) -> None:
        """Hand in how an attempt ended; a store that is away lets the job run again."""
        store = await self._store()
        (taken,) = await store.complete_many([outcome])
        self._let_go(claim.lease.id)
        if taken and outcome.state is JobState.FAILED:
            letter = DeadLetter(
                job_id=claim.lease.id,
                task=claim.task,
                queue=claim.queue,
                attempt=claim.attempt,
                error=outcome.error,
            )
            await announce(letter, self.executor.resources)

    async def _acknowledge(self, job_id: str) -> None:
        """Finish a job that has no result, since its task asked for none to be stored."""
        claim = self.claims.pop(job_id, None)
        if claim is not None:
            retain_s = claim.result_ttl_s
            outcome = Outcome(claim.lease, JobState.SUCCEEDED, retain_s=retain_s)
            await self.finish(claim, outcome)

    async def _store(self) -> JobStore:
        return cast("JobStore", await self.client.backend())

    def _hold(self, claim: Claim) -> None:
        self.claims[claim.lease.id] = claim
        if self._heartbeats is not None:
            self._heartbeats.leases[claim.lease.id] = claim.lease

    def _let_go(self, job_id: str) -> None:
        if self._heartbeats is not None:
            self._heartbeats.leases.pop(job_id, None)

    def _on_beat(self, beat: Beat) -> None:
        """Leave jobs alone that are lost: the receiver can't be stopped, but is not believed."""
        for job_id in beat.lost:
            self._let_go(job_id)

    async def _report(self, claim: Claim, progress: Progress) -> None:
        await (await self._store()).progress(claim.lease, progress)

    async def _reclaim_always(self, store: JobStore, resources: Mapping[type[Any], object]) -> None:
        while True:
            for job in await store.reclaim():
                letter = DeadLetter(
                    job_id=job.id,
                    task=job.task,
                    queue=job.queue,
                    attempt=job.attempt,
                    error=job.error,
                )
                await announce(letter, resources)
            await asyncio.sleep(RECLAIM_S)


class JobResults(AsyncResultBackend[Any]):
    """Keeps taskiq's results in the jobs themselves."""

    def __init__(self, broker: JobBroker) -> None:
        self._broker = broker

    async def set_result(self, task_id: str, result: TaskiqResult[Any]) -> None:
        """Finish a job, or let it be retried."""
        claim = self._broker.claims.pop(task_id, None)
        if claim is None:
            return
        if result.error is not None:
            outcome = self._broker.executor.failure(claim, result.error)
        else:
            outcome = self._succeeded(claim, result.return_value)
        await self._broker.finish(claim, outcome)

    def _succeeded(self, claim: Claim, value: object) -> Outcome:
        try:
            stored = TASKS.find(claim.task).types.dump_result(value)
        except UnknownTaskError:
            stored = orjson.dumps(to_jsonable_python(value))
        except ValueError as error:
            return self._broker.executor.failure(claim, error)
        return Outcome(claim.lease, JobState.SUCCEEDED, stored, retain_s=claim.result_ttl_s)

    async def is_result_ready(self, task_id: str) -> bool:
        """Return whether a job is finished."""
        return (await self._broker.client.get(task_id)).state.is_finished

    async def get_result(
        self,
        task_id: str,
        with_logs: bool = False,  # noqa: ARG002  # taskiq's signature
    ) -> TaskiqResult[Any]:
        """Return the result of a finished job."""
        job = await self._broker.client.get(task_id)
        failed = job.state is not JobState.SUCCEEDED
        return TaskiqResult(
            is_err=failed,
            return_value=None if job.result is None else orjson.loads(job.result),
            execution_time=0.0,
            error=JobFailedError(job.error or str(job.state)) if failed else None,
        )


class _RememberClaim(TaskiqMiddleware):
    """Tells the task which claim it runs for."""

    def __init__(self, broker: JobBroker) -> None:
        super().__init__()
        self._jobs = broker

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        _claim.set(self._jobs.claims.get(message.task_id))
        return message


def _callable(broker: JobBroker, task: Task[..., Any]) -> Callable[..., Awaitable[Any]]:
    """Return what taskiq calls for a task: arguments come from the job, which validates them."""

    async def call(*_args: Any, **_kwargs: Any) -> Any:  # noqa: ANN401  # whatever the task has
        claim = _claim.get()
        if claim is None:
            raise JobsUnavailableError("taskiq called a task without a job")
        args, kwargs = task.types.load_arguments(claim.payload)
        return await task.function(broker.executor.context(claim), *args, **kwargs)

    call.__name__ = task.name
    return call


def _as_job(message: BrokerMessage, args: list[Any], kwargs: dict[str, Any]) -> NewJob:
    """Return a message as a job."""
    labels = message.labels
    options = JobOptions(
        job_id=message.task_id,
        queue=labels.get("queue"),
        delay_s=float(labels.get("delay", 0)),
        priority=labels.get("priority"),
        idempotency_key=labels.get("idempotency_key"),
    )
    try:
        return TASKS.find(message.task_name).new_job(tuple(args), kwargs, options)
    except UnknownTaskError:
        # A task that only taskiq knows: its own worker finds it.
        return NewJob(
            id=message.task_id,
            task=message.task_name,
            queue=options.queue or "default",
            payload=orjson.dumps((args, kwargs)),
            delay_s=options.delay_s,
            idempotency_key=options.idempotency_key or message.task_id,
        )


def _as_message(claim: Claim) -> TaskiqMessage:
    """Return a job as a message."""
    args, kwargs = orjson.loads(claim.payload)
    return TaskiqMessage(
        task_id=claim.lease.id,
        task_name=claim.task,
        labels={"queue": claim.queue, "timeout": claim.timeout_s, "attempt": claim.attempt},
        args=args,
        kwargs=kwargs,
    )
