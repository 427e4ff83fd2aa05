# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""taskiq over the service's own queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from taskiq import TaskiqMessage, TaskiqMiddleware
from taskiq.receiver import Receiver

from central_services.jobs import (
    JobState,
    PermanentError,
    TaskContext,
    task,
)
from central_services.jobs.taskiq_broker import (
    JobBroker,
    make_broker,
)

if TYPE_CHECKING:
    from central_services.settings import Settings

pytestmark = pytest.mark.anyio

LONG_S = 20.0
Working = Callable[[], AbstractAsyncContextManager[JobBroker]]


@task(retries=1, backoff_s=0.01)
async def taskiq_add(ctx: TaskContext, first: int, second: int = 0) -> int:
    if ctx.attempt == 1 and second == 13:
        raise ValueError("not in the first attempt")
    await ctx.progress(1, 1)
    return first + second


@task()
async def taskiq_refuse(ctx: TaskContext) -> None:
    raise PermanentError("no retry helps")


@pytest.fixture
def working(settings: Settings, until: Any) -> Working:
    """A function that lets taskiq's own receiver run jobs."""

    @asynccontextmanager
    async def run() -> AsyncGenerator[JobBroker]:
        broker = JobBroker(settings)
        broker.is_worker_process = True
        finish = asyncio.Event()
        receiver = Receiver(broker, max_async_tasks=8)
        listening = asyncio.create_task(receiver.listen(finish))
        try:
            await until(lambda: broker._heartbeats)
            yield broker
        finally:
            finish.set()
            await asyncio.wait_for(listening, LONG_S)
            await broker.shutdown()

    return run


async def test_job_runs_in_the_receiver_of_taskiq(working: Working) -> None:
    async with working() as broker:
        job_id = await taskiq_add.enqueue(1, second=13)
        assert await taskiq_add.result(job_id, timeout_s=LONG_S) == 14
        job = await broker.client.get(job_id)
    assert (job.attempt, job.state) == (2, JobState.SUCCEEDED)
    assert job.progress is not None


async def test_task_is_sent_with_the_api_of_taskiq(working: Working) -> None:
    async with working() as broker:
        known = broker.find_task("taskiq_add")
        assert known is not None
        sent = await known.kicker().with_labels(priority=1).kiq(2, 3)
        result = await sent.wait_result(timeout=LONG_S)
        assert (result.is_err, result.return_value) == (False, 5)
        assert (await broker.client.get(sent.task_id)).priority == 1


async def test_failure_is_a_dead_letter(working: Working) -> None:
    async with working() as broker:
        known = broker.find_task("taskiq_refuse")
        assert known is not None
        sent = await known.kiq()
        result = await sent.wait_result(timeout=LONG_S)
        assert result.is_err
        assert "no retry helps" in str(result.error)
        job = await broker.client.get(sent.task_id)
    assert (job.state, job.attempt) == (JobState.FAILED, 1)


async def test_middlewares_and_tasks_of_taskiq_work(working: Working) -> None:
    seen: list[str] = []

    class Listener(TaskiqMiddleware):
        def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
            seen.append(message.task_name)
            return message

    async with working() as broker:

        @broker.task(task_name="taskiq_own")
        async def own(number: int) -> int:
            return number + 1

        broker.add_middlewares(Listener())
        sent: Any = await own.kiq(6)
        assert (await sent.wait_result(timeout=LONG_S)).return_value == 7
    assert seen == ["taskiq_own"]


async def test_client_only_sends(settings: Settings) -> None:
    broker = make_broker()
    await broker.startup()
    known = broker.find_task("taskiq_add")
    assert known is not None
    sent = await known.kiq(1)
    assert not await broker.result_backend.is_result_ready(sent.task_id)
    await broker.shutdown()
