# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Puts the mail service together from the settings; a worker and the command line open it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .admins import AdminNotifier
from .delivery import ConsoleDelivery, Delivery
from .records import RecordStore, SqliteRecords
from .service import EmailService

if TYPE_CHECKING:
    from ..clients.http import HttpClient
    from ..core.config import PlatformSettings

__all__ = ["open_admins", "open_mail"]


@asynccontextmanager
async def open_mail(settings: PlatformSettings) -> AsyncGenerator[EmailService]:
    """Yield the mail service; nothing is connected before something is sent."""
    async with AsyncExitStack() as stack:
        yield await _mail(settings, stack, await _records(settings, stack))


@asynccontextmanager
async def open_admins(settings: PlatformSettings) -> AsyncGenerator[AdminNotifier]:
    """Yield who tells the admins, with a mail service of its own."""
    async with AsyncExitStack() as stack:
        records = await _records(settings, stack)
        mail = await _mail(settings, stack, records)
        http = await _http(settings, stack) if settings.mail.admin_webhook_url else None
        name = settings.app_name
        yield AdminNotifier(settings.mail, mail, records, http, app_name=name)


async def _mail(
    settings: PlatformSettings, stack: AsyncExitStack, records: RecordStore
) -> EmailService:
    delivery = await _delivery(settings, stack)
    if delivery is not None:
        stack.push_async_callback(delivery.aclose)
    return EmailService(settings.mail, delivery, records, app_name=settings.app_name)


async def _delivery(settings: PlatformSettings, stack: AsyncExitStack) -> Delivery | None:
    """Return the delivery that is chosen; only its library is imported."""
    chosen = settings.mail.delivery
    if chosen is None:
        return None if settings.is_production else ConsoleDelivery()
    if chosen == "console":
        return ConsoleDelivery()
    if chosen == "smtp":
        from .smtp import SmtpDelivery  # noqa: PLC0415  # see above

        return SmtpDelivery(settings.mail)
    http = await _http(settings, stack)
    if chosen == "ses":
        from .ses import SesDelivery  # noqa: PLC0415  # see above

        return SesDelivery(settings.mail, http)
    from .sendgrid import SendGridDelivery  # noqa: PLC0415  # see above

    return SendGridDelivery(settings.mail, http)


async def _records(settings: PlatformSettings, stack: AsyncExitStack) -> RecordStore:
    url = settings.mail.records_url
    records: RecordStore
    if url is None:
        records = SqliteRecords(Path(settings.mail.records_path))
    else:
        from .valkey_records import ValkeyRecords  # noqa: PLC0415  # needed only with a URL

        records = ValkeyRecords(url.get_secret_value(), namespace=f"{settings.app_name}:mail")
    stack.push_async_callback(records.aclose)
    return records


async def _http(settings: PlatformSettings, stack: AsyncExitStack) -> HttpClient:
    from ..clients.http import HttpClient  # noqa: PLC0415  # imports the HTTP library

    return await stack.enter_async_context(HttpClient(settings.http_client, name="mail"))
