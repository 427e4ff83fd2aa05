# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Delivery over SMTP: encrypted, authenticated, on connections that are used again."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiosmtplib
from aiosmtplib import SMTP

from ..core.mail_settings import MailSettings
from ..utils.redaction import redact_text
from .delivery import BeforeHandOver, Receipt
from .errors import MailConfigurationError, MailError, PermanentMailError, TransientMailError
from .mime import Envelope

__all__ = ["SmtpDelivery"]

_PORTS = {"starttls": 587, "implicit": 465, "none": 25}
# Servers count, and some close the connection after so many.
_MESSAGES_PER_CONNECTION = 100
_ADDRESS = re.compile(r"<?[^\s<>@]+@[^\s<>@]+>?")


class _Connection:
    """An open connection and how much it was used."""

    __slots__ = ("idle_since", "messages", "smtp")

    def __init__(self, smtp: SMTP) -> None:
        self.smtp = smtp
        self.messages = 0
        self.idle_since = 0.0


class SmtpDelivery:
    """See `Delivery`. Connects when there is something to send.

    With MAIL__SMTP_TLS=starttls a server that does not offer it is refused, not spoken to in the
    clear; certificates are always verified.
    """

    name = "smtp"

    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings
        self._slots = asyncio.Semaphore(settings.smtp_connections)
        self._idle: list[_Connection] = []
        self._context: ssl.SSLContext | None = None

    async def deliver(self, envelope: Envelope, before_hand_over: BeforeHandOver, /) -> Receipt:
        """See `Delivery.deliver`."""
        handed_over = False

        async def hand_over() -> None:
            nonlocal handed_over
            await before_hand_over()
            handed_over = True

        try:
            async with self._connection() as smtp:
                return await _transact(smtp, envelope, hand_over)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Its text may repeat addresses, so it goes no further, not as the cause either.
            raise _explained(error, handed_over=handed_over) from None

    async def check(self) -> None:
        """See `Delivery.check`."""
        try:
            async with self._connection() as smtp:
                await smtp.noop()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise _explained(error, handed_over=False) from None

    async def aclose(self) -> None:
        """See `Delivery.aclose`."""
        while self._idle:
            await _quit(self._idle.pop())

    @asynccontextmanager
    async def _connection(self) -> AsyncGenerator[SMTP]:
        """Yield a connection that works, and keep it for the next message if it still does."""
        async with self._slots:
            connection = await self._reused() or _Connection(await self._connect())
            try:
                yield connection.smtp
            except MailError:
                keep = connection.smtp.is_connected  # it answered; there was just no message
                raise
            except BaseException:
                keep = False
                raise
            else:
                keep = connection.smtp.is_connected
            finally:
                connection.messages += 1
                if keep and connection.messages < _MESSAGES_PER_CONNECTION:
                    connection.idle_since = time.monotonic()
                    self._idle.append(connection)
                else:
                    connection.smtp.close()

    async def _reused(self) -> _Connection | None:
        """Return a kept connection that the server has not closed meanwhile."""
        while self._idle:
            connection = self._idle.pop()
            if time.monotonic() - connection.idle_since > self._settings.smtp_idle_s:
                await _quit(connection)
                continue
            try:
                await connection.smtp.rset()
            except (aiosmtplib.SMTPException, OSError):
                connection.smtp.close()
            else:
                return connection
        return None

    async def _connect(self) -> SMTP:
        settings = self._settings
        password = settings.smtp_password
        smtp = SMTP(
            hostname=settings.smtp_host,
            port=settings.smtp_port or _PORTS[settings.smtp_tls],
            username=settings.smtp_username,
            password=password.get_secret_value() if password else None,
            local_hostname=self._own_name(),
            timeout=settings.timeout_s,
            use_tls=settings.smtp_tls == "implicit",
            start_tls=settings.smtp_tls == "starttls",
            tls_context=await self._tls() if settings.smtp_tls != "none" else None,
        )
        try:
            await smtp.connect()
            if smtp.is_ehlo_or_helo_needed:
                await smtp.ehlo()  # what the server can do is asked before the first message
        except aiosmtplib.SMTPAuthenticationError as error:
            if error.code < 500:
                raise
            raise MailConfigurationError(f"the server refused the login: {error.code}") from None
        except aiosmtplib.SMTPException as error:
            # Plain: what was configured (STARTTLS, AUTH) the server does not offer.
            if type(error) in {aiosmtplib.SMTPException, aiosmtplib.SMTPNotSupported}:
                raise MailConfigurationError(_said(error.message)) from None
            raise
        return smtp

    async def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            # Reads a few hundred certificates from the disk.
            self._context = await asyncio.to_thread(
                ssl.create_default_context, cafile=self._settings.smtp_ca_file
            )
        return self._context

    def _own_name(self) -> str:
        """Return the name to greet with; the library's way asks DNS, which may take long."""
        name = socket.gethostname()
        if "." in name and name.isascii():
            return name
        return (self._settings.sender or "").rpartition("@")[2].strip("<> ") or "localhost"


async def _transact(smtp: SMTP, envelope: Envelope, hand_over: BeforeHandOver) -> Receipt:
    """Send one message over an open connection."""
    options, encoding = _options(smtp, envelope)
    await smtp.mail(envelope.bounce_address, options=options, encoding=encoding)
    refused: dict[str, str] = {}
    deferred: dict[str, str] = {}
    for recipient in envelope.recipients:
        try:
            await smtp.rcpt(recipient, encoding=encoding)
        except aiosmtplib.SMTPRecipientRefused as error:
            group = deferred if error.code < 500 else refused
            group[recipient] = f"{error.code} {_said(error.message)}"
    if len(refused) + len(deferred) == len(envelope.recipients):
        with contextlib.suppress(aiosmtplib.SMTPException):
            await smtp.rset()
        if deferred:
            raise TransientMailError(f"no recipient was taken: {next(iter(deferred.values()))}")
        raise PermanentMailError(f"no recipient was taken: {next(iter(refused.values()))}")
    await hand_over()
    answer = await smtp.data(envelope.content)
    return Receipt(_said(answer.message), refused, deferred)


def _options(smtp: SMTP, envelope: Envelope) -> tuple[list[str], str]:
    """Return the options of MAIL FROM and the encoding of addresses."""
    options, encoding = [], "ascii"
    if smtp.supports_extension("size"):
        limit = smtp.esmtp_extensions["size"].strip()
        if limit.isdigit() and 0 < int(limit) < len(envelope.content):
            raise PermanentMailError(f"the server takes messages of at most {limit} bytes")
        options.append(f"SIZE={len(envelope.content)}")
    if envelope.needs_utf8:
        if not smtp.supports_extension("smtputf8"):
            raise PermanentMailError("the server can't take an address with UTF-8 in it (SMTPUTF8)")
        options.append("SMTPUTF8")
        encoding = "utf-8"
    return options, encoding


async def _quit(connection: _Connection) -> None:
    with contextlib.suppress(aiosmtplib.SMTPException, OSError):
        await connection.smtp.quit(timeout=5)
    connection.smtp.close()


def _said(message: str) -> str:
    """Return what a server said, without the addresses and secrets that it may have repeated."""
    return _ADDRESS.sub("[address]", redact_text(" ".join(message.split())[:300]))[:160]


def _explained(error: Exception, *, handed_over: bool) -> MailError:
    """Return our error for one of the library's, or of the network's."""
    if isinstance(error, aiosmtplib.SMTPResponseException):
        reason = f"SMTP {error.code} {_said(error.message)}"
        if 500 <= error.code < 600:
            return PermanentMailError(reason)
        # An answer that can't be read (-1) says nothing about what became of the message.
        return TransientMailError(reason, in_doubt=handed_over and not 400 <= error.code < 500)
    # A certificate that is not trusted is an OSError, and for the library's sake a ValueError too.
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return PermanentMailError("an address can't be sent over SMTP")
    reason = f"{type(error).__name__}: {_said(str(error))}"
    return TransientMailError(reason, in_doubt=handed_over)
