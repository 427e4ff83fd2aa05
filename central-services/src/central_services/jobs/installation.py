# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs as a part of the service: a client to enqueue with, and a worker in development."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ..api.readiness import FailedCheck, HealthCheck, ReadinessCheck
from .client import JobClient, open_client
from .errors import JobsUnavailableError

if TYPE_CHECKING:
    from ..core.config import PlatformSettings
    from .store import JobStore


def jobs_lifespan(
    settings: PlatformSettings,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that keeps the client as `app.state.jobs`.

    In development a worker runs beside the service, so that one command is enough.
    """

    def connect() -> JobStore:
        from .connecting import make_store  # noqa: PLC0415  # when the first job comes

        return make_store(settings.jobs)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(open_client(settings.jobs, connect))
            app.state.jobs = client
            stack.callback(delattr, app.state, "jobs")
            from .outbox import relaying  # noqa: PLC0415  # keeps start-up short

            await stack.enter_async_context(relaying(client, settings.database))
            if has_embedded_worker(settings):
                from .running import embedded_worker  # noqa: PLC0415  # development only

                await stack.enter_async_context(embedded_worker(settings, client))
            yield

    return lifespan


def has_embedded_worker(settings: PlatformSettings) -> bool:
    """Return whether the web process runs jobs itself."""
    chosen = settings.jobs.embedded_worker
    return settings.environment == "development" if chosen is None else chosen


def jobs_check(jobs: Callable[[], JobClient | None]) -> HealthCheck:
    """Return the readiness check: is the queue there, and do jobs get done?

    It is not critical: a service that can't get rid of its jobs still answers requests.
    """

    async def check() -> bool | ReadinessCheck:
        client = jobs()
        if client is None:
            return False
        try:
            problem = await backlog(client)
        except JobsUnavailableError as error:
            return FailedCheck(
                "jobs", status=False, latency_ms=0, detail="unreachable", error=error
            )
        if problem:
            return FailedCheck(
                "jobs", status=False, latency_ms=0, detail="unhealthy", error=BacklogError(problem)
            )
        return True

    return HealthCheck("jobs", check, critical=False)


class BacklogError(Exception):
    """Jobs wait longer, or are more, than the settings expect; the text says how."""


async def backlog(client: JobClient) -> str:
    """Return what is wrong with the queues, as a sentence, or an empty string."""
    settings = client.settings
    for queue in await client.stats():
        if queue.oldest_s > settings.max_oldest_s:
            return f"{queue.queue}: the oldest job has waited for {queue.oldest_s:.0f} s"
        if queue.ready > settings.max_depth:
            return f"{queue.queue}: {queue.ready} jobs wait"
    return ""
