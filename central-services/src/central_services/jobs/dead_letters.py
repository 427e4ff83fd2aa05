# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Dead letters: who is told when a job has failed for good."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..utils.logging import get_logger

log = get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A job that failed for good.

    Attributes:
        job_id: Its id, for `jobs show` and `jobs replay`.
        task: Its task.
        queue: Its queue.
        attempt: How often it was tried.
        error: What the last attempt raised.
    """

    job_id: str
    task: str
    queue: str
    attempt: int
    error: str


Resources = Mapping[type[Any], object]
Listener = Callable[[DeadLetter, Resources], Awaitable[None]]

_LISTENERS: list[Listener] = []


def on_dead_letter(listener: Listener) -> Listener:
    """Register an async function that workers call with each dead letter; usable as a decorator.

    It also gets what the worker opened for tasks (see `provide`). What it raises is logged. A worker
    that dies in between calls nobody: the readiness check counts dead letters, too.
    """
    if listener not in _LISTENERS:
        _LISTENERS.append(listener)
    return listener


async def announce(letter: DeadLetter, resources: Resources) -> None:
    """Write a dead letter to the log and call everybody who listens."""
    log.error(
        "job_dead",
        job_id=letter.job_id,
        task=letter.task,
        queue=letter.queue,
        attempt=letter.attempt,
        error=letter.error.splitlines()[-1] if letter.error else "",
    )
    for listener in _LISTENERS:
        try:
            await listener(letter, resources)
        except Exception:  # one that fails must stop neither others nor the worker
            log.exception("dead_letter_listener_failed", listener=repr(listener))
