# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a notifier is, and the notification that it tells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from ..schemas import MonitoringTask, Outcome, RunRecord

_WORDS = {
    Outcome.OK: "OK",
    Outcome.ALERT: "Alert",
    Outcome.ERROR: "Error",
    Outcome.MISSED: "Missed",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Notification:
    """Something to tell about a task.

    Attributes:
        key: Names it; the same at every attempt, so that nobody is told twice.
        app_name: The service.
        task: The task.
        run: The run that it tells of.
    """

    key: str
    app_name: str
    task: MonitoringTask
    run: RunRecord

    @property
    def headline(self) -> str:
        """One line: how it went, and what."""
        return f"{_WORDS[self.run.outcome]}: {self.task.name}"


class Notifier(Protocol):
    """Observes tasks and tells people, or programs.

    `notify` returns when the other side has taken the notification. It raises
    `TransientNotifierError` when that may work in a moment, and is then called again with the same
    key; `PermanentNotifierError` when it will not. Errors of one notifier never reach another.
    """

    name: str

    def applies(self, task: MonitoringTask) -> bool:
        """Whether it has anything to do for a task."""
        ...

    async def notify(self, notification: Notification) -> None:
        """Tell it."""
        ...
