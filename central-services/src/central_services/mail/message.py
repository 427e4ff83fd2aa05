# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a message is, as its author writes it and as it was sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from .addresses import UNPRINTABLE, Mailbox
from .errors import InvalidEmailError

MAX_KEY = 512
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,62}/[a-z0-9][a-z0-9.+-]{0,62}\Z")
_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}\Z")
_CONTENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}\Z")
_OURS = frozenset(
    [
        "from",
        "sender",
        "to",
        "cc",
        "bcc",
        "reply-to",
        "subject",
        "date",
        "message-id",
        "return-path",
        "received",
        "mime-version",
        "list-unsubscribe",
        "list-unsubscribe-post",
        "x-entity-ref-id",
        "dkim-signature",
    ]
)
MAX_HEADER_VALUE = 900  # with its name, within the 998 characters of a line (RFC 5322, 2.1.1)


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with a message.

    Attributes:
        filename: Its name, without folders.
        content: What is in it.
        media_type: Its type, as in `application/pdf`.
        content_id: Makes it a picture inside the HTML, where `<img src="cid:logo">` shows it.
    """

    filename: str
    content: bytes
    media_type: str = "application/octet-stream"
    content_id: str | None = None

    def __post_init__(self) -> None:
        """Refuse what would not stay inside its header."""
        name = self.filename
        if not 0 < len(name) <= 200 or UNPRINTABLE.search(name) or set(name) & set('/\\"'):
            raise InvalidEmailError("an attachment's name is empty, too long or has a / in it")
        if not _MEDIA_TYPE.match(self.media_type):
            raise InvalidEmailError("an attachment's media type is not like application/pdf")
        if self.content_id is not None and not _CONTENT_ID.match(self.content_id):
            raise InvalidEmailError("an attachment's content id has other than letters and digits")


@dataclass(frozen=True, slots=True, kw_only=True)
class Email:
    """A message to send.

    Attributes:
        recipients: Who it is to: `ann@example.com` or `Ann <ann@example.com>`; all see all.
        subject: One line.
        text: Body for those who read text; derived from the HTML when it is None.
        html: Body as HTML; none, for a message of text only. Whatever users wrote in it must have
            been through `MailTemplates` or `sanitise`.
        cc: Who sees it too.
        bcc: Who sees it without the others knowing.
        sender: From; by default MAIL__SENDER.
        reply_to: Where answers go; by default MAIL__REPLY_TO.
        bounce_address: Envelope sender; by default MAIL__BOUNCE_ADDRESS.
        attachments: Files.
        headers: More headers; those that the service writes itself are refused.
        idempotency_key: Names this message: it is sent once, however often it is asked for, and
            its Message-ID follows from the key. None sends each time.
        unsubscribe_url: https URL of List-Unsubscribe (RFC 2369).
        unsubscribe_mailto: Address of List-Unsubscribe.
        unsubscribe_one_click: Whether that URL takes the POST of RFC 8058.
    """

    recipients: tuple[str, ...]
    subject: str
    text: str | None = field(default=None, repr=False)
    html: str | None = field(default=None, repr=False)
    cc: tuple[str, ...] = ()
    bcc: tuple[str, ...] = ()
    sender: str | None = None
    reply_to: str | None = None
    bounce_address: str | None = None
    attachments: tuple[Attachment, ...] = field(default=(), repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    idempotency_key: str | None = None
    unsubscribe_url: str | None = field(default=None, repr=False)
    unsubscribe_mailto: str | None = None
    unsubscribe_one_click: bool = True

    def __post_init__(self) -> None:
        """Refuse what can't be a message.

        Raises:
            InvalidEmailError: Saying what is wrong, without repeating it.
        """
        if isinstance(self.recipients, str) or not self.recipients:
            raise InvalidEmailError("recipients is a tuple of one address or more")
        _check_line("the subject", self.subject)
        for name, value in self.headers.items():
            if not _HEADER_NAME.match(name) or name.lower().startswith("content-"):
                raise InvalidEmailError("a header has a name that no header may have")
            if name.lower() in _OURS:
                raise InvalidEmailError(f"the header {name} is written by the mail service")
            _check_line(f"the header {name}", value)
        key = self.idempotency_key
        if key is not None and not 0 < len(key) <= MAX_KEY:
            raise InvalidEmailError(f"an idempotency key has 1 to {MAX_KEY} characters")
        self._check_unsubscribe()

    def _check_unsubscribe(self) -> None:
        url = self.unsubscribe_url
        if url is None:
            return
        _check_line("the unsubscribe URL", url)
        if not url.startswith("https://") or set(url) & set(' <>,"') or not url.isascii():
            raise InvalidEmailError("the unsubscribe URL is not an https URL (RFC 8058)")

    def everybody(self) -> tuple[str, ...]:
        """Return the addresses of the envelope, each once, in order.

        Raises:
            InvalidEmailError: When one of them is not an address.
        """
        every = (*self.recipients, *self.cc, *self.bcc)
        return tuple(dict.fromkeys(Mailbox.parse(text).address for text in every))


def _check_line(what: str, value: str) -> None:
    if UNPRINTABLE.search(value):
        raise InvalidEmailError(f"{what} has a line break or another control character")
    if len(value) > MAX_HEADER_VALUE:
        raise InvalidEmailError(f"{what} is longer than {MAX_HEADER_VALUE} characters")


@dataclass(frozen=True, slots=True)
class SentEmail:
    """A message that a server has taken.

    Attributes:
        message_id: Its Message-ID, with angle brackets; the same for the same idempotency key.
        delivery: The strategy that sent it.
        accepted: How many recipients the server took it for, over all attempts.
        refused: How many it refused for good.
        provider_id: What the server calls it, where it says so.
        repeated: Whether it had been sent before, so that nothing was sent now.
        maybe_duplicate: Whether an earlier attempt's answer was lost, so that it may arrive twice.
    """

    message_id: str
    delivery: str
    accepted: int
    refused: int = 0
    provider_id: str = ""
    repeated: bool = False
    maybe_duplicate: bool = False
