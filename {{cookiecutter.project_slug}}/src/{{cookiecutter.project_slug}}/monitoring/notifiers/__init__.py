# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Notifiers: who is told, each with failures of its own."""

from .base import Notification, Notifier
from .email import EmailNotifier
from .log import LogNotifier
from .webhooks import SlackNotifier, TeamsNotifier, WebhookNotifier

__all__ = [
    "EmailNotifier",
    "LogNotifier",
    "Notification",
    "Notifier",
    "SlackNotifier",
    "TeamsNotifier",
    "WebhookNotifier",
]
