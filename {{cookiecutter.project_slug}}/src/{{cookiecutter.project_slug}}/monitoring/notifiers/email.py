# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Notifications by e-mail: HTML and text, from templates that escape everything."""

from __future__ import annotations

from pathlib import Path

from ...mail import Email, EmailService, MailError, TransientMailError
from ..errors import PermanentNotifierError, TransientNotifierError
from ..schemas import MonitoringTask, Outcome
from .base import Notification

_FOLDER = Path(__file__).resolve().parent.parent / "templates"
_COLORS = {Outcome.OK: "#1a7f37", Outcome.ALERT: "#b35900", Outcome.ERROR: "#b3261e"}


class EmailNotifier:
    """Sends one message to a task's recipients.

    Args:
        mail: Sends it, once for each key.
    """

    name = "email"

    def __init__(self, mail: EmailService) -> None:
        self._mail = mail

    def applies(self, task: MonitoringTask) -> bool:
        """Whether the task has recipients."""
        return bool(task.recipients)

    async def notify(self, notification: Notification) -> None:
        """Send it, with a Message-ID that follows from the key."""
        try:
            await self._mail.send(compose(notification))
        except TransientMailError as error:
            raise TransientNotifierError(error.reason) from error
        except MailError as error:
            raise PermanentNotifierError(error.reason) from error


def compose(notification: Notification) -> Email:
    """Return the message of a notification."""
    from ...mail.rendering import MailTemplates  # imports Jinja, for mail alone  # noqa: PLC0415  # imports Jinja, for mail alone

    task, run = notification.task, notification.run
    templates = MailTemplates([_FOLDER], values={"app_name": notification.app_name})
    subject = f"[{notification.app_name}] {notification.headline}"[:200]
    html, text = templates.render(
        "monitoring",
        subject=subject,
        preheader=run.summary,
        heading=notification.headline,
        color=_COLORS.get(run.outcome, "#656a73"),
        task=task,
        run=run,
        columns=list(dict.fromkeys(name for row in run.rows for name in row)),
    )
    return Email(
        recipients=task.recipients,
        subject=subject,
        html=html,
        text=text,
        headers={"Auto-Submitted": "auto-generated"},
        idempotency_key=notification.key,
    )
