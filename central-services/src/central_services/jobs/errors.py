# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What can go wrong with jobs."""

from __future__ import annotations

from ..core.errors import ServiceError


class JobError(ServiceError):
    """Base of the errors of jobs."""


class JobsUnavailableError(JobError):
    """The job store can't be reached, is closed, or can't write; nothing was enqueued."""

    status = 503
    title = "Job queue unavailable"


class JobNotFoundError(JobError):
    """There is no job with this id, or its retention is over."""

    status = 404
    title = "Job not found"


class JobStateError(JobError):
    """The job's state does not allow what was asked for."""

    status = 409
    title = "Job state conflict"


class UnknownTaskError(JobError):
    """No task is registered under this name; import its module from `jobs/tasks.py`."""

    title = "Unknown task"


class InvalidArgumentsError(JobError):
    """The arguments don't fit the task's signature, or can't be written as JSON."""

    title = "Invalid task arguments"


class JobFailedError(JobError):
    """The job whose result was asked for failed, or was cancelled."""

    title = "Job failed"


class PermanentError(Exception):
    """Raise it in a task for what no retry can mend: the job goes to the dead letters at once."""
