# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Delivery by Amazon SES, version 2 of its API, over HTTP.

SES writes a Message-ID of its own, so ours arrives as X-Entity-Ref-ID.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson

from ..clients.http import HttpClient
from ..core.mail_settings import MailSettings
from . import _http
from .delivery import BeforeHandOver, Receipt
from .errors import PermanentMailError
from .sigv4 import Credentials, signed_headers

if TYPE_CHECKING:
    import httpx2
    from pydantic import SecretStr

    from .mime import Envelope

__all__ = ["SesDelivery"]

# Kinds of 400 that go away by themselves: rates and daily quotas.
_TEMPORARY = frozenset(
    {"TooManyRequestsException", "LimitExceededException", "ThrottlingException"}
)


class SesDelivery:
    """See `Delivery`.

    Args:
        settings: The section `mail`.
        http: The client to call it with; not closed here.
        clock: Returns the time, for signatures.
    """

    name = "ses"

    def __init__(
        self,
        settings: MailSettings,
        http: HttpClient,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._settings = settings
        self._http = http
        self._clock = clock
        self._region = settings.ses_region or ""
        self._endpoint = (settings.ses_url or f"https://email.{self._region}.amazonaws.com").rstrip(
            "/"
        )
        self._credentials = Credentials(
            _plain(settings.ses_access_key_id),
            _plain(settings.ses_secret_access_key),
            _plain(settings.ses_session_token),
        )

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """See `Delivery.deliver`."""
        if envelope.needs_utf8:
            raise PermanentMailError("SES takes no address with UTF-8 before the at sign")
        request: dict[str, object] = {
            "FromEmailAddress": envelope.sender.address,
            "Destination": {"ToAddresses": list(envelope.recipients)},
            "Content": {"Raw": {"Data": base64.b64encode(envelope.content).decode()}},
            "FeedbackForwardingEmailAddress": envelope.bounce_address,
        }
        if self._settings.ses_configuration_set:
            request["ConfigurationSetName"] = self._settings.ses_configuration_set
        await before_hand_over()
        response = await self._call("POST", "/v2/email/outbound-emails", orjson.dumps(request))
        _refuse(response)
        try:
            sent = orjson.loads(response.content)
            return Receipt(str(sent["MessageId"])[:200])
        except (ValueError, KeyError, TypeError):
            return Receipt()  # taken all the same: that is what the status says

    async def check(self) -> None:
        """See `Delivery.check`."""
        _refuse(await self._call("GET", "/v2/email/account", b""))

    async def aclose(self) -> None:
        """See `Delivery.aclose`."""

    async def _call(self, method: str, path: str, body: bytes) -> httpx2.Response:
        url = self._endpoint + path
        headers = signed_headers(
            method,
            url,
            body,
            credentials=self._credentials,
            region=self._region,
            service="ses",
            now=self._clock(),
            headers={"content-type": "application/json"},
        )
        return await _http.call(
            self._http,
            method,
            url,
            headers=headers,
            timeout_s=self._settings.timeout_s,
            content=body,
        )


def _refuse(response: httpx2.Response) -> None:
    """Raise what an answer other than success stands for."""
    kind = response.headers.get("x-amzn-errortype", "").partition(":")[0]
    if not kind.isalnum():
        kind = ""
    _http.refuse(response, kind, retried=kind in _TEMPORARY)


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""
