# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Why scheduled tasks can't be kept, run or told about; each says what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ..core.errors import ServiceError


class MonitoringError(ServiceError):
    """Base of this package's errors."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Scheduled task failed"


class TaskNotFoundError(MonitoringError):
    """There is no task with this id."""

    status = 404
    title = "Scheduled task not found"


class TaskExistsError(MonitoringError):
    """Another task has this id."""

    status = 409
    title = "Scheduled task exists"


class TaskChangedError(MonitoringError):
    """Somebody else changed the task since it was read; nothing was written."""

    status = 409
    title = "Scheduled task changed meanwhile"


class InvalidTaskError(MonitoringError):
    """A task can't be kept as it is.

    Attributes:
        problems: What is wrong, a sentence each, led by the field.
    """

    status = 422
    title = "Scheduled task invalid"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


class PresetsUnreadableError(MonitoringError):
    """What keeps the tasks can't be read or written; nothing was changed."""

    status = 503
    title = "Scheduled tasks unavailable"


class ScheduleError(ValueError):
    """A schedule can't be used; the text says why."""


class CheckError(Exception):
    """Base of what a check raises when it could not find out what it is to find out.

    What it found, good or bad, it returns: an endpoint that is down is a result, not an error.
    """


class TransientCheckError(CheckError):
    """It may work in a moment: a timeout, a lost connection, a server that is too busy."""


class PermanentCheckError(CheckError):
    """It fails again however often it is tried: refused credentials, a query that is wrong."""


class BrokenTaskError(CheckError):
    """The task can never run as it is: its check is gone, or its parameters no longer fit."""


class NotifierError(Exception):
    """Base of what a notifier raises; the text holds no secret."""


class TransientNotifierError(NotifierError):
    """The channel may work in a moment."""


class PermanentNotifierError(NotifierError):
    """The channel refuses this notification, or is not set up."""
