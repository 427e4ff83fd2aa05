# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Delivery by SendGrid, version 3 of its API, over HTTP.

Bounces go where the domain's return path says at SendGrid; it takes no bounce address per message.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import orjson

from ..clients.http import HttpClient
from ..core.mail_settings import MailSettings
from . import _http
from .addresses import Mailbox
from .delivery import BeforeHandOver, Receipt
from .errors import PermanentMailError
from .mime import unsubscribe_headers

if TYPE_CHECKING:
    import httpx2

    from .message import Attachment
    from .mime import Envelope

__all__ = ["SendGridDelivery"]


class SendGridDelivery:
    """See `Delivery`.

    Args:
        settings: The section `mail`.
        http: The client to call it with; not closed here.
    """

    name = "sendgrid"

    def __init__(self, settings: MailSettings, http: HttpClient) -> None:
        self._settings = settings
        self._http = http
        self._endpoint = settings.sendgrid_url.rstrip("/")
        key = settings.sendgrid_api_key
        self._authorization = f"Bearer {key.get_secret_value() if key else ''}"

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """See `Delivery.deliver`."""
        if envelope.needs_utf8:
            raise PermanentMailError("SendGrid takes no address with UTF-8 before the at sign")
        body = orjson.dumps(_request(envelope))
        await before_hand_over()
        response = await self._call("POST", "/v3/mail/send", body)
        _http.refuse(response, "")
        return Receipt(response.headers.get("x-message-id", "")[:200])

    async def check(self) -> None:
        """See `Delivery.check`."""
        _http.refuse(await self._call("GET", "/v3/scopes", b""), "")

    async def aclose(self) -> None:
        """See `Delivery.aclose`."""

    async def _call(self, method: str, path: str, body: bytes) -> httpx2.Response:
        return await _http.call(
            self._http,
            method,
            self._endpoint + path,
            headers={"authorization": self._authorization, "content-type": "application/json"},
            timeout_s=self._settings.timeout_s,
            content=body,
        )


def _request(envelope: Envelope) -> dict[str, object]:
    """Return a message in SendGrid's own form."""
    email = envelope.email
    content = [{"type": "text/plain", "value": envelope.text}]
    if email.html is not None:
        content.append({"type": "text/html", "value": email.html})
    request: dict[str, object] = {
        "personalizations": [_addressed(envelope)],
        "from": _person(envelope.sender),
        "subject": email.subject,
        "content": content,
        "headers": {
            "Message-ID": envelope.message_id,
            "X-Entity-Ref-ID": envelope.reference,
            **unsubscribe_headers(email),
            **email.headers,
        },
    }
    if envelope.reply_to is not None:
        request["reply_to"] = _person(envelope.reply_to)
    if email.attachments:
        request["attachments"] = [_file(file) for file in email.attachments]
    return request


def _addressed(envelope: Envelope) -> dict[str, object]:
    """Return who it still has to reach, as To, Cc and Bcc; a recipient may appear only once."""
    left = set(envelope.recipients)
    groups: dict[str, object] = {}
    email = envelope.email
    for name, texts in (("to", email.recipients), ("cc", email.cc), ("bcc", email.bcc)):
        boxes = [box for box in map(Mailbox.parse, texts) if box.address in left]
        unique = {box.address: box for box in boxes}
        left -= set(unique)
        if unique:
            groups[name] = [_person(box) for box in unique.values()]
    if "to" not in groups:  # SendGrid insists on one
        groups["to"] = groups.pop("cc", None) or groups.pop("bcc", [])
    return groups


def _person(box: Mailbox) -> dict[str, str]:
    return {"email": box.address, "name": box.name} if box.name else {"email": box.address}


def _file(file: Attachment) -> dict[str, str]:
    found = {
        "content": base64.b64encode(file.content).decode(),
        "filename": file.filename,
        "type": file.media_type,
        "disposition": "inline" if file.content_id else "attachment",
    }
    return found | ({"content_id": file.content_id} if file.content_id else {})
