# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one way that messages leave the service."""

from __future__ import annotations

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.mail_settings import MailSettings
from ..utils.logging import get_logger
from .addresses import Mailbox
from .delivery import Delivery, Receipt
from .errors import (
    DeliveryInDoubtError,
    InvalidEmailError,
    MailConfigurationError,
    MailError,
    PermanentMailError,
    TransientMailError,
)
from .ledger import Entry, SentLedger, digest, fingerprint_of
from .message import Email, SentEmail
from .records import RecordStore

if TYPE_CHECKING:
    from .mime import Envelope
    from .rendering import MailTemplates

__all__ = ["EmailService"]

# A claim outlives the attempt it is for, and then some, should the machine be slow.
_LEASE_FACTOR = 1.5
_SETTLE_PAUSES_S = (0.05, 0.1, 0.2, 0.4)


@dataclass(slots=True)
class _Attempt:
    """One attempt to send a message under its idempotency key."""

    key: str
    entry: Entry
    handed_over: bool = False


class EmailService:
    """Sends messages, each idempotency key once.

    With a key, what was sent is written down before and after the hand-over to the server, so that
    no number of retries, workers and crashes sends a message again that is known to have been
    taken. One window stays, as for every sender: when the connection or this process dies after the
    last byte went out and before the answer came in, nobody can know. `MAIL__WHEN_IN_DOUBT` then
    says whether to send again, with the same Message-ID, or to give the message up.

    Args:
        settings: The section `mail`.
        delivery: How messages leave; None where mail is not set up, which is then an error.
        records: Where sent keys are kept.
        app_name: Shown at the foot of messages.
        clock: Seconds since 1970.
    """

    def __init__(
        self,
        settings: MailSettings,
        delivery: Delivery | None,
        records: RecordStore,
        *,
        app_name: str = "Service",
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._delivery = delivery
        self._app_name = app_name
        self._clock = clock
        self._templates: MailTemplates | None = None
        self._log = get_logger("mail")
        self._ledger = SentLedger(
            records,
            lease_s=settings.timeout_s * _LEASE_FACTOR,
            memory_days=settings.sent_memory_days,
            clock=clock,
        )

    @property
    def is_configured(self) -> bool:
        """Whether there is a way for messages to leave."""
        return self._delivery is not None

    @property
    def templates(self) -> MailTemplates:
        """The templates that `compose` uses."""
        if self._templates is None:
            from .rendering import MailTemplates  # noqa: PLC0415  # imports Jinja and nh3

            folders = [Path(folder) for folder in self._settings.template_folders]
            self._templates = MailTemplates(folders, {"app_name": self._app_name})
        return self._templates

    def compose(self, template: str, email: Email, /, **values: object) -> Email:
        """Return a message with the bodies of a template.

        Args:
            template: Its name without `.html`.
            email: The message; its text, where it has one, stands if the template brings none.
            values: What the template shows.

        Raises:
            InvalidEmailError: There is no such template.
        """
        html, text = self.templates.render(template, subject=email.subject, **values)
        return replace(email, html=html, text=text if text is not None else email.text)

    async def send(self, email: Email) -> SentEmail:
        """Send a message, unless its idempotency key was sent before.

        Raises:
            TransientMailError: It may go through later.
            PermanentMailError: It never will.
        """
        started = time.perf_counter()
        try:
            sent = await self._send(email)
        except MailError as error:
            self._log.warning(
                "mail_failed",
                error=type(error).__name__,
                reason=error.reason,
                in_doubt=isinstance(error, TransientMailError) and error.in_doubt,
            )
            raise
        self._log.info(
            "mail_already_sent" if sent.repeated else "mail_sent",
            message_id=sent.message_id,
            delivery=sent.delivery,
            accepted=sent.accepted,
            refused=sent.refused,
            maybe_duplicate=sent.maybe_duplicate,
            duration_ms=round((time.perf_counter() - started) * 1_000, 1),
        )
        return sent

    async def check(self) -> None:
        """Find out whether messages could leave now, without sending one.

        Raises:
            MailError: They could not, and why.
        """
        delivery = self._require_delivery()
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await delivery.check()
        except TimeoutError as error:
            raise TransientMailError("the server did not answer in time") from error

    async def _send(self, email: Email) -> SentEmail:
        delivery = self._require_delivery()
        envelope = self._envelope(email)
        key = email.idempotency_key
        if key is None:
            receipt = await self._deliver(delivery, envelope, None)
            if receipt.deferred:
                # Without a key nobody would know who has it already.
                self._log.warning("mail_partly_deferred", deferred=len(receipt.deferred))
            lost = len(receipt.refused) + len(receipt.deferred)
            accepted = len(envelope.recipients) - lost
            return SentEmail(
                envelope.message_id, delivery.name, accepted, lost, receipt.provider_id
            )
        fingerprint = fingerprint_of(email.subject, envelope.recipients)
        entry = await self._ledger.claim(key, fingerprint, envelope.message_id)
        if entry.state == "sent":
            return replace(_sent(entry, delivery.name), repeated=True)
        attempt = _Attempt(key, entry)
        if entry.in_doubt and self._settings.when_in_doubt == "hold":
            await self._ledger.release(key, entry)
            raise DeliveryInDoubtError("an earlier attempt may have gone through, and is held")
        done = {*entry.accepted, *entry.refused}
        left = tuple(r for r in envelope.recipients if digest(r) not in done)
        try:
            receipt = await self._deliver(delivery, replace(envelope, recipients=left), attempt)
        except BaseException as error:  # also when cancelled, the claim must not be in the way
            await self._give_back(attempt, error)
            raise
        return await self._settle(attempt, left, receipt, delivery.name)

    async def _deliver(
        self, delivery: Delivery, envelope: Envelope, attempt: _Attempt | None
    ) -> Receipt:
        """Hand a message to the server, within the time that an attempt has."""
        handed_over = False

        async def before_hand_over() -> None:
            nonlocal handed_over
            if attempt is not None:
                attempt.entry = await self._ledger.hand_over(attempt.key, attempt.entry)
                attempt.handed_over = True
            handed_over = True
            # However long it waited for its turn: an answer that comes must not come too late.
            limit.reschedule(asyncio.get_running_loop().time() + self._settings.timeout_s)

        try:
            async with asyncio.timeout(self._settings.timeout_s) as limit:
                return await delivery.deliver(envelope, before_hand_over)
        except TimeoutError as error:
            reason = f"it took longer than {self._settings.timeout_s:g} s"
            raise TransientMailError(reason, in_doubt=handed_over) from error

    async def _give_back(self, attempt: _Attempt, error: BaseException) -> None:
        """Release the claim of an attempt that failed, when it is known what became of it."""
        known = isinstance(error, MailError)
        in_doubt = isinstance(error, TransientMailError) and error.in_doubt
        if attempt.handed_over and not known:
            return  # cancelled in between: its lease ends, and then it is in doubt
        try:
            entry = replace(attempt.entry, in_doubt=attempt.entry.in_doubt or in_doubt)
            await self._ledger.release(attempt.key, entry)
        except TransientMailError as failure:
            self._log.warning("mail_claim_not_released", reason=failure.reason)

    async def _settle(
        self, attempt: _Attempt, left: tuple[str, ...], receipt: Receipt, delivery: str
    ) -> SentEmail:
        """Write down who has the message now."""
        entry = attempt.entry
        refused = (*entry.refused, *map(digest, receipt.refused))
        lost = {*receipt.refused, *receipt.deferred}
        accepted = (*entry.accepted, *(digest(r) for r in left if r not in lost))
        known = replace(entry, accepted=accepted, refused=refused, provider_id=receipt.provider_id)
        if receipt.deferred:
            await self._ledger.release(attempt.key, known)
            reason = next(iter(receipt.deferred.values()))
            msg = f"{len(receipt.deferred)} of {len(left)} recipients are deferred: {reason}"
            raise TransientMailError(msg)
        return _sent(await self._settled(attempt.key, known), delivery)

    async def _settled(self, key: str, known: Entry) -> Entry:
        """Write down that the server took it; what is not written down now may be sent twice."""
        for pause_s in _SETTLE_PAUSES_S:
            with contextlib.suppress(TransientMailError):
                return await self._ledger.settle(key, known)
            await asyncio.sleep(pause_s)
        try:
            return await self._ledger.settle(key, known)
        except TransientMailError as error:
            # Taken by the server, and not known to us: what a retry would find is doubt.
            raise TransientMailError(error.reason, in_doubt=True) from error

    def _require_delivery(self) -> Delivery:
        if self._delivery is None:
            raise MailConfigurationError(
                "mail is not set up: set MAIL__DELIVERY to smtp, ses or sendgrid"
            )
        return self._delivery

    def _envelope(self, email: Email) -> Envelope:
        """Return a message as deliveries take it.

        Raises:
            InvalidEmailError: It can't be written, has too many recipients or is too large.
        """
        from .mime import envelope_of, reference_of  # noqa: PLC0415  # the e-mail library

        settings = self._settings
        recipients = email.everybody()
        if len(recipients) > settings.max_recipients:
            raise InvalidEmailError(f"a message has at most {settings.max_recipients} recipients")
        given = email.sender or settings.sender
        if given is None and self._delivery is not None and self._delivery.name == "console":
            given = "service@localhost.localdomain"  # nothing leaves the terminal
        if given is None:
            raise MailConfigurationError("there is no sender: set MAIL__SENDER")
        key = email.idempotency_key
        reference = uuid.uuid4().hex if key is None else reference_of(key)
        envelope = envelope_of(
            email,
            sender=Mailbox.parse(given),
            reply_to=email.reply_to or settings.reply_to,
            bounce_address=email.bounce_address or settings.bounce_address,
            recipients=recipients,
            reference=reference,
            now=datetime.fromtimestamp(self._clock(), UTC),
        )
        if len(envelope.content) > settings.max_message_bytes:
            limit = settings.max_message_bytes
            raise InvalidEmailError(f"the message is larger than {limit} bytes")
        return envelope


def _sent(entry: Entry, delivery: str) -> SentEmail:
    if not entry.accepted:
        raise PermanentMailError("every recipient was refused")
    return SentEmail(
        entry.message_id,
        delivery,
        len(entry.accepted),
        len(entry.refused),
        entry.provider_id,
        maybe_duplicate=entry.in_doubt,
    )
