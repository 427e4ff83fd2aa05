# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One attempt of a job: find its task, run it within its time, say how it ended."""

from __future__ import annotations

import asyncio
import random
import time
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any

from ..core.sentry import work_scope
from ..utils.context import RequestContext, current_request
from ..utils.logging import get_logger
from .context import TaskContext
from .definition import TASKS, Task
from .errors import InvalidArgumentsError, PermanentError, UnknownTaskError
from .records import Claim, JobState, Outcome, Progress

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from .metrics import JobMetrics

ERROR_CHARACTERS = 4_000
UNKNOWN_BACKOFF_S = 5.0
"""Seconds before a job of an unknown task is tried again: a newer worker may know it."""

Middleware = Callable[[TaskContext, Callable[[], Awaitable[object]]], Awaitable[object]]
"""Runs around each attempt: gets the context and what to await, and returns its result."""

log = get_logger("jobs")


class ResultError(PermanentError):
    """What a task returned is not what its annotation says, or is too large."""


class Executor:
    """Runs attempts.

    Args:
        settings: The service's settings.
        resources: What the worker opened for tasks.
        metrics: Counts attempts.
        report: Keeps progress of a claim.
        middlewares: Run around each attempt, the first outermost.

    Attributes:
        resources: What the worker opened for tasks.
    """

    def __init__(
        self,
        settings: PlatformSettings,
        resources: Mapping[type[Any], object],
        metrics: JobMetrics,
        report: Callable[[Claim, Progress], Awaitable[None]],
        middlewares: tuple[Middleware, ...] = (),
    ) -> None:
        self._settings = settings
        self.resources = resources
        self._metrics = metrics
        self._report = report
        self._middlewares = middlewares

    async def run(self, claim: Claim) -> Outcome:
        """Run an attempt and return how it ended.

        Raises:
            asyncio.CancelledError: When the worker stopped it.
        """
        enter_trace(claim)
        began = time.perf_counter()
        with work_scope({"job_id": claim.lease.id, "task": claim.task, "queue": claim.queue}):
            try:
                outcome = await self._attempt(claim)
            # SystemExit too: a task that calls sys.exit() must not end the worker.
            except (Exception, SystemExit) as error:  # noqa: BLE001  # the edge: it is an outcome
                outcome = self.failure(claim, error)
        duration_s = time.perf_counter() - began
        self._metrics.finished(claim.task, str(outcome.state), duration_s, claim.waited_s)
        log.info(
            "job_finished",
            job_id=claim.lease.id,
            task=claim.task,
            queue=claim.queue,
            attempt=claim.attempt,
            outcome=str(outcome.state),
            duration_ms=round(duration_s * 1000, 2),
            waited_ms=round(claim.waited_s * 1000, 2),
        )
        return outcome

    async def _attempt(self, claim: Claim) -> Outcome:
        found = TASKS.find(claim.task)
        args, kwargs = found.types.load_arguments(claim.payload)
        context = self.context(claim)

        async def call() -> object:
            return await found.function(context, *args, **kwargs)

        try:
            async with asyncio.timeout(claim.timeout_s) as limit:
                result = await self._within(context, call)
        except TimeoutError as error:
            if limit.expired():
                raise TimeoutError(f"it took longer than {claim.timeout_s:g} s") from error
            raise
        stored = self._stored(found, result)
        return Outcome(claim.lease, JobState.SUCCEEDED, stored, retain_s=claim.result_ttl_s)

    async def _within(self, context: TaskContext, call: Callable[[], Awaitable[object]]) -> object:
        """Call a task within the middlewares."""
        for middleware in reversed(self._middlewares):
            call = _around(middleware, context, call)
        return await call()

    def _stored(self, task: Task[..., Any], result: object) -> bytes:
        try:
            stored = task.types.dump_result(result)
        except ValueError as error:
            raise ResultError(
                f"the result is not what {task.name} is to return: {error}"
            ) from error
        if len(stored) > self._settings.jobs.max_payload_bytes:
            raise ResultError(f"the result has {len(stored)} bytes: store it, and return its id")
        return stored

    def context(self, claim: Claim) -> TaskContext:
        """Return what the task of a claim gets to know."""

        async def report(progress: Progress) -> None:
            await self._report(claim, progress)

        job_id = claim.lease.id
        return TaskContext(
            settings=self._settings,
            job_id=job_id,
            task_name=claim.task,
            queue=claim.queue,
            attempt=claim.attempt,
            max_attempts=claim.max_attempts,
            idempotency_key=claim.idempotency_key,
            log=log.bind(job_id=job_id, task=claim.task, queue=claim.queue, attempt=claim.attempt),
            resources=self.resources,
            report=report,
        )

    def failure(self, claim: Claim, error: BaseException) -> Outcome:
        """Return a retry while there are attempts and one may help, or a dead letter."""
        text = describe(error)
        permanent = isinstance(error, PermanentError | InvalidArgumentsError)
        final = permanent or claim.attempt >= claim.max_attempts
        # An error becomes an event of Sentry's, a warning one of its breadcrumbs.
        write = log.error if final else log.warning
        write(
            "job_attempt_failed",
            job_id=claim.lease.id,
            task=claim.task,
            attempt=claim.attempt,
            final=final,
            exc_info=error,
        )
        if final:
            retain_s = self._settings.jobs.dead_retention_s
            return Outcome(claim.lease, JobState.FAILED, error=text, retain_s=retain_s)
        delay_s = max(backoff_s(claim), _asked_for_s(error))
        return Outcome(claim.lease, JobState.RETRYING, error=text, delay_s=delay_s)


def _around(
    middleware: Middleware, context: TaskContext, call: Callable[[], Awaitable[object]]
) -> Callable[[], Awaitable[object]]:
    async def wrapped() -> object:
        return await middleware(context, call)

    return wrapped


def backoff_s(claim: Claim) -> float:
    """Return seconds before the next attempt: twice as long each time, half of it at random.

    The random part keeps jobs that failed together from coming back together
    (aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter).
    """
    try:
        settings = TASKS.find(claim.task).settings
        base_s, most_s = settings.backoff_s, settings.max_backoff_s
    except UnknownTaskError:
        base_s, most_s = UNKNOWN_BACKOFF_S, 600.0
    # 2**30 seconds is more than any limit: a larger power would overflow a float.
    whole = min(most_s, base_s * 2.0 ** min(claim.attempt - 1, 30))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311  # nothing secret


def _asked_for_s(error: BaseException) -> float:
    """Return the seconds that whoever failed asks to wait (a Retry-After), at most a day."""
    asked = getattr(error, "retry_after_s", None)
    return min(float(asked), 86_400.0) if isinstance(asked, int | float) else 0.0


def describe(error: BaseException) -> str:
    """Return what was raised and where, the end of it when it is long."""
    text = "".join(traceback.format_exception(error)).strip()
    return text[-ERROR_CHARACTERS:]


def enter_trace(claim: Claim) -> None:
    """Let log lines and errors carry the request that enqueued the job."""
    request, _, rest = claim.trace.partition(" ")
    trace, _, span = rest.partition(" ")
    current_request.set(RequestContext(request, trace, span) if request else None)
