# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The worker, put together: as a process of its own, or inside the web process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ..utils.logging import flush, get_logger
from .alerts import DeadLetterAlerts
from .client import JobClient, open_client
from .connecting import make_store
from .consumer import Consumer
from .definition import TASKS
from .execution import Middleware
from .resources import open_resources
from .startup import tell_admins
from .worker_health import health_server

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from .store import JobStore

LOOK_S = 0.1
"""Seconds between two looks at whether the queues are empty."""
TOUCH_S = 1.0

log = get_logger("jobs")


@asynccontextmanager
async def consuming(
    settings: PlatformSettings,
    client: JobClient,
    *,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
) -> AsyncGenerator[Consumer]:
    """Yield a consumer with everything that tasks need; the caller lets it run."""
    # Before the resources: a module of tasks also says what is opened for them.
    TASKS.check()
    async with AsyncExitStack() as stack:
        resources = await stack.enter_async_context(open_resources(settings))
        store = cast("JobStore", await client.backend())
        yield Consumer(
            store,
            settings,
            queues=[*(queues or settings.jobs.queues or TASKS.queues())],
            name=f"{socket.gethostname()}:{os.getpid()}",
            concurrency=concurrency,
            resources=resources,
            middlewares=_watching(resources),
        )


def _watching(resources: Mapping[type[Any], object]) -> tuple[Middleware, ...]:
    """Return what notices that a task works again which had dead letters."""
    alerts = resources.get(DeadLetterAlerts)
    return (alerts.watch,) if isinstance(alerts, DeadLetterAlerts) else ()


@asynccontextmanager
async def embedded_worker(settings: PlatformSettings, client: JobClient) -> AsyncGenerator[None]:
    """Run a worker beside whatever else the event loop does."""
    async with consuming(settings, client) as consumer:
        task = asyncio.create_task(consumer.run())
        try:
            yield
        finally:
            consumer.stop()
            await task


def worker_process(
    settings: PlatformSettings,
    *,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
    until_empty: bool = False,
) -> None:
    """Be a worker: `run_worker` with a log, with error tracking, and on uvloop where there is one."""
    from ..core.app import start_process  # noqa: PLC0415  # it imports this package

    tracer = start_process(settings)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(
                run_worker(
                    settings, queues=queues, concurrency=concurrency, until_empty=until_empty
                )
            )
    finally:
        if tracer is not None:
            tracer.close()
        flush()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop  # noqa: PLC0415  # not there on Windows
    except ImportError:
        return None
    return uvloop.new_event_loop


async def run_worker(
    settings: PlatformSettings,
    *,
    queues: Sequence[str] = (),
    concurrency: int | None = None,
    until_empty: bool = False,
) -> None:
    """Run a worker until it gets SIGTERM or SIGINT; a second one gives running jobs back at once.

    Args:
        settings: The service's settings.
        queues: Queues to serve; by default those of the settings, or of all tasks.
        concurrency: Jobs at the same time.
        until_empty: End when nothing waits, is delayed or runs in these queues any more.

    Raises:
        JobsUnavailableError: When the store can't be opened.
    """
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(
            open_client(settings.jobs, lambda: make_store(settings.jobs))
        )
        # jinja: if cookiecutter.include_database
        from .outbox import relaying  # noqa: PLC0415  # the same place as in the web process

        await stack.enter_async_context(relaying(client, settings.database))
        # jinja: endif
        consumer = await stack.enter_async_context(
            consuming(settings, client, queues=queues, concurrency=concurrency)
        )
        await stack.enter_async_context(health_server(settings.jobs.worker_health_port, consumer))
        touching = _touch(settings.jobs.worker_health_file, consumer)
        await stack.enter_async_context(_background(touching))
        if until_empty:
            await stack.enter_async_context(_background(_stop_when_empty(client, consumer)))
        _stop_on_signals(consumer)
        log.info("worker_started", queues=consumer.queues, concurrency=consumer.concurrency)
        await tell_admins(settings, problem="")
        await consumer.run()
        log.info("worker_stopped", succeeded=consumer.metrics.total("succeeded"))


def _stop_on_signals(consumer: Consumer) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # not on Windows, nor in a thread
            loop.add_signal_handler(number, consumer.stop)


@asynccontextmanager
async def _background(work: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Run a coroutine beside the worker, and end it with it."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _stop_when_empty(client: JobClient, consumer: Consumer) -> None:
    while True:
        stats = await client.stats()
        mine = [one for one in stats if one.queue in consumer.queues]
        if not any(one.ready or one.delayed or one.running for one in mine):
            consumer.stop()
            return
        await asyncio.sleep(LOOK_S)


async def _touch(file: Path | None, consumer: Consumer) -> None:
    """Touch a file while the worker is alive."""
    while file is not None:
        if consumer.is_alive:
            await asyncio.to_thread(file.touch)
        await asyncio.sleep(TOUCH_S)
