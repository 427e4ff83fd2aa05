# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Work in the background: tasks, jobs, and what a task may rely on."""

from .client import enqueue_task
from .context import TaskContext, provide
from .definition import task
from .errors import PermanentError
from .records import Job, JobState

__all__ = [
    "Job",
    "JobState",
    "PermanentError",
    "TaskContext",
    "enqueue_task",
    "provide",
    "task",
]
