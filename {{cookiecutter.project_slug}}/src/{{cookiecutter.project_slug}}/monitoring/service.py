# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Runs tasks, compares what they find, and has it told; knows neither files nor servers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from uuid import uuid4

import stamina
from pydantic import ValidationError

from ..clients.errors import HttpClientError
from ..utils.logging import get_logger
from .errors import (
    BrokenTaskError,
    CheckError,
    InvalidTaskError,
    NotifierError,
    TaskNotFoundError,
    TransientNotifierError,
)
from .notifiers.base import Notification, Notifier
from .presets import PresetsManager, utc_now
from .results import failure, findings, is_transient, run_id_of
from .schemas import MonitoringTask, Outcome, PendingNotice, RunRecord, TaskStatus

if TYPE_CHECKING:
    from ..core.monitoring_settings import MonitoringSettings
    from .checks.base import CheckContext, CheckRegistry, CheckResult

MAX_PENDING = 20
"""Notices of a task that wait for a channel; of more, the oldest are dropped, with a warning."""
_STATUS = {
    Outcome.OK: TaskStatus.OK,
    Outcome.ALERT: TaskStatus.ALERT,
    Outcome.ERROR: TaskStatus.ERROR,
}

log = get_logger("monitoring")


class Admins(Protocol):
    """Tells those who run the service, once for each outage; `mail.AdminNotifier` is one."""

    async def notify(self, key: str, subject: str, text: str) -> object:
        """Tell of an outage, unless they know."""
        ...

    async def recovered(self, key: str, subject: str = "", text: str = "") -> object:
        """Tell that it is over, if they knew."""
        ...


class MonitoringService:
    """Carries out tasks.

    A run looks, compares with what was told last, and puts what is to be told behind what still
    waits. Then each channel gets what it has not told yet, in order; what fails waits for the next
    run. What was told is written down only then, so nothing that changed goes untold.

    Args:
        presets: The tasks.
        checks: What they can look at.
        context: What checks may use.
        notifiers: Who is told.
        admins: Who is told when a task itself does not work.
        settings: The section `monitoring`.
        app_name: The service, named in what is told.
        clock: Returns the time, aware and in UTC.
    """

    def __init__(
        self,
        presets: PresetsManager,
        checks: CheckRegistry,
        context: CheckContext,
        notifiers: Sequence[Notifier],
        admins: Admins,
        settings: MonitoringSettings,
        *,
        app_name: str = "Service",
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.presets = presets
        self.checks = checks
        self.notifiers = {notifier.name: notifier for notifier in notifiers}
        self._context = context
        self._admins = admins
        self._settings = settings
        self._app_name = app_name
        self._clock = clock

    async def run(
        self, task_id: str, *, scheduled_for: datetime | None = None, run_id: str = ""
    ) -> RunRecord | None:
        """Run a task now and return what came out; None when it was deactivated meanwhile.

        Args:
            task_id: The task.
            scheduled_for: When it was due; None when somebody asks for it, which runs it even when
                it is not active.
            run_id: Names the run: a second call with it does not look again, it only has told what
                the first could not.

        Raises:
            TaskNotFoundError: When there is no such task.
            InvalidTaskError: When it can't be read; it is deactivated then, and the admins know.
        """
        try:
            task = await self.presets.get(task_id)
        except InvalidTaskError as error:
            await self.deactivate_broken(task_id, "; ".join(error.problems))
            raise
        if scheduled_for is not None and not task.active:
            return None
        run_id = run_id or f"manual-{uuid4().hex}"
        run = await self.presets.store.run(task_id, run_id)
        if run is None:
            run = await self._look(task, run_id, scheduled_for)
            task = await self.presets.record(task_id, partial(self._noted, run), run)
        told, undelivered = await self._tell(task)
        await self._settle(task, run, told, undelivered)
        return run.model_copy(update={"told": tuple(told.get(run.run_id, run.told))})

    async def deactivate_broken(self, task_id: str, problem: str) -> None:
        """Deactivate a task that can't run as it is, and tell the admins."""
        log.error("monitoring_task_broken", task_id=task_id, problem=problem)
        await self._admins.notify(
            f"monitoring-broken:{task_id}:{problem}"[:200],
            f"The scheduled task {task_id} was deactivated",
            f"It can't run as it is: {problem}\n\nChange it with `tasks edit {task_id}`, then"
            f" `tasks activate {task_id}`.",
        )
        await self.presets.set_active(task_id, active=False, by="the service", reason=problem)

    async def missed(self, task_id: str, scheduled_for: datetime) -> None:
        """Write down that the time of a run was over before it could start."""
        run_id = run_id_of(task_id, scheduled_for)
        if await self.presets.store.run(task_id, run_id) is not None:
            return  # it was carried out, and whoever did so could not write down the next
        log.warning("monitoring_run_missed", task_id=task_id, scheduled_for=scheduled_for)
        run = RunRecord(
            task_id=task_id,
            run_id=run_id,
            scheduled_for=scheduled_for,
            started=self._clock(),
            outcome=Outcome.MISSED,
            summary="its time was over before it could start",
        )
        await self.presets.record(task_id, lambda _: {}, run)

    # --- looking ----------------------------------------------------------------------------------

    async def _look(
        self, task: MonitoringTask, run_id: str, scheduled_for: datetime | None
    ) -> RunRecord:
        """Carry out a task's check; whatever happens, there is a record of it."""
        started, began = self._clock(), time.perf_counter()
        found: dict[str, Any]
        try:
            async with asyncio.timeout(self._settings.check_timeout_s):
                found = findings(await self._checked(task))
        except BrokenTaskError as error:
            await self.deactivate_broken(task.id, str(error))
            found = failure(str(error))
        except TimeoutError:
            found = failure(f"it took longer than {self._settings.check_timeout_s:g} s")
        except (CheckError, HttpClientError) as error:
            found = failure(str(error))
        except Exception as error:  # a project's check may raise anything; the run goes on record
            log.exception("monitoring_check_raised", task_id=task.id, check=task.check)
            found = failure(f"the check raised {type(error).__name__}")
        run = RunRecord(
            task_id=task.id,
            run_id=run_id,
            scheduled_for=scheduled_for,
            started=started,
            duration_ms=round((time.perf_counter() - began) * 1000, 1),
            **found,
        )
        log.info(
            "monitoring_run",
            task_id=task.id,
            outcome=run.outcome.value,
            duration_ms=run.duration_ms,
            summary=run.summary,
        )
        return run

    async def _checked(self, task: MonitoringTask) -> CheckResult:
        """Run a task's check, again when that may help."""
        try:
            strategy = self.checks.find(task.check)
            parameters = self.checks.read(task.check, task.parameters)
        except ValidationError as error:
            raise BrokenTaskError(f"its parameters no longer fit: {error.error_count()}") from error
        async for attempt in self._attempts(is_transient):
            with attempt:
                result: CheckResult = await strategy.run(parameters, self._context)
        return result

    def _attempts(self, on: Callable[[Exception], bool]) -> Any:  # stamina's private type  # noqa: ANN401  # stamina's type is private
        return stamina.retry_context(
            on=on,
            attempts=self._settings.attempts,
            timeout=None,
            wait_initial=self._settings.backoff_s,
            wait_max=max(30.0, self._settings.backoff_s),
            wait_jitter=self._settings.backoff_s,
        )

    # --- comparing --------------------------------------------------------------------------------

    def _noted(self, run: RunRecord, task: MonitoringTask) -> Mapping[str, object]:
        """Return what a run changes of its task, what is to be told included."""
        update: dict[str, object] = {
            "last_run": run.started,
            "status": _STATUS[run.outcome],
            "problem": run.summary if run.outcome is Outcome.ERROR else "",
        }
        if task.status is TaskStatus.BROKEN:  # it was deactivated for what this run met
            update |= {"status": TaskStatus.BROKEN, "problem": task.problem}
        elif task.status is TaskStatus.FAILING:  # until it is known that all went well
            update["status"] = TaskStatus.FAILING
        if not self._settings.notifications or not self._is_news(run, task):
            return update
        channels = tuple(n.name for n in self._channels(task))
        if not channels:
            return update | {"last_hash": run.hash or task.last_hash}
        notice = PendingNotice(
            number=task.notices + 1, run_id=run.run_id, hash=run.hash, channels=channels
        )
        pending = (*task.pending, notice)
        if len(pending) > MAX_PENDING:
            log.warning("monitoring_notices_dropped", task_id=task.id)
        return update | {"notices": notice.number, "pending": pending[-MAX_PENDING:]}

    @staticmethod
    def _is_news(run: RunRecord, task: MonitoringTask) -> bool:
        if task.notify_condition == "always":
            return True
        if task.notify_condition == "on_failure":
            return run.outcome in {Outcome.ALERT, Outcome.ERROR}
        known = task.pending[-1].hash if task.pending else task.last_hash
        return run.outcome is not Outcome.ERROR and run.hash != known

    def _channels(self, task: MonitoringTask) -> list[Notifier]:
        return [
            notifier
            for name, notifier in self.notifiers.items()
            if (task.channels is None or name in task.channels) and notifier.applies(task)
        ]

    # --- telling ----------------------------------------------------------------------------------

    async def _tell(self, task: MonitoringTask) -> tuple[dict[str, list[str]], dict[str, str]]:
        """Let each channel tell what it has not told yet, in order.

        Returns:
            The channels that told each run, and the reason of each channel that could not.
        """
        told: dict[str, list[str]] = {}
        failed: dict[str, str] = {}
        if not self._settings.notifications:
            return told, failed
        for notice in task.pending:
            run = await self.presets.store.run(task.id, notice.run_id)
            for name in notice.channels:
                if name in failed:
                    continue  # what comes later must not be told before
                problem = "" if run is None else await self._tell_one(task, notice, run, name)
                if problem:
                    failed[name] = problem
                else:
                    told.setdefault(notice.run_id, []).append(name)
        return told, failed

    async def _tell_one(
        self, task: MonitoringTask, notice: PendingNotice, run: RunRecord, name: str
    ) -> str:
        """Let one channel tell one notice; return why it could not, or an empty string."""
        notifier = self.notifiers.get(name)
        if notifier is None:  # it is no longer set up
            return ""
        notification = Notification(
            key=task.message_key(notice), app_name=self._app_name, task=task, run=run
        )
        try:
            async for attempt in self._attempts(lambda e: isinstance(e, TransientNotifierError)):
                with attempt:
                    await notifier.notify(notification)
        except NotifierError as error:
            problem = str(error)
        except Exception as error:  # one channel's mistake must not stop the others
            log.exception("monitoring_notifier_raised", task_id=task.id, channel=name)
            problem = f"it raised {type(error).__name__}"
        else:
            return ""
        log.warning("monitoring_not_told", task_id=task.id, channel=name, reason=problem)
        return problem or "it failed"

    async def _settle(
        self,
        task: MonitoringTask,
        run: RunRecord,
        told: Mapping[str, Sequence[str]],
        undelivered: Mapping[str, str],
    ) -> None:
        """Write down what was told, and whether the task works; tell the admins of a change."""
        problem = "; ".join(f"{name}: {reason}" for name, reason in undelivered.items())
        if run.outcome is Outcome.ERROR:
            problem = f"{run.summary}; {problem}" if problem else run.summary
        failures = task.failures + 1 if problem else 0
        failing = failures >= self._settings.failures_before_alarm
        if failing and task.status is not TaskStatus.BROKEN:
            await self._admins.notify(
                f"monitoring:{task.id}",
                f"The scheduled task {task.name} fails",
                f"{failures} runs in a row did not go through. The last one: {problem}",
            )
        elif task.status is TaskStatus.FAILING and not problem:
            await self._admins.recovered(
                f"monitoring:{task.id}", f"The scheduled task {task.name} works again", run.summary
            )

        def update(now: MonitoringTask) -> Mapping[str, object]:
            return self._settled(now, run, told, failing=failing, problem=problem)

        runs = [] if run.run_id not in told else [
            run.model_copy(update={"told": tuple(dict.fromkeys((*run.told, *told[run.run_id])))})
        ]  # fmt: skip
        try:
            await self.presets.record(task.id, update, *runs)
        except (TaskNotFoundError, InvalidTaskError):
            log.warning("monitoring_task_gone", task_id=task.id)

    @staticmethod
    def _settled(
        task: MonitoringTask,
        run: RunRecord,
        told: Mapping[str, Sequence[str]],
        *,
        failing: bool,
        problem: str,
    ) -> Mapping[str, object]:
        """Return the fields of a task after its notices were told, or not."""
        pending, last_hash = [], task.last_hash
        for notice in task.pending:
            left = tuple(n for n in notice.channels if n not in told.get(notice.run_id, ()))
            if left:
                pending.append(notice.model_copy(update={"channels": left}))
            elif not pending:
                last_hash = notice.hash or last_hash
        update: dict[str, object] = {
            "pending": tuple(pending),
            "last_hash": last_hash,
            "failures": task.failures + 1 if problem else 0,
        }
        if task.status is TaskStatus.BROKEN:
            return update
        status = _STATUS[run.outcome]
        if problem:
            status = TaskStatus.FAILING if failing else TaskStatus.ERROR
        return update | {"status": status, "problem": problem}
