# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduled tasks by Celery's beat: from the same source, enqueued the same way.

    celery -A {{ cookiecutter.project_slug }}.monitoring.beat beat

Workers schedule by themselves; with `{{ cookiecutter.__env_prefix }}MONITORING__SCHEDULER=false` they leave it to beat. Both at
once do no harm, since a run has one id. Entries of Celery's own `beat_schedule` work as usual.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

from celery import Celery  # type: ignore[import-untyped]  # Celery has no types
from celery.beat import Scheduler  # type: ignore[import-untyped]  # as above

from ..jobs.celery.app import create_app
from ..jobs.celery.broker import Broker
from ..jobs.client import open_client
from ..jobs.connecting import make_store
from .jobs import open_scheduling

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

TICK_S = 5.0
"""Seconds between two looks at whether scheduling goes on."""


def make_app() -> Celery:
    """Return the application for Celery's command line."""
    from ..core.app import DISTRIBUTION  # noqa: PLC0415  # it imports this package

    jobs = _load_settings().jobs
    broker = Broker.named(jobs.url.get_secret_value() if jobs.url else "")
    app = create_app(broker, DISTRIBUTION, lease_s=jobs.lease_s)
    app.conf.beat_scheduler = f"{__name__}:TaskScheduler"
    return app


def __getattr__(name: str) -> Celery:
    """Return `app`, which Celery's command line asks for; importing this module reads no settings."""
    if name == "app":
        return make_app()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


class TaskScheduler(Scheduler):  # type: ignore[misc]  # Celery has no types
    """Schedules tasks in an event loop of its own for as long as beat runs."""

    max_interval = TICK_S

    def setup_schedule(self) -> None:
        """Start.

        Raises:
            ServiceError: When the tasks or the job store can't be opened.
        """
        super().setup_schedule()
        self._over = threading.Event()
        started: Future[None] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._run(_load_settings(), started)),
            name="monitoring-beat",
            daemon=True,
        )
        self._thread.start()
        started.result()

    def tick(self, *arguments: Any, **named: Any) -> float:  # noqa: ANN401  # Celery's own
        """Do what Celery's own entries ask for.

        Raises:
            RuntimeError: When scheduling has ended, so that beat ends and is started again.
        """
        if not self._thread.is_alive():
            raise RuntimeError("scheduling has ended; the log says why")
        return min(TICK_S, float(super().tick(*arguments, **named)))

    def close(self) -> None:
        """Stop; runs that are being enqueued are, first."""
        super().close()
        self._over.set()
        self._thread.join()

    async def _run(self, settings: PlatformSettings, started: Future[None]) -> None:
        monitoring = settings.monitoring.model_copy(update={"scheduler": True})
        settings = settings.model_copy(update={"monitoring": monitoring})
        try:
            async with AsyncExitStack() as stack:
                client = open_client(settings.jobs, lambda: make_store(settings.jobs))
                await stack.enter_async_context(client)
                await stack.enter_async_context(open_scheduling(settings))
                started.set_result(None)
                await asyncio.to_thread(self._over.wait)
        except BaseException as error:  # whatever it is, who started this must hear of it
            if started.done():
                raise
            started.set_exception(error)


def _load_settings() -> PlatformSettings:
    from ..settings import Settings  # noqa: PLC0415  # read when it is called, not at import

    return Settings()
