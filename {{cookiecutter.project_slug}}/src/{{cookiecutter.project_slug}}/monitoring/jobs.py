# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduled tasks as background jobs: what workers run, and open."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from ..jobs import TaskContext, task
from .errors import TaskNotFoundError
from .results import run_id_of
from .schemas import MonitoringTask
from .service import MonitoringService

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

QUEUE = "monitoring"
_KEPT_S = 3 * 86_400.0  # longer than a run may be late, so that its id is known


class Scheduling:
    """What a worker opens to schedule; nothing is asked of it."""


# A run that is late must not overtake the one that still goes on: one job per task at a time.
@task(queue=QUEUE, retries=2, timeout_s=900.0, unique="{task_id}", result_ttl_s=_KEPT_S)
async def run_scheduled_task(ctx: TaskContext, task_id: str, scheduled_for: datetime) -> str:
    """Run a scheduled task and return how it went; the same run is not looked at twice."""
    service = ctx.resource(MonitoringService)
    run_id = run_id_of(task_id, scheduled_for)
    try:
        run = await service.run(task_id, scheduled_for=scheduled_for, run_id=run_id)
    except TaskNotFoundError:
        return "deleted"
    return "inactive" if run is None else run.outcome.value


async def enqueue_run(task: MonitoringTask, due: datetime) -> str:
    """Enqueue a run; the same run once, whoever does it."""
    bound = run_scheduled_task.options(job_id=run_id_of(task.id, due))
    return await bound.enqueue(task.id, due)


@asynccontextmanager
async def open_service(settings: PlatformSettings) -> AsyncGenerator[MonitoringService]:
    """Open the service for tasks."""
    from .composition import open_monitoring  # imports the HTTP library  # noqa: PLC0415  # only workers open it

    async with open_monitoring(settings) as opened:
        yield opened


@asynccontextmanager
async def open_scheduling(settings: PlatformSettings) -> AsyncGenerator[Scheduling]:
    """Schedule in this worker, where the settings say so."""
    if not settings.monitoring.scheduler:
        yield Scheduling()
        return
    from ..mail.composition import open_admins  # as above  # noqa: PLC0415  # only workers open it
    from .composition import open_monitoring  # as above  # noqa: PLC0415  # only workers open it
    from .scheduler import MonitoringScheduler  # imports APScheduler  # noqa: PLC0415  # only workers open it

    async with (
        open_monitoring(settings) as service,
        open_admins(settings) as admins,
        MonitoringScheduler(service, enqueue_run, admins).running(),
    ):
        yield Scheduling()
