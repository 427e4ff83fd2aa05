# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one source of truth about scheduled tasks, for the commands, the page and the scheduler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import ValidationError

from ..core.config import ENV_PREFIX
from .errors import (
    InvalidTaskError,
    ScheduleError,
    TaskChangedError,
    TaskExistsError,
    TaskNotFoundError,
)
from .schemas import (
    DEFINITION,
    BrokenPreset,
    Change,
    MonitoringTask,
    RunRecord,
    TaskStatus,
    definition,
    differences,
)
from .store import Document, Draft, PresetsStore

if TYPE_CHECKING:
    from ..core.monitoring_settings import MonitoringSettings

Clock = Callable[[], datetime]


class ParameterRules(Protocol):
    """What knows the parameters of checks."""

    def problems(self, check: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return what is wrong with a check's parameters, or with its name; a sentence each."""
        ...


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


class PresetsManager:
    """Reads and writes tasks; everything that does so goes through it.

    A change sees the task as it is at that moment, while nobody else can change it: no change is
    lost, whoever makes it. What is written is valid, or nothing is written.

    Args:
        store: What keeps them.
        rules: What knows the parameters of checks.
        settings: The section `monitoring`.
        clock: Returns the time, aware and in UTC.
    """

    def __init__(
        self,
        store: PresetsStore,
        rules: ParameterRules,
        settings: MonitoringSettings,
        *,
        clock: Clock = utc_now,
    ) -> None:
        self.store = store
        self._rules = rules
        self._settings = settings
        self._clock = clock

    async def all(self) -> tuple[list[MonitoringTask], list[BrokenPreset]]:
        """Return the tasks, and those that can't be read, both in the order of their ids.

        Raises:
            PresetsUnreadableError: When what keeps them can't be read.
        """
        tasks: list[MonitoringTask] = []
        broken: list[BrokenPreset] = []
        for _, document in sorted((await self.store.read()).items()):
            read = self._read(document)
            if isinstance(read, BrokenPreset):
                broken.append(read)
            else:
                tasks.append(read)
        return tasks, broken

    async def get(self, task_id: str) -> MonitoringTask:
        """Return a task.

        Raises:
            TaskNotFoundError: When there is none with this id.
            InvalidTaskError: When it can't be read.
            PresetsUnreadableError: When what keeps them can't be read.
        """
        document = (await self.store.read()).get(task_id)
        return self._task(task_id, document)

    def check(self, given: Mapping[str, Any]) -> MonitoringTask:
        """Return a task made of what somebody wrote, without keeping it.

        Raises:
            InvalidTaskError: Naming each field that is wrong, and why.
        """
        unknown = sorted(given.keys() - DEFINITION - {"id"})
        if unknown:
            raise InvalidTaskError([f"{name}: there is no such field" for name in unknown])
        try:
            task = MonitoringTask.model_validate(given)
        except ValidationError as error:
            raise InvalidTaskError(problems_of(error)) from None
        problems = [*self._problems(task)]
        if problems:
            raise InvalidTaskError(problems)
        return task

    async def add(self, given: Mapping[str, Any], *, by: str = "") -> MonitoringTask:
        """Keep a new task and return it.

        Raises:
            InvalidTaskError: As for `check`; also when there are too many tasks.
            TaskExistsError: When another has its id.
        """
        task = self.check(given)
        now = self._clock()
        task = task.model_copy(update={"created": now, "next_run": self._next(task, now)})
        limit = self._settings.max_tasks

        def work(draft: Draft) -> MonitoringTask:
            if task.id in draft.tasks:
                raise TaskExistsError(f"There is a task {task.id} already: give the new one an id.")
            if draft.count >= limit:
                name = f"{ENV_PREFIX}MONITORING__MAX_TASKS"
                raise InvalidTaskError([f"there are {limit} tasks already; {name} allows no more"])
            draft.tasks[task.id] = task.model_dump(mode="json")
            after = definition(task)
            draft.changes.append(
                Change(at=now, task_id=task.id, action="added", by=by, after=after)
            )
            return task

        return await self.store.change(work, only=task.id)

    async def edit(
        self,
        task_id: str,
        changes: Mapping[str, Any],
        *,
        by: str = "",
        version: int | None = None,
    ) -> MonitoringTask:
        """Change fields of a task and return it; what its runs have written stays.

        Args:
            task_id: Its id, which can't be changed.
            changes: Fields with their new values.
            by: Who does it.
            version: The version that the change was made for; None for whatever it is.

        Raises:
            InvalidTaskError: As for `check`.
            TaskNotFoundError: When there is none with this id.
            TaskChangedError: When it is at another version.
        """

        def work(draft: Draft) -> MonitoringTask:
            document = draft.tasks.get(task_id)
            if document is None:
                raise _not_found(task_id)
            self._require_version(task_id, document, version)
            before = {name: document[name] for name in DEFINITION & document.keys()}
            return self._write(draft, task_id, document, before | dict(changes), by)

        return await self.store.change(work, only=task_id)

    async def set_active(
        self, task_id: str, *, active: bool, by: str = "", reason: str = ""
    ) -> MonitoringTask | BrokenPreset:
        """Activate or deactivate a task and return it; one that can't be read only the latter.

        Raises:
            InvalidTaskError: When one that can't be read is to be activated.
            TaskNotFoundError: When there is none with this id.
        """
        now = self._clock()

        def work(draft: Draft) -> MonitoringTask | BrokenPreset:
            document = draft.tasks.get(task_id)
            if document is None:
                raise _not_found(task_id)
            read = self._read(document)
            if isinstance(read, BrokenPreset):
                if active:
                    raise InvalidTaskError(read.problems)
                document |= {
                    "active": False, "next_run": None, "status": TaskStatus.BROKEN, "problem": reason
                }  # fmt: skip
            else:
                update: dict[str, Any] = {"active": active, "version": read.version + 1}
                if reason:
                    update |= {"status": TaskStatus.BROKEN, "problem": reason}
                elif active and read.status in {TaskStatus.BROKEN, TaskStatus.FAILING}:
                    update |= {"status": TaskStatus.NEW, "problem": "", "failures": 0}
                read = read.model_copy(update=update)
                read = read.model_copy(update={"next_run": self._next(read, now)})
                draft.tasks[task_id] = read.model_dump(mode="json")
            action = "activated" if active else "deactivated"
            draft.changes.append(
                Change.model_validate(
                    {"at": now, "task_id": task_id, "action": action, "by": by, "reason": reason}
                )
            )
            return read

        return await self.store.change(work, only=task_id)

    async def remove(self, task_id: str, *, by: str = "") -> None:
        """Delete a task; its history stays.

        Raises:
            TaskNotFoundError: When there is none with this id.
        """
        now = self._clock()

        def work(draft: Draft) -> None:
            document = draft.tasks.pop(task_id, None)
            if document is None:
                raise _not_found(task_id)
            before = {name: document[name] for name in DEFINITION & document.keys()}
            draft.changes.append(
                Change(at=now, task_id=task_id, action="removed", by=by, before=before)
            )

        await self.store.change(work, only=task_id)

    async def record(
        self,
        task_id: str,
        update: Callable[[MonitoringTask], Mapping[str, Any]],
        *runs: RunRecord,
    ) -> MonitoringTask:
        """Write what runs have found out about a task, and return it.

        Args:
            task_id: Its id.
            update: Returns the fields to write, from the task as it is at that moment.
            runs: Runs to remember; one with the id of an earlier one takes its place.

        Raises:
            TaskNotFoundError: When somebody has deleted it.
            InvalidTaskError: When it can't be read.
        """

        def work(draft: Draft) -> MonitoringTask:
            task = self._task(task_id, draft.tasks.get(task_id))
            changed = dict(update(task))
            draft.runs.extend(runs)
            if changed:
                task = task.model_copy(update=changed)
                draft.tasks[task_id] = task.model_dump(mode="json")
            return task

        return await self.store.change(work, only=task_id)

    async def runs(self, task_id: str, limit: int = 20) -> list[RunRecord]:
        """Return the newest runs of a task, the newest first."""
        return await self.store.runs(task_id, limit)

    async def changes(self, task_id: str | None = None, limit: int = 20) -> list[Change]:
        """Return the newest changes, of a task or of all, the newest first."""
        return await self.store.changes(task_id, limit)

    def _write(
        self, draft: Draft, task_id: str, document: Document, wanted: dict[str, Any], by: str
    ) -> MonitoringTask:
        """Put a new definition in the place of a task's."""
        task = self.check(wanted | {"id": task_id})
        now = self._clock()
        state = {name: document[name] for name in document.keys() - DEFINITION}
        try:
            old = MonitoringTask.model_validate(document)
            kept = MonitoringTask.model_validate(task.model_dump(mode="json") | state)
        except ValidationError:  # what could not be read is written anew
            old, kept = None, task
        before = {name: document.get(name) for name in DEFINITION}
        was, now_is = differences(before, definition(task))
        update: dict[str, Any] = {"version": (old.version if old else 0) + 1}
        if {"check", "parameters"} & now_is.keys() or old is None:
            # What another check found says nothing about this one.
            update |= {"last_hash": "", "status": TaskStatus.NEW, "problem": "", "failures": 0}
        kept = kept.model_copy(update=update)
        if {"cron", "interval_s", "timezone", "active"} & now_is.keys() or old is None:
            kept = kept.model_copy(update={"next_run": self._next(kept, now)})
        draft.tasks[task_id] = kept.model_dump(mode="json")
        draft.changes.append(
            Change(at=now, task_id=task_id, action="edited", by=by, before=was, after=now_is)
        )
        return kept

    def _next(self, task: MonitoringTask, now: datetime) -> datetime | None:
        return task.schedule.next_after(now) if task.active else None

    def _read(self, document: Document) -> MonitoringTask | BrokenPreset:
        try:
            task = MonitoringTask.model_validate(document)
            problems = self._rules.problems(task.check, task.parameters)
        except ValidationError as error:
            problems = problems_of(error)
        if not problems:
            return task
        return BrokenPreset(
            id=str(document.get("id", "")),
            name=str(document.get("name", "")),
            active=bool(document.get("active", False)),
            problems=tuple(problems),
            document=document,
        )

    def _task(self, task_id: str, document: Document | None) -> MonitoringTask:
        if document is None:
            raise _not_found(task_id)
        read = self._read(document)
        if isinstance(read, BrokenPreset):
            raise InvalidTaskError(read.problems)
        return read

    def _problems(self, task: MonitoringTask) -> list[str]:
        """Return what is wrong with a task beyond the form of its fields."""
        problems = self._rules.problems(task.check, task.parameters)
        least, name = self._settings.min_interval_s, f"{ENV_PREFIX}MONITORING__MIN_INTERVAL_S"
        field = "interval_s" if task.cron is None else "cron"
        try:
            gap = task.schedule.shortest_gap_s(self._clock())
        except ScheduleError as error:
            return [*problems, f"{field}: {error}"]
        if gap < least:
            problems.append(f"{field}: runs would be {gap:g} s apart; {name} asks for {least}")
        return problems

    @staticmethod
    def _require_version(task_id: str, document: Document, version: int | None) -> None:
        if version is not None and document.get("version", 1) != version:
            raise TaskChangedError(
                f"Somebody else changed {task_id} meanwhile: look at it again, then change it."
            )


def problems_of(error: ValidationError) -> list[str]:
    """Return what a model refused, a sentence each, led by the field."""
    found = []
    for item in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(part) for part in item["loc"])
        said = item["msg"].removeprefix("Value error, ")
        found.append(f"{where}: {said}" if where else said)
    return found


def _not_found(task_id: str) -> TaskNotFoundError:
    return TaskNotFoundError(f"There is no task {task_id!r}: see `tasks list`.")
