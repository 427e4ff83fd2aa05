# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduling: each task's next run is waited for, and enqueued once however many schedulers wait.

APScheduler waits, and makes one run of several that were slept through. Three things make it right
with several schedulers and with restarts: the times come from the schedule alone, the job's id
follows from the task and the time, and the time of the next run is written down after the job is
enqueued, where all schedulers see it. Whoever dies in between is followed by another who enqueues
the same id, which the job store takes once.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.base import (  # type: ignore[import-untyped]  # ships no types
    BaseExecutor,
)
from apscheduler.schedulers.asyncio import (  # type: ignore[import-untyped]  # ships no types
    AsyncIOScheduler,
)
from apscheduler.triggers.base import (  # type: ignore[import-untyped]  # ships no types
    BaseTrigger,
)
from apscheduler.triggers.interval import (  # type: ignore[import-untyped]  # ships no types
    IntervalTrigger,
)

from ..utils.logging import get_logger
from .errors import InvalidTaskError, MonitoringError, TaskNotFoundError
from .presets import utc_now
from .schedule import Schedule
from .schemas import MonitoringTask
from .service import Admins, MonitoringService

SYNC_S = 5
"""Seconds after which a change of the tasks is noticed."""
_SYNC = ":sync"  # no task has this id
_UNREADABLE = "monitoring-presets"

Enqueue = Callable[[MonitoringTask, datetime], Awaitable[object]]

log = get_logger("monitoring")


class _ScheduleTrigger(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """The times of a schedule, as APScheduler asks for them."""

    def __init__(self, schedule: Schedule, grace_s: float) -> None:
        self._schedule = schedule
        self._grace = timedelta(seconds=grace_s)

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """Return the next time; of what was slept through, only what may still run."""
        oldest = now.astimezone(UTC) - self._grace
        after = max(previous_fire_time or oldest, oldest)
        return self._schedule.next_after(after)


class _Executor(BaseExecutor):  # type: ignore[misc]  # as above
    """Hands each run to a coroutine, with the time that it was due."""

    def __init__(self, fire: Callable[[str, datetime], Awaitable[None]]) -> None:
        super().__init__()
        self._fire = fire
        self.running: set[asyncio.Task[None]] = set()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:  # as above  # noqa: ANN401  # APScheduler ships no types
        async def run() -> None:
            try:
                await self._fire(job.id, run_times[-1].astimezone(UTC))
            finally:
                self._run_job_success(job.id, [])

        task = asyncio.get_running_loop().create_task(run())
        self.running.add(task)
        task.add_done_callback(self.running.discard)


class MonitoringScheduler:
    """Enqueues tasks when they are due.

    Args:
        service: Knows the tasks.
        enqueue: Enqueues a run under an id that follows from its arguments.
        admins: Told when the tasks can't be read.
        clock: Returns the time, aware and in UTC.
    """

    def __init__(
        self,
        service: MonitoringService,
        enqueue: Enqueue,
        admins: Admins,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._service = service
        self._enqueue = enqueue
        self._admins = admins
        self._clock = clock
        self._known: dict[str, tuple[object, ...]] = {}
        self._executor = _Executor(self._fire)
        self._unreadable = False
        self.waiting: Any = AsyncIOScheduler(
            timezone=UTC,
            executors={"default": self._executor},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
        )

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[MonitoringScheduler]:
        """Schedule for as long as the block lasts."""
        await self.sync()
        self.waiting.add_job(_nothing, IntervalTrigger(seconds=SYNC_S, timezone=UTC), id=_SYNC)
        self.waiting.start()
        log.info("monitoring_scheduler_started", tasks=len(self._known))
        try:
            yield self
        finally:
            self.waiting.shutdown(wait=False)
            await self.settled()

    async def settled(self) -> None:
        """Wait for what is being enqueued."""
        while self._executor.running:
            await asyncio.wait(set(self._executor.running))

    async def sync(self) -> None:
        """Bring what is waited for in line with the tasks as they are now."""
        try:
            tasks, broken = await self._service.presets.all()
        except MonitoringError as error:
            log.warning("monitoring_presets_unreadable", reason=str(error))
            self._unreadable = True
            await self._admins.notify(_UNREADABLE, "Scheduled tasks can't be read", str(error))
            return
        if self._unreadable:
            self._unreadable = False
            await self._admins.recovered(_UNREADABLE, "Scheduled tasks can be read again")
        for preset in broken:
            if preset.active:
                with contextlib.suppress(TaskNotFoundError):
                    await self._service.deactivate_broken(preset.id, "; ".join(preset.problems))
        active = {task.id: task for task in tasks if task.active}
        for task_id in self._known.keys() - active.keys():
            self._forget(task_id)
        for task in active.values():
            self._wait_for(task)

    def _wait_for(self, task: MonitoringTask) -> None:
        """Wait for a task's next run, unless that is done already."""
        # A deleted task may have come back under its id.
        state = (task.created, task.schedule, task.misfire_grace_s)
        if self._known.get(task.id) == state:
            return
        due = task.next_run or task.schedule.next_after(self._clock())
        trigger = _ScheduleTrigger(task.schedule, task.misfire_grace_s)
        self.waiting.add_job(
            _nothing, trigger, id=task.id, next_run_time=due, replace_existing=True
        )
        self._known[task.id] = state

    def _forget(self, task_id: str) -> None:
        self._known.pop(task_id, None)
        if self.waiting.get_job(task_id) is not None:
            self.waiting.remove_job(task_id)

    async def _fire(self, job_id: str, due: datetime) -> None:
        """Do what a time that came is for."""
        if job_id == _SYNC:
            await self.sync()
            return
        try:
            await self._dispatch(job_id, due)
        except (TaskNotFoundError, InvalidTaskError):
            self._known.pop(job_id, None)  # the next look at the tasks deals with it
        except Exception:  # whatever the job store raises, this run is tried again
            log.exception("monitoring_not_enqueued", task_id=job_id, due=due)
            self._known.pop(job_id, None)  # waited for again from what is written down

    async def _dispatch(self, task_id: str, due: datetime) -> None:
        presets = self._service.presets
        task = await presets.get(task_id)
        if not task.active:
            self._known.pop(task_id, None)
            return
        if (self._clock() - due).total_seconds() > task.misfire_grace_s:
            await self._service.missed(task_id, due)
        else:
            await self._enqueue(task, due)

        def advance(now: MonitoringTask) -> dict[str, object]:
            if now.next_run is None or now.next_run > due or now.schedule != task.schedule:
                return {}  # another scheduler was faster, or somebody changed it
            return {"next_run": task.schedule.next_after(max(due, self._oldest(task)))}

        await presets.record(task_id, advance)

    def _oldest(self, task: MonitoringTask) -> datetime:
        return self._clock() - timedelta(seconds=task.misfire_grace_s)


def _nothing() -> None:
    """Stand in for a job's function: `_Executor` knows what to do by the job's id."""
