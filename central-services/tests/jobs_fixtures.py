# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Fixtures of jobs: a queue of its own for each test, and a worker on request.

The tests use the embedded queue; set `TEST_JOBS_URL` to a server to run them on that. Like `fixtures`, this module imports the package late.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from central_services.core.config import JobsSettings
    from central_services.jobs.client import JobClient
    from central_services.jobs.consumer import Consumer
    from central_services.jobs.store import JobStore
    from central_services.settings import Settings

OpenStore = Callable[..., AbstractAsyncContextManager["JobStore"]]
Until = Callable[[Callable[[], object]], Awaitable[None]]
Work = Callable[..., AbstractAsyncContextManager["Consumer"]]


@pytest.fixture(autouse=True)
def configured_jobs(
    clean_environment: None,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Keep the jobs of tests out of the project's folder, each test's in a file of its own."""
    from central_services.core.config import ENV_PREFIX

    # The folder is made when something is enqueued; most tests enqueue nothing.
    file = tmp_path_factory.getbasetemp() / f"jobs-{os.urandom(6).hex()}" / "jobs.db"
    monkeypatch.setenv(f"{ENV_PREFIX}JOBS__PATH", str(file))


@pytest.fixture
def jobs_settings(tmp_path: Path) -> JobsSettings:
    """Settings of a queue that only this test uses."""
    from central_services.core.config import JobsSettings

    given: dict[str, object] = {
        "url": os.environ.get("TEST_JOBS_URL") or None,
        "path": tmp_path / "queue" / "jobs.db",
    }
    if "namespace" in JobsSettings.model_fields:  # Celery has none
        given["namespace"] = f"test-{os.urandom(6).hex()}"
    return JobsSettings.model_validate(given)


@pytest.fixture
def open_store(jobs_settings: JobsSettings) -> OpenStore:
    """A function that opens the test's queue, as often as it is called; keywords are settings."""
    from central_services.jobs.connecting import make_store

    @asynccontextmanager
    async def opened(**changes: Any) -> AsyncGenerator[JobStore]:
        store = make_store(jobs_settings.model_copy(update=changes))
        await store.open()
        try:
            yield store
        finally:
            await store.aclose()

    return opened


@pytest.fixture
async def store(open_store: OpenStore) -> AsyncIterator[JobStore]:
    """The test's queue, open."""
    async with open_store() as store:
        yield store


@pytest.fixture
async def jobs(jobs_settings: JobsSettings) -> AsyncIterator[JobClient]:
    """A client of the test's queue, which `enqueue_task` and `Task.enqueue` use."""
    from central_services.jobs.client import open_client
    from central_services.jobs.connecting import make_store

    async with open_client(jobs_settings, lambda: make_store(jobs_settings)) as client:
        yield client


@pytest.fixture
def work(jobs: JobClient, settings: Settings) -> Work:
    """A function that lets a worker run the jobs of the test's queue; keywords are settings."""
    from central_services.jobs.consumer import Consumer

    @asynccontextmanager
    async def working(
        queues: tuple[str, ...] = ("default",), resources: Any = None, **changes: Any
    ) -> AsyncGenerator[Consumer]:
        section = jobs.settings.model_copy(update=changes)
        consumer = Consumer(
            cast("JobStore", await jobs.backend()),
            settings.model_copy(update={"jobs": section}),
            queues=queues,
            name="test",
            resources=resources,
        )
        running = asyncio.create_task(consumer.run())
        async with AsyncExitStack() as stack:
            stack.push_async_callback(asyncio.wait_for, running, 30)
            stack.callback(consumer.stop)
            yield consumer

    return working


@pytest.fixture
def until() -> Until:
    """A function that waits until something holds, for at most 20 seconds."""

    async def wait(condition: Callable[[], object]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + 20
        while not condition():
            assert loop.time() < end, "it did not come to be"
            await asyncio.sleep(0.01)

    return wait
