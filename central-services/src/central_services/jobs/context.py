# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a task knows about the job that it runs for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..utils.logging import get_logger
from .records import Progress

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

T = TypeVar("T")
Opener = Callable[["PlatformSettings"], AbstractAsyncContextManager[Any]]

_PROVIDERS: dict[type[Any], Opener] = {}


async def _nobody(_progress: Progress) -> None:
    """Take progress when no store is there to keep it, as in a test."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContext:
    """The job that a task runs for.

    Attributes:
        settings: The service's settings.
        job_id: The job's id.
        task_name: The task's name.
        queue: The queue it came from.
        attempt: Which attempt this is, from 1.
        max_attempts: How many there are.
        idempotency_key: The same in every attempt: hand it to whoever has the effect.
        log: A logger that knows the job and the request that enqueued it.
        resources: What the worker opened for tasks, by type.
        report: Takes progress.
    """

    settings: PlatformSettings
    job_id: str = "test"
    task_name: str = "test"
    queue: str = "default"
    attempt: int = 1
    max_attempts: int = 1
    idempotency_key: str = "test"
    log: Any = field(default_factory=lambda: get_logger("jobs"), repr=False)
    resources: Mapping[type[Any], object] = field(default_factory=dict, repr=False)
    report: Callable[[Progress], Awaitable[None]] = field(default=_nobody, repr=False)

    @property
    def is_last_attempt(self) -> bool:
        """Whether a failure now makes the job a dead letter."""
        return self.attempt >= self.max_attempts

    async def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far the job is, for people to see; the newest is kept."""
        await self.report(Progress(done, total, note[:200]))

    def resource(self, kind: type[T]) -> T:
        """Return what the worker opened for tasks, such as `ctx.resource(HttpClient)`.

        Raises:
            LookupError: When nothing provides it: see `provide`.
        """
        try:
            return cast("T", self.resources[kind])
        except KeyError:
            raise LookupError(
                f"no {kind.__name__} in the worker: register it with provide() in jobs/tasks.py"
            ) from None


def provide(kind: type[T], opener: Callable[[PlatformSettings], Any]) -> None:
    """Let workers open something at their start, for tasks to use, and close it at their end.

    Args:
        kind: The type by which tasks ask for it.
        opener: Gets the settings and returns an async context manager that yields it.
    """
    _PROVIDERS[kind] = opener


def providers() -> Mapping[type[Any], Opener]:
    """Return what is opened when a worker starts, in the order of registration."""
    return dict(_PROVIDERS)
