# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Notifications in the service's log; every task has them."""

from __future__ import annotations

from ...utils.logging import get_logger
from ..schemas import MonitoringTask
from .base import Notification


class LogNotifier:
    """Writes a line."""

    name = "log"

    def applies(self, task: MonitoringTask) -> bool:
        """Always."""
        del task
        return True

    async def notify(self, notification: Notification) -> None:
        """Write it; nothing can go wrong."""
        get_logger("monitoring").info(
            "monitoring_notification",
            task_id=notification.task.id,
            outcome=notification.run.outcome.value,
            summary=notification.run.summary,
        )
