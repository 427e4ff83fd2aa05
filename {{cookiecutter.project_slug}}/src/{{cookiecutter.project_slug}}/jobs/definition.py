# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tasks: typed async functions that a worker calls.

    @task(queue="reports", retries=5, unique="report:{order_id}")
    async def report(ctx: TaskContext, order_id: UUID) -> int: ...

    job_id = await report.enqueue(order_id)
    job_id = await report.options(delay_s=60).enqueue(order_id)

Nothing here connects anywhere, so tasks can be imported by every process.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar, cast, overload

from .active import active_client
from .errors import InvalidArgumentsError, UnknownTaskError
from .identifiers import new_job_id
from .records import NewJob, Priority
from .serialisation import TaskTypes, dump_arguments

if TYPE_CHECKING:
    from .context import TaskContext

P = ParamSpec("P")
R = TypeVar("R")

Unique = str | Callable[..., str]
"""A pattern over the arguments by name, `"report:{order_id}"`, or a function of them."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,127}")
_QUEUE = re.compile(r"[a-z0-9][a-z0-9_-]{0,47}")
_MODULES = (".worker", ".tasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskSettings:
    """How jobs of a task are treated; see `task` for each."""

    name: str
    queue: str
    retries: int
    timeout_s: float
    priority: Priority
    unique: Unique | None
    result_ttl_s: float
    backoff_s: float
    max_backoff_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What is different about one job; None leaves what its task says.

    Attributes:
        queue: Where it waits.
        delay_s: Seconds before it may start.
        job_id: Its id: a second job with it is not enqueued while the first is kept.
        idempotency_key: Names the effect. Jobs of one task with the same key are one job while it
            is kept, and the task finds the key in its context.
        unique: While a job with this key is not finished, another is not enqueued.
        priority: See `Priority`.
        retries: Attempts after the first.
        timeout_s: Seconds that an attempt may take.
        result_ttl_s: Seconds that its result is kept.
        session: The `AsyncSession` of a database transaction: the job exists when it commits, and
            only then.
    """

    queue: str | None = None
    delay_s: float = 0.0
    job_id: str | None = None
    idempotency_key: str | None = None
    unique: str | None = None
    priority: Priority | None = None
    retries: int | None = None
    timeout_s: float | None = None
    result_ttl_s: float | None = None
    session: object | None = None


_PLAIN = JobOptions()


class Task(Generic[P, R]):
    """A function that a worker calls; tests call it themselves, with a context of their own.

    Attributes:
        settings: How its jobs are treated.
        types: Its arguments and its result, for validation.
    """

    def __init__(
        self, function: Callable[Concatenate[TaskContext, P], Awaitable[R]], settings: TaskSettings
    ) -> None:
        self.function = function
        self.settings = settings
        self.types = TaskTypes(function)
        self.__doc__ = function.__doc__
        self.__name__ = settings.name
        self.__module__ = function.__module__
        self.__wrapped__ = function  # where tools look for its signature

    def __repr__(self) -> str:
        return f"<task {self.settings.name}>"

    @property
    def name(self) -> str:
        """Its name, by which jobs find it."""
        return self.settings.name

    async def __call__(self, ctx: TaskContext, *args: P.args, **kwargs: P.kwargs) -> R:
        """Run it here and now, without a queue."""
        return await self.function(ctx, *args, **kwargs)

    def options(
        self,
        *,
        queue: str | None = None,
        delay_s: float = 0.0,
        job_id: str | None = None,
        idempotency_key: str | None = None,
        unique: str | None = None,
        priority: Priority | None = None,
        retries: int | None = None,
        timeout_s: float | None = None,
        result_ttl_s: float | None = None,
        session: object | None = None,
    ) -> BoundTask[P, R]:
        """Return the task with other options for one job; see `JobOptions`."""
        options = JobOptions(
            queue=queue,
            delay_s=delay_s,
            job_id=job_id,
            idempotency_key=idempotency_key,
            unique=unique,
            priority=priority,
            retries=retries,
            timeout_s=timeout_s,
            result_ttl_s=result_ttl_s,
            session=session,
        )
        return BoundTask(self, options)

    @overload
    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> str: ...
    @overload
    async def enqueue(self, *args: object, session: object, **kwargs: object) -> str: ...
    async def enqueue(self, *args: Any, session: object | None = None, **kwargs: Any) -> str:
        """Enqueue a job and return its id.

        Args:
            args: What the task takes after its context.
            session: See `JobOptions`.
            kwargs: The same, by name.

        Raises:
            InvalidArgumentsError: When the arguments don't fit the task's signature.
            JobsUnavailableError: When nothing could be enqueued.
        """
        options = replace(_PLAIN, session=session) if session is not None else _PLAIN
        return await active_client().enqueue(self, args, kwargs, options)

    async def result(self, job_id: str, *, timeout_s: float = 30.0) -> R:
        """Wait for a job of this task and return its result.

        Raises:
            JobFailedError: When it failed or was cancelled.
            JobNotFoundError: When there is none with this id.
            TimeoutError: When it takes longer.
        """
        stored = await active_client().result(job_id, timeout_s=timeout_s)
        return cast("R", self.types.load_result(stored))

    def new_job(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], options: JobOptions = _PLAIN
    ) -> NewJob:
        """Return what is enqueued for some arguments.

        Raises:
            InvalidArgumentsError: When they don't fit the task's signature.
        """
        settings = self.settings
        try:
            bound = self.types.bind(args, kwargs)
        except TypeError as error:
            raise InvalidArgumentsError(f"{settings.name}: {error}") from None
        retries = settings.retries if options.retries is None else options.retries
        key = options.idempotency_key or ""
        job_id = options.job_id or (job_id_of(settings.name, key) if key else new_job_id())
        return NewJob(
            id=job_id,
            task=settings.name,
            queue=checked_queue(options.queue or settings.queue),
            payload=dump_arguments(args, kwargs),
            priority=settings.priority if options.priority is None else options.priority,
            delay_s=max(0.0, options.delay_s),
            max_attempts=retries + 1,
            timeout_s=settings.timeout_s if options.timeout_s is None else options.timeout_s,
            unique=self._unique(options.unique, bound),
            result_ttl_s=(
                settings.result_ttl_s if options.result_ttl_s is None else options.result_ttl_s
            ),
            idempotency_key=key or job_id,
        )

    def _unique(self, given: str | None, bound: dict[str, Any]) -> str:
        """Return the job's unique key; each task has its own."""
        pattern = self.settings.unique if given is None else given
        if not pattern:
            return ""
        try:
            key = pattern.format(**bound) if isinstance(pattern, str) else pattern(**bound)
        except (AttributeError, LookupError, TypeError) as error:
            raise InvalidArgumentsError(
                f"{self.settings.name}: its unique key can't be made of these arguments: {error}"
            ) from error
        return f"{self.settings.name}:{key}"


class BoundTask(Generic[P, R]):
    """A task with options for one job."""

    def __init__(self, task: Task[P, R], options: JobOptions) -> None:
        self.task = task
        self.job_options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Enqueue a job and return its id; errors as for `Task.enqueue`."""
        return await active_client().enqueue(self.task, args, kwargs, self.job_options)


class TaskRegistry:
    """Tasks by their names."""

    def __init__(self) -> None:
        self._tasks: dict[str, Task[..., Any]] = {}
        self._loaded = False

    def add(self, new: Task[..., Any]) -> None:
        """Add a task.

        Raises:
            ValueError: When another function has its name.
        """
        known = self._tasks.get(new.name)
        if known is not None and _place(known) != _place(new):
            raise ValueError(f"two tasks are called {new.name}: give one another name=...")
        self._tasks[new.name] = new

    def find(self, name: str) -> Task[..., Any]:
        """Return a task.

        Raises:
            UnknownTaskError: When there is none with this name.
        """
        known = self._tasks.get(name)
        if known is None and not self._loaded:
            self.load()
            known = self._tasks.get(name)
        if known is None:
            raise UnknownTaskError(f"there is no task {name}; jobs/tasks.py imports all tasks")
        return known

    def load(self) -> None:
        """Import the modules that hold the platform's and the project's tasks."""
        self._loaded = True
        for module in _MODULES:
            importlib.import_module(module, __package__)

    def check(self) -> None:
        """Find a wrong annotation of any task now, not with its first job.

        Raises:
            TypeError: When arguments or a result have a type that can't be stored.
            NameError: When an annotation names what is not there.
        """
        for one in self:
            one.types.check()

    def queues(self) -> list[str]:
        """Return the queues of all tasks, in the order of their names."""
        self.load()
        return sorted({one.settings.queue for one in self._tasks.values()} | {"default"})

    def __iter__(self) -> Iterator[Task[..., Any]]:
        self.load()
        return iter(list(self._tasks.values()))


TASKS = TaskRegistry()
"""Every task of this program."""


def task(
    *,
    name: str | None = None,
    queue: str = "default",
    retries: int = 3,
    timeout_s: float = 300.0,
    priority: Priority = 0,
    unique: Unique | None = None,
    result_ttl_s: float = 86_400.0,
    backoff_s: float = 1.0,
    max_backoff_s: float = 600.0,
) -> Callable[[Callable[Concatenate[TaskContext, P], Awaitable[R]]], Task[P, R]]:
    """Make an async function a task.

    Args:
        name: By which jobs find it, for as long as there are any; by default the function's.
        queue: Where its jobs wait.
        retries: Attempts after the first that failed; a `PermanentError` is not retried.
        timeout_s: Seconds that an attempt may take before it is cancelled, which counts as a failure.
        priority: 1 before 0 before -1, within the queue.
        unique: While a job with the same key is not finished, another is not enqueued.
        result_ttl_s: Seconds that the result, and the record of the success, is kept.
        backoff_s: Seconds before the first retry; each further one waits twice as long, and all
            between half and the whole of it at random.
        max_backoff_s: Seconds that a retry waits at most.

    Raises:
        ValueError: For a name that is taken, or a value that can't work.
    """

    def decorate(function: Callable[Concatenate[TaskContext, P], Awaitable[R]]) -> Task[P, R]:
        if not inspect.iscoroutinefunction(function):
            raise ValueError("a task is an async function: write async def")
        chosen = name or str(getattr(function, "__name__", ""))
        if not _NAME.fullmatch(chosen):
            raise ValueError(f"{chosen!r}: a task's name has letters, digits, dots, - and _")
        if retries < 0 or timeout_s <= 0 or result_ttl_s < 0 or backoff_s < 0:
            raise ValueError(f"{chosen}: numbers of a task are positive")
        settings = TaskSettings(
            name=chosen,
            queue=checked_queue(queue),
            retries=retries,
            timeout_s=timeout_s,
            priority=priority,
            unique=unique,
            result_ttl_s=result_ttl_s,
            backoff_s=backoff_s,
            max_backoff_s=max_backoff_s,
        )
        made: Task[P, R] = Task(function, settings)
        TASKS.add(made)
        return made

    return decorate


def checked_queue(name: str) -> str:
    """Return a queue's name.

    Raises:
        ValueError: When it is none.
    """
    if not _QUEUE.fullmatch(name):
        raise ValueError(f"{name!r} is no queue: use lower-case letters, digits, - and _")
    return name


def job_id_of(task_name: str, idempotency_key: str) -> str:
    """Return the id of the job of a task that has an idempotency key; always the same."""
    return hashlib.sha256(f"{task_name}\x00{idempotency_key}".encode()).hexdigest()[:32]


def _place(known: Task[..., Any]) -> tuple[str, str]:
    return known.function.__module__, getattr(known.function, "__qualname__", known.name)
