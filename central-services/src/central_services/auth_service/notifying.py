"""What users are told, and how: by mail for now; the notification service takes this over later."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

from ..mail import Email, EmailService

Kind = Literal["register", "reset", "verify", "account_exists", "password_changed"]

_SUBJECTS: dict[Kind, str] = {
    "register": "Your new account",
    "reset": "Choose a new password",
    "verify": "Confirm your e-mail address",
    "account_exists": "You have an account already",
    "password_changed": "Your password was changed",
}
_BODIES: dict[Kind, str] = {
    "register": """Somebody, probably you, asked for an account with this address. Choose a password here,
within {minutes} minutes:

{link}

If it was not you, do nothing: nobody can log in.""",
    "reset": """Somebody, probably you, asked for a new password. Choose it here, within {minutes} minutes:

{link}

If it was not you, do nothing: your password stays as it is.""",
    "verify": """Confirm that this address is yours, within {minutes} minutes:

{link}

If you asked for nothing, do nothing.""",
    "account_exists": """Somebody, probably you, wanted to register with this address, which has an account.
Log in as always, or choose another password here, within {minutes} minutes:

{link}""",
    "password_changed": """Your password was changed, and you were logged out everywhere. If it was not you,
choose another one at once:

{link}""",
}


@dataclass(frozen=True, slots=True)
class Message:
    """Something to tell a user.

    Attributes:
        kind: What it is about.
        email: Whom to tell.
        name: Their name.
        link: Where to go; it holds a secret.
        minutes: How long the link works.
    """

    kind: Kind
    email: str
    name: str
    link: str = field(repr=False)
    minutes: int = 0


class Notifier(Protocol):
    """Tells users something.

    `notify` returns once the message is on its way; with a key that it knows it does nothing. It
    raises a `MailError`: a transient one when trying again may help.
    """

    @property
    def is_configured(self) -> bool:
        """Whether there is a way for messages to leave."""
        ...

    async def notify(self, message: Message, key: str, /) -> None:
        """Tell a user something, once for a key."""
        ...


@dataclass(frozen=True, slots=True)
class MailNotifier:
    """Tells users by mail, as text: nothing in it that a mail program would have to fetch.

    Attributes:
        mail: The mail service.
    """

    mail: EmailService

    @property
    def is_configured(self) -> bool:
        """Whether mail is set up."""
        return self.mail.is_configured

    async def notify(self, message: Message, key: str, /) -> None:
        """See `Notifier.notify`."""
        text = _BODIES[message.kind].format(link=message.link, minutes=message.minutes)
        text = f"Hello {message.name},\n\n{text}\n"
        await self.mail.send(
            Email(
                recipients=(message.email,),
                subject=_SUBJECTS[message.kind],
                text=text,
                idempotency_key=f"auth:{key}",
            )
        )
