# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Admins are told once for each outage, on the channel that works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from central_services.core.mail_settings import MailSettings
from central_services.mail import AdminNotifier, EmailService, TransientMailError
from central_services.mail.delivery import MemoryDelivery
from central_services.mail.records import (
    MemoryRecords,
    RecordsUnavailableError,
    SqliteRecords,
)

pytestmark = pytest.mark.anyio
Start = Callable[..., AbstractAsyncContextManager[Any]]


def notifier(
    delivery: MemoryDelivery | None, records: Any, http: Any = None, url: str | None = None
) -> AdminNotifier:
    """Return a notifier with two admins."""
    settings = MailSettings(
        sender="orders@example.com",
        admins="ann@example.com,bob@example.com",
        admin_webhook_url=url,
    )
    mail = EmailService(settings, delivery, records, app_name="Orders")
    return AdminNotifier(settings, mail, records, http, app_name="Orders")


async def test_outage_is_told_once_and_again_after_recovery(
    delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    admins = notifier(delivery, records)
    told = [await admins.notify("disk", "Disk full", "Details") for _ in range(3)]
    assert [notice.told for notice in told] == [True, False, False]
    assert await admins.open_outages() == {"disk"}
    over = [await admins.recovered("disk", "Disk is fine") for _ in range(2)]
    assert [notice.told for notice in over] == [True, False]
    assert (await admins.notify("disk", "Disk full", "Details")).told
    subjects = [envelope.email.subject for envelope in delivery.sent]
    assert subjects == ["[Orders] Disk full", "[Orders] Disk is fine", "[Orders] Disk full"]
    assert delivery.sent[0].recipients == ("ann@example.com", "bob@example.com")
    assert b"Auto-Submitted: auto-generated" in delivery.sent[0].content


async def test_restarted_and_parallel_workers_do_not_tell_twice(
    delivery: MemoryDelivery, tmp_path: Path
) -> None:
    for _ in range(2):
        stores = [SqliteRecords(tmp_path / "mail.db") for _ in range(4)]
        notes = await asyncio.gather(
            *(notifier(delivery, store).notify("disk", "Disk full", "x") for store in stores)
        )
        for store in stores:
            await store.aclose()
    assert len(delivery.sent) == 1
    assert not any(notice.told for notice in notes)


async def test_webhook_is_used_when_mail_is_what_failed(
    http_server: Start,
    open_http: Callable[[], Any],
    delivery: MemoryDelivery,
    records: MemoryRecords,
) -> None:
    delivery.failures = [TransientMailError("down")]
    async with http_server((200, {}, b"ok")) as server, open_http() as http:
        admins = notifier(delivery, records, http, f"{server.url}/canary")
        notice = await admins.notify("x", "Queue <!channel> & more", "text")
        unset = notifier(None, records, http, f"{server.url}/canary")
        about_mail = await unset.notify("mail:login", "Login refused", "text")
    assert (notice.channel, about_mail.channel) == ("webhook", "webhook")
    assert server.sent(0)["text"].startswith("*[Orders] Queue &lt;!channel&gt; &amp; more*")
    assert delivery.sent == []


async def test_what_nobody_could_be_told_is_tried_again(
    http_server: Start,
    open_http: Callable[[], Any],
    delivery: MemoryDelivery,
    records: MemoryRecords,
) -> None:
    delivery.failures = [TransientMailError("down")]
    async with http_server((500, {}, b"no")) as server, open_http() as http:
        admins = notifier(delivery, records, http, server.url)
        assert not (await admins.notify("x", "Broken", "text")).told
        assert (await admins.notify("x", "Broken", "text")).channel == "mail"


async def test_recovery_of_what_nobody_knew_is_not_told(
    delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    assert not (await notifier(delivery, records).recovered("x")).told
    assert delivery.sent == []


async def test_without_records_each_process_tells_once(
    http_server: Start, open_http: Callable[[], Any], delivery: MemoryDelivery
) -> None:
    class Away(MemoryRecords):
        async def read(self, key: str) -> str | None:
            raise RecordsUnavailableError(key)

        async def keys(self, prefix: str) -> list[str]:
            raise RecordsUnavailableError(prefix)

    async with http_server((200, {}, b"ok")) as server, open_http() as http:
        admins = notifier(delivery, Away(), http, server.url)
        told = [await admins.notify("x", "Broken", "text") for _ in range(2)]
        assert await admins.open_outages() == frozenset()
    assert [notice.told for notice in told] == [True, False]
    assert len(server.requests) == 1
