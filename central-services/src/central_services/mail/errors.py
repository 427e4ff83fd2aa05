# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Why a message was not sent. Importing this module imports no mail library."""

from __future__ import annotations

__all__ = [
    "DeliveryInDoubtError",
    "InvalidEmailError",
    "MailConfigurationError",
    "MailError",
    "PermanentMailError",
    "TransientMailError",
]


class MailError(Exception):
    """Base of what sending a message raises; its text holds no secret, address or body.

    Attributes:
        reason: What went wrong.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TransientMailError(MailError):
    """The message may go through later: a timeout, a lost connection, SMTP 4xx, HTTP 429 or 5xx.

    Attributes:
        retry_after_s: Seconds that the other side asks to wait, None where it does not say.
        in_doubt: Whether the message may have been taken all the same: it was handed over, and
            the answer to that was lost.
    """

    def __init__(
        self, reason: str, *, retry_after_s: float | None = None, in_doubt: bool = False
    ) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s
        self.in_doubt = in_doubt


class PermanentMailError(MailError):
    """The message will never go through as it is: SMTP 5xx, HTTP 4xx. Don't send it again."""


class InvalidEmailError(PermanentMailError):
    """The message can't be written: an address, a header or its size is wrong."""


class MailConfigurationError(PermanentMailError):
    """No message at all can be sent before somebody changes the configuration."""


class DeliveryInDoubtError(PermanentMailError):
    """An earlier attempt may have gone through, and MAIL__WHEN_IN_DOUBT says to leave it at that."""
