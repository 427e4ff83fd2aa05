# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who runs the service is told when something breaks: once for each outage, and when it is over."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..core.mail_settings import MailSettings
from ..utils.logging import get_logger
from .errors import MailError
from .ledger import digest
from .message import Email
from .records import MemoryRecords, RecordStore, RecordsUnavailableError
from .service import EmailService

if TYPE_CHECKING:
    from ..clients.http import HttpClient

__all__ = ["AdminNotifier", "Notice"]

_PREFIX = "outage:"
_TTL_S = 90 * 86_400.0
_LEASE_S = 180.0  # longer than both channels take
_MAX_KEY = 200
Channel = Literal["mail", "webhook"]


@dataclass(frozen=True, slots=True)
class Notice:
    """What became of something to tell.

    Attributes:
        told: Whether the admins were told now.
        channel: How.
    """

    told: bool
    channel: Channel | None = None


class AdminNotifier:
    """Tells the admins by e-mail, and over a webhook when mail is what failed or is not set up.

    An outage is named by a key, such as `dead-letter:send_invoice`. What was told is written down
    where all workers see it and where it survives their restart.

    No method raises: whoever has something to report has trouble enough. What could not be told is
    logged, and tried again at the next call.

    Args:
        settings: The section `mail`.
        mail: Sends the e-mail.
        records: Where open outages are kept.
        http: Calls the webhook; None without one.
        app_name: Named in every message.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        settings: MailSettings,
        mail: EmailService,
        records: RecordStore,
        http: HttpClient | None,
        *,
        app_name: str = "Service",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._mail = mail
        self._records = records
        self._http = http
        self._app_name = app_name
        self._clock = clock
        # When the records can't be used, once for this process is the best there is.
        self._memory = MemoryRecords(clock=clock)
        self._log = get_logger("mail")

    async def notify(self, key: str, subject: str, text: str) -> Notice:
        """Tell the admins of an outage, unless they know.

        Args:
            key: Names the outage; those that begin with `mail` go over the webhook at once.
            subject: One line.
            text: The rest; plain text, without secrets.
        """
        return await self._once(key, ("told", "recovering"), "telling", "told", subject, text)

    async def recovered(self, key: str, subject: str = "", text: str = "") -> Notice:
        """Tell the admins that an outage is over, if they were told of it."""
        subject = subject or f"Recovered: {key}"
        return await self._once(key, ("", "telling"), "recovering", "", subject, text)

    async def open_outages(self) -> frozenset[str]:
        """Return the keys of the outages that the admins know of."""
        found = set()
        try:
            for place in await self._records.keys(_PREFIX):
                found.add(_load(await self._records.read(place)).get("key", ""))
        except RecordsUnavailableError as error:
            self._log.warning("admin_records_unavailable", reason=str(error))
        return frozenset(found - {""})

    async def _once(
        self, key: str, settled: tuple[str, ...], doing: str, done: str, subject: str, text: str
    ) -> Notice:
        """Tell something and go from one state to another, unless somebody else did or does."""
        try:
            return await self._step(self._records, key, settled, doing, done, subject, text)
        except RecordsUnavailableError as error:
            self._log.warning("admin_records_unavailable", reason=str(error))
            return await self._step(self._memory, key, settled, doing, done, subject, text)

    async def _step(
        self,
        records: RecordStore,
        key: str,
        settled: tuple[str, ...],
        doing: str,
        done: str,
        subject: str,
        text: str,
    ) -> Notice:
        place, now = _PREFIX + digest(key), self._clock()
        before = await records.read(place)
        known = _load(before)
        state, until = known.get("state", ""), float(known.get("until", "0"))
        if state in settled and (state in {"", "told"} or until > now):
            return Notice(told=False)
        if state == doing and until > now:
            return Notice(told=False)
        since = known.get("since", repr(now))
        claim = _dump(key, doing, since, now + _LEASE_S)
        if not await records.swap(place, before, claim, _TTL_S):
            return Notice(told=False)
        channel = await self._tell(f"{doing}:{key}:{since}", key, subject, text)
        if channel is None:
            self._log.error("admins_not_told", outage=key[:_MAX_KEY], subject=subject[:200])
            await records.swap(place, claim, before, _TTL_S)
            return Notice(told=False)
        after = _dump(key, done, since, 0.0) if done else None
        await records.swap(place, claim, after, _TTL_S)
        self._log.info("admins_told", outage=key[:_MAX_KEY], channel=channel, state=done or "over")
        return Notice(told=True, channel=channel)

    async def _tell(self, once: str, key: str, subject: str, text: str) -> Channel | None:
        """Tell it on the first channel that works, and return which that was."""
        subject = f"[{self._app_name}] {' '.join(subject.split())}"[:300]
        by_mail = self._settings.admins and self._mail.is_configured
        if by_mail and not key.startswith("mail") and await self._by_mail(once, subject, text):
            return "mail"
        if await self._by_webhook(subject, text):
            return "webhook"
        return None

    async def _by_mail(self, once: str, subject: str, text: str) -> bool:
        email = Email(
            recipients=self._settings.admins,
            subject=subject,
            text=text,
            headers={"Auto-Submitted": "auto-generated"},
            idempotency_key=f"admins:{digest(once)}",
        )
        try:
            await self._mail.send(self._mail.compose("message", email, heading=subject, body=text))
        except MailError:
            return False  # the mail service has said why in the log
        return True

    async def _by_webhook(self, subject: str, text: str) -> bool:
        url = self._settings.admin_webhook_url
        if self._http is None or url is None:
            return False
        from ..clients.errors import HttpClientError  # noqa: PLC0415  # beside the client's own

        body = {"text": f"*{_slack(subject)}*\n{_slack(text)[:3_000]}"}
        try:
            response = await self._http.post(
                url.get_secret_value(), json=body, follow_redirects=False
            )
        except HttpClientError:
            return False  # the client has said why in the log, without the secret path
        if response.status_code >= 300:
            self._log.warning("admin_webhook_refused", status=response.status_code)
        return response.status_code < 300


def _dump(key: str, state: str, since: str, until: float) -> str:
    values = {"key": key, "state": state, "since": since, "until": repr(until)}
    return json.dumps(values | {"token": uuid.uuid4().hex})


def _load(text: str | None) -> dict[str, str]:
    return json.loads(text) if text else {}


def _slack(text: str) -> str:
    """Return text that Slack shows as it is: no links, no mention of everybody."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
