# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""From an `Email` to the bytes of RFC 5322 that go over the wire."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from email import policy
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime

from .addresses import Mailbox
from .errors import InvalidEmailError
from .message import Email
from .text import text_of_html

# 7bit: what arrives is what was signed, whatever servers lie between (RFC 6376, 5.3).
_POLICY = policy.SMTP.clone(cte_type="7bit")
_FIELD = re.compile(rb"^([A-Za-z0-9-]+):", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Envelope:
    """A message as deliveries take it.

    Attributes:
        email: What its author wrote.
        sender: From.
        reply_to: Reply-To.
        bounce_address: Who is told of bounces (MAIL FROM).
        recipients: Who it still has to reach (RCPT TO).
        message_id: Its Message-ID, with angle brackets.
        reference: The same for the same idempotency key; providers that write a Message-ID of
            their own pass it on, as X-Entity-Ref-ID.
        text: Its text body, derived where the author gave none.
        content: All of it, as bytes with CRLF line ends.
        needs_utf8: Whether only servers with SMTPUTF8 (RFC 6531) can take it.
    """

    email: Email
    sender: Mailbox
    reply_to: Mailbox | None
    bounce_address: str
    recipients: tuple[str, ...]
    message_id: str
    reference: str
    text: str
    content: bytes
    needs_utf8: bool


def reference_of(key: str) -> str:
    """Return what stands for an idempotency key in a Message-ID; the key can't be read from it."""
    return hashlib.sha256(f"message-id:{key}".encode()).hexdigest()[:40]


def envelope_of(
    email: Email,
    *,
    sender: Mailbox,
    reply_to: str | None,
    bounce_address: str | None,
    recipients: tuple[str, ...],
    reference: str,
    now: datetime,
) -> Envelope:
    """Return a message, written.

    Args:
        email: The message.
        sender: From.
        reply_to: Where answers go; None leaves that to the sender's address.
        bounce_address: Where bounces go; by default to the sender.
        recipients: The addresses it is for, each once.
        reference: What its Message-ID is made of.
        now: Aware time, for its Date.

    Raises:
        InvalidEmailError: When it can't be written.
    """
    if email.text is None and email.html is None:
        raise InvalidEmailError("a message needs a text or an HTML body")
    text = email.text if email.text is not None else text_of_html(email.html or "")
    answers = Mailbox.parse(reply_to) if reply_to else None
    bounces = Mailbox.parse(bounce_address).address if bounce_address else sender.address
    to, cc = ([Mailbox.parse(a) for a in group] for group in (email.recipients, email.cc))
    shown = [sender, *to, *cc, *([answers] if answers else [])]
    utf8 = not all(a.isascii() for a in (bounces, *recipients, *(box.address for box in shown)))
    message = EmailMessage(policy=_POLICY.clone(utf8=True) if utf8 else _POLICY)
    message_id = f"<{reference}@{sender.domain}>"
    fields: dict[str, object] = {
        "From": _shown(sender),
        "To": [_shown(box) for box in to],
        "Cc": [_shown(box) for box in cc],
        "Reply-To": _shown(answers) if answers else None,
        "Subject": email.subject,
        "Date": format_datetime(now),
        "Message-ID": message_id,
        "X-Entity-Ref-ID": reference,
        **unsubscribe_headers(email),
        **email.headers,
    }
    for name, value in fields.items():
        if value or name == "Subject":
            message[name] = value
    content = _finished(message, email, text)
    return Envelope(
        email, sender, answers, bounces, recipients, message_id, reference, text, content, utf8
    )


def unsubscribe_headers(email: Email) -> dict[str, str]:
    """Return List-Unsubscribe and, with a URL that takes it, List-Unsubscribe-Post (RFC 8058)."""
    targets = []
    if email.unsubscribe_url:
        targets.append(f"<{email.unsubscribe_url}>")
    if email.unsubscribe_mailto:
        targets.append(f"<mailto:{Mailbox.parse(email.unsubscribe_mailto).address}>")
    headers = {"List-Unsubscribe": ", ".join(targets)} if targets else {}
    if email.unsubscribe_url and email.unsubscribe_one_click:
        headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return headers


def _shown(box: Mailbox) -> Address:
    local, _, domain = box.address.rpartition("@")
    return Address(display_name=box.name, username=local, domain=domain)


def _add_bodies(message: EmailMessage, email: Email, text: str) -> None:
    """Add text, HTML with its pictures, and files."""
    message.set_content(text, cte="quoted-printable")
    files = list(email.attachments)
    if email.html is not None:
        message.add_alternative(email.html, subtype="html", cte="quoted-printable")
        *_, page = message.iter_parts()
        for file in [f for f in files if f.content_id]:
            main, _, sub = file.media_type.partition("/")
            page.add_related(
                file.content,
                main,
                sub,
                filename=file.filename,
                cid=f"<{file.content_id}>",
                disposition="inline",
            )
            files.remove(file)
    for file in files:
        main, _, sub = file.media_type.partition("/")
        message.add_attachment(file.content, main, sub, filename=file.filename)


def _finished(message: EmailMessage, email: Email, text: str) -> bytes:
    """Return a message with its bodies, as bytes, its headers looked at once more.

    The library's folding has let line breaks through before (CVE-2024-6923).
    """
    expected = [name.lower() for name in message]
    _add_bodies(message, email, text)
    try:
        content = message.as_bytes()
    except (ValueError, UnicodeError, MessageError) as error:
        raise InvalidEmailError(f"it can't be written: {type(error).__name__}") from None
    head = content.partition(b"\r\n\r\n")[0].replace(b"\r\n ", b" ").replace(b"\r\n\t", b" ")
    found = [name.decode("ascii").lower() for name in _FIELD.findall(head)]
    structure = {"mime-version", "content-type", "content-transfer-encoding"}
    if [n for n in found if n not in structure] != [n for n in expected if n not in structure]:
        raise InvalidEmailError("the message's headers would not be what they should be")
    if b"\r" in head.replace(b"\r\n", b"") or b"\n" in head.replace(b"\r\n", b""):
        raise InvalidEmailError("a header of the message has a line break in it")
    return content
