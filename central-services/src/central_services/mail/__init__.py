# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Messages: written, delivered once, and who is told when something breaks."""

from .admins import AdminNotifier, Notice
from .errors import (
    DeliveryInDoubtError,
    InvalidEmailError,
    MailConfigurationError,
    MailError,
    PermanentMailError,
    TransientMailError,
)
from .message import Attachment, Email, SentEmail
from .service import EmailService

__all__ = [
    "AdminNotifier",
    "Attachment",
    "DeliveryInDoubtError",
    "Email",
    "EmailService",
    "InvalidEmailError",
    "MailConfigurationError",
    "MailError",
    "Notice",
    "PermanentMailError",
    "SentEmail",
    "TransientMailError",
]
