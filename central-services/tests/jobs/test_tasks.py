# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a task may rely on, whatever keeps its jobs."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from central_services.jobs import (
    JobState,
    PermanentError,
    TaskContext,
    enqueue_task,
    task,
)
from central_services.jobs.dead_letters import (
    _LISTENERS,
    DeadLetter,
    on_dead_letter,
)
from central_services.jobs.definition import (
    TASKS,
    Task,
)
from central_services.jobs.errors import (
    InvalidArgumentsError,
    JobFailedError,
    UnknownTaskError,
)
from central_services.utils.context import (
    RequestContext,
    current_request,
)

if TYPE_CHECKING:
    from central_services.jobs.client import JobClient
    from central_services.settings import Settings

pytestmark = pytest.mark.anyio

LONG_S = 20.0


class Parcel(BaseModel):
    weight: Decimal
    labels: list[str] = []


SEEN: list[Any] = []


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    """Forget what tasks did, and the tasks of a test."""
    SEEN.clear()
    known = dict(TASKS._tasks)
    yield
    TASKS._tasks.clear()
    TASKS._tasks.update(known)
    _LISTENERS.clear()


@task()
async def weigh(
    ctx: TaskContext, parcel: Parcel, at: datetime | None = None, *tags: UUID, **more: int
) -> Decimal:
    SEEN.append((ctx, parcel, at, tags, more))
    return parcel.weight * 2


@task(retries=2, backoff_s=0.02)
async def fail_until(ctx: TaskContext, attempt: int) -> int:
    SEEN.append(ctx.attempt)
    if ctx.attempt < attempt:
        raise ValueError(f"not in attempt {ctx.attempt}")
    return ctx.attempt


@task(retries=5)
async def refuse(ctx: TaskContext) -> None:
    raise PermanentError("no retry helps")


@task(retries=0, timeout_s=0.1)
async def hang(ctx: TaskContext) -> None:
    await asyncio.sleep(600)


@task(retries=0)
async def lie(ctx: TaskContext) -> int:
    return cast("int", "no number")


@task(retries=0)
async def leave(ctx: TaskContext) -> None:
    sys.exit(3)


@task(retries=0)
async def wait_for_ever(ctx: TaskContext) -> None:
    await ctx.progress(1, 2, "begun")
    SEEN.append(ctx.job_id)
    await asyncio.sleep(600)


async def test_arguments_and_result_are_what_the_annotations_say(
    jobs: JobClient, work: Any
) -> None:
    tag = uuid4()
    at = datetime.fromisoformat("2026-11-22T10:00:00+00:00")
    job_id = await weigh.enqueue(Parcel(weight=Decimal("1.5")), at, tag, shelf=3)
    async with work():
        assert await weigh.result(job_id, timeout_s=LONG_S) == Decimal("3.0")
    ((ctx, parcel, when, tags, more),) = SEEN
    assert parcel == Parcel(weight=Decimal("1.5"))
    assert (when, tags, more) == (at, (tag,), {"shelf": 3})
    assert (ctx.job_id, ctx.task_name, ctx.attempt, ctx.max_attempts) == (job_id, "weigh", 1, 4)
    assert ctx.idempotency_key == job_id


async def test_wrong_arguments_are_refused_by_the_caller(jobs: JobClient) -> None:
    with pytest.raises(InvalidArgumentsError, match="missing a required argument"):
        await enqueue_task("default", "weigh")
    with pytest.raises(InvalidArgumentsError, match="JSON"):
        await enqueue_task("default", "weigh", object())
    with pytest.raises(InvalidArgumentsError, match="bytes of arguments"):
        await enqueue_task("default", "weigh", "x" * 300_000)
    with pytest.raises(UnknownTaskError, match="no task nobody"):
        await enqueue_task("default", "nobody")


async def test_arguments_of_another_type_fail_without_a_retry(jobs: JobClient, work: Any) -> None:
    job_id = await enqueue_task("default", "weigh", {"weight": "heavy"})
    async with work():
        with pytest.raises(JobFailedError, match="weight"):
            await jobs.result(job_id, timeout_s=LONG_S)
    assert (await jobs.get(job_id)).attempt == 1


async def test_failed_attempt_is_retried_until_none_is_left(jobs: JobClient, work: Any) -> None:
    good, bad = await fail_until.enqueue(3), await fail_until.enqueue(9)
    async with work():
        assert await fail_until.result(good, timeout_s=LONG_S) == 3
        with pytest.raises(JobFailedError, match="not in attempt 3"):
            await fail_until.result(bad, timeout_s=LONG_S)
    assert sorted(SEEN) == [1, 1, 2, 2, 3, 3]


@pytest.mark.parametrize(
    ("broken", "reason"),
    [(refuse, "no retry helps"), (hang, "longer than 0.1 s"), (lie, "not what lie"), (leave, "3")],
)
async def test_failure_ends_as_a_dead_letter_that_says_why(
    jobs: JobClient, work: Any, until: Any, broken: Task[[], Any], reason: str
) -> None:
    heard: list[DeadLetter] = []

    @on_dead_letter
    async def listen(letter: DeadLetter, resources: Any) -> None:
        heard.append(letter)
        raise ValueError("a listener that fails")

    job_id = await broken.enqueue()
    async with work():
        with pytest.raises(JobFailedError, match=reason):
            await broken.result(job_id, timeout_s=LONG_S)
        await until(lambda: heard)
    assert (heard[0].job_id, heard[0].attempt) == (job_id, 1)
    assert reason in heard[0].error


async def test_jobs_with_one_idempotency_key_are_one_job(jobs: JobClient, work: Any) -> None:
    once = fail_until.options(idempotency_key="order 7")
    first, second = await once.enqueue(1), await once.enqueue(1)
    assert first == second
    async with work():
        await fail_until.result(first, timeout_s=LONG_S)
        assert await once.enqueue(1) == first
    assert SEEN == [1]


async def test_unique_key_is_made_of_the_arguments(jobs: JobClient) -> None:
    @task(unique="{parcel}-{size}")
    async def wrap(ctx: TaskContext, parcel: int, size: str = "m") -> None: ...

    first = await wrap.enqueue(1)
    assert await wrap.enqueue(1, "m") == first
    assert await wrap.enqueue(1, size="l") != first
    assert await wrap.options(unique="own").enqueue(1) != first


async def test_options_change_one_job(jobs: JobClient) -> None:
    changed = refuse.options(
        queue="slow", delay_s=60, job_id="a" * 32, priority=1, retries=0, timeout_s=5
    )
    job = await jobs.get(await changed.enqueue())
    assert (job.id, job.queue, job.priority, job.max_attempts) == ("a" * 32, "slow", 1, 1)
    assert job.due_at > job.enqueued_at


async def test_running_job_is_cancelled(jobs: JobClient, work: Any, until: Any) -> None:
    job_id = await wait_for_ever.enqueue()
    async with work():
        await until(lambda: SEEN)
        assert (await jobs.cancel(job_id)).cancel_requested
        with pytest.raises(JobFailedError, match="cancelled"):
            await jobs.result(job_id, timeout_s=LONG_S)
    job = await jobs.get(job_id)
    assert job.state is JobState.CANCELLED
    assert job.progress is not None
    assert (job.progress.done, job.progress.total, job.progress.note) == (1, 2, "begun")


async def test_worker_that_stops_gives_back_what_takes_too_long(
    jobs: JobClient, work: Any, until: Any
) -> None:
    job_id = await wait_for_ever.enqueue()
    async with work(shutdown_timeout_s=0.0):
        await until(lambda: SEEN)
    job = await jobs.get(job_id)
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


async def test_worker_that_stops_lets_jobs_finish(jobs: JobClient, work: Any, until: Any) -> None:
    @task()
    async def take_a_moment(ctx: TaskContext) -> str:
        SEEN.append(1)
        await asyncio.sleep(0.2)
        return "done"

    job_id = await take_a_moment.enqueue()
    async with work():
        await until(lambda: SEEN)
    assert await take_a_moment.result(job_id) == "done"


async def test_blocked_event_loop_loses_no_lease(jobs: JobClient, work: Any) -> None:
    @task(retries=5)
    async def block(ctx: TaskContext) -> int:
        SEEN.append(ctx.attempt)
        time.sleep(1.2)  # noqa: ASYNC251  # what must not be done, and is
        return ctx.attempt

    job_id = await block.enqueue()
    async with work(lease_s=0.5):
        assert await block.result(job_id, timeout_s=LONG_S) == 1
    assert SEEN == [1]


async def test_request_that_enqueued_it_is_in_the_context_of_the_job(
    jobs: JobClient, work: Any
) -> None:
    @task()
    async def trace(ctx: TaskContext) -> None:
        SEEN.append(current_request.get())

    token = current_request.set(RequestContext("request-1", "a" * 32, "b" * 16))
    job_id = await trace.enqueue()
    current_request.reset(token)
    async with work():
        await trace.result(job_id, timeout_s=LONG_S)
    (request,) = SEEN
    assert (request.request_id, request.trace_id, request.span_id) == (
        "request-1",
        "a" * 32,
        "b" * 16,
    )


async def test_task_finds_what_the_worker_opened(jobs: JobClient, work: Any) -> None:
    @task(retries=0)
    async def use(ctx: TaskContext) -> str:
        return ctx.resource(Parcel).labels[0]

    async with work(resources={Parcel: Parcel(weight=Decimal(1), labels=["fragile"])}):
        assert await use.result(await use.enqueue(), timeout_s=LONG_S) == "fragile"
    async with work():
        with pytest.raises(JobFailedError, match="no Parcel in the worker"):
            await use.result(await use.enqueue(), timeout_s=LONG_S)


async def test_task_is_called_without_a_queue_in_a_test(settings: Settings) -> None:
    ctx = TaskContext(settings=settings, job_id="7", attempt=2, max_attempts=2)
    assert await fail_until(ctx, 2) == 2
    assert ctx.is_last_attempt
    await ctx.progress(1)


def test_two_tasks_with_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="two tasks are called weigh"):

        @task(name="weigh")
        async def other(ctx: TaskContext) -> None: ...


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"queue": "Not A Queue"}, "is no queue"),
        ({"name": "no name"}, "a task's name"),
        ({"retries": -1}, "positive"),
        ({"timeout_s": 0}, "positive"),
    ],
)
def test_definition_that_can_not_work_is_refused(options: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):

        @task(**options)
        async def broken(ctx: TaskContext) -> None: ...


def test_plain_function_is_no_task() -> None:
    def plain(ctx: TaskContext) -> None: ...

    with pytest.raises(ValueError, match="write async def"):
        task()(cast("Any", plain))


async def test_nothing_can_be_enqueued_where_nothing_is_open() -> None:
    with pytest.raises(RuntimeError, match="no job client is open"):
        await refuse.enqueue()
