# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Delivery over SMTP, to a real server on this machine."""

from __future__ import annotations

import io
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest

from central_services.core.mail_settings import MailSettings
from central_services.mail import (
    Email,
    EmailService,
    MailConfigurationError,
    PermanentMailError,
    TransientMailError,
)
from central_services.mail.records import MemoryRecords
from central_services.mail.smtp import SmtpDelivery
from central_services.utils.logging import flush

pytestmark = [
    pytest.mark.anyio,
    # Python 3.14 warns of what aiosmtpd asks asyncio for.
    pytest.mark.filterwarnings("ignore:.*iscoroutinefunction:DeprecationWarning"),
]
Start = Callable[..., AbstractAsyncContextManager[Any]]


def service(port: int, records: MemoryRecords, **fields: Any) -> EmailService:
    """Return a mail service that sends to a server on this machine."""
    defaults: dict[str, Any] = {
        "delivery": "smtp",
        "sender": "Orders <orders@example.com>",
        "bounce_address": "bounces@example.com",
        "smtp_host": "127.0.0.1",
        "smtp_port": port,
        "smtp_tls": "none",
    }
    settings = MailSettings(**(defaults | fields))
    return EmailService(settings, SmtpDelivery(settings), records)


def hello(key: str | None = "k", **fields: Any) -> Email:
    """Return a message."""
    defaults: dict[str, Any] = {"recipients": ("ann@example.com",), "subject": "S", "text": "T"}
    return Email(**(defaults | fields), idempotency_key=key)


async def close(mail: EmailService) -> None:
    """Close what a service has open."""
    assert mail._delivery is not None
    await mail._delivery.aclose()


async def test_messages_arrive_over_one_connection(
    smtp_server: Start, records: MemoryRecords
) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records)
        sent = [await mail.send(hello(f"k{n}", text=f"..\n.\n{n}")) for n in range(3)]
        await close(mail)
    assert len(server.sessions) == 1
    assert [taken[0] for taken in server.taken] == ["bounces@example.com"] * 3
    assert [
        f"Message-ID: {one.message_id}".encode() in c
        for one, (_, _, c) in zip(sent, server.taken, strict=True)
    ] == [True] * 3
    assert b"\r\n..\r\n.\r\n2\r\n" in server.taken[2][2]
    assert sent[0].provider_id == "Queued as 7"


async def test_connection_that_the_server_closed_is_opened_again(
    smtp_server: Start, records: MemoryRecords
) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records)
        await mail.send(hello("a"))
        assert isinstance(mail._delivery, SmtpDelivery)
        transport: Any = mail._delivery._idle[0].smtp.transport
        transport.abort()
        assert not (await mail.send(hello("b"))).maybe_duplicate
        await close(mail)
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("451 busy with ann@example.com", TransientMailError),
        ("554 no, ann@example.com", PermanentMailError),
    ],
)
async def test_answers_are_told_apart_and_addresses_kept_out(
    smtp_server: Start,
    records: MemoryRecords,
    answer: str,
    error: type[Exception],
    logged: io.StringIO,
) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records)
        server.answers.append(answer)
        with pytest.raises(error) as raised:
            await mail.send(hello())
        assert not getattr(raised.value, "in_doubt", False)
        assert not (await mail.send(hello())).maybe_duplicate
        await close(mail)
    flush()
    assert "ann@" not in str(raised.value) + logged.getvalue()
    assert raised.value.__cause__ is None


async def test_lost_answer_to_the_content_is_in_doubt(
    smtp_server: Start, records: MemoryRecords
) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records)
        server.answers.append(None)
        with pytest.raises(TransientMailError) as raised:
            await mail.send(hello())
        assert raised.value.in_doubt
        assert (await mail.send(hello())).maybe_duplicate
        await close(mail)
    ids = {line for _, _, c in server.taken for line in c.split(b"\r\n") if b"Message-ID" in line}
    assert (len(server.taken), len(ids)) == (2, 1)


async def test_recipients_are_refused_and_deferred_one_by_one(
    smtp_server: Start, records: MemoryRecords
) -> None:
    everybody = ("ann@example.com", "bob@example.com", "carl@example.com")
    async with smtp_server() as server:
        mail = service(server.port, records)
        server.refusals = {"bob@example.com": "550 unknown", "carl@example.com": "451 later"}
        with pytest.raises(TransientMailError, match="1 of 3"):
            await mail.send(hello(recipients=everybody))
        server.refusals.pop("carl@example.com")
        sent = await mail.send(hello(recipients=everybody))
        assert (sent.accepted, sent.refused) == (2, 1)
        with pytest.raises(PermanentMailError, match="no recipient"):
            await mail.send(hello("other", recipients=("bob@example.com",)))
        await close(mail)
    assert [taken[1] for taken in server.taken] == [["ann@example.com"], ["carl@example.com"]]


async def test_nobody_is_spoken_to_in_the_clear(smtp_server: Start, records: MemoryRecords) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records, smtp_tls="starttls")
        with pytest.raises(MailConfigurationError, match="STARTTLS"):
            await mail.send(hello())
        implicit = service(server.port, records, smtp_tls="implicit", timeout_s=5)
        with pytest.raises(TransientMailError):
            await implicit.send(hello())
    assert server.taken == []


async def test_server_that_is_away_is_no_reason_to_give_up(
    records: MemoryRecords, dead: str
) -> None:
    mail = service(int(dead.rpartition(":")[2]), records)
    with pytest.raises(TransientMailError) as raised:
        await mail.send(hello())
    assert not raised.value.in_doubt
    with pytest.raises(TransientMailError):
        await mail.check()


async def test_utf8_addresses_need_a_server_that_takes_them(
    smtp_server: Start, records: MemoryRecords
) -> None:
    async with smtp_server() as server:
        mail = service(server.port, records)
        with pytest.raises(PermanentMailError, match="UTF-8"):
            await mail.send(hello(recipients=("änn@example.com",)))
        await close(mail)
    async with smtp_server(enable_SMTPUTF8=True) as server:
        mail = service(server.port, records)
        await mail.send(hello("utf8", recipients=("änn@exämple.com",)))
        await mail.check()
        await close(mail)
    assert server.taken[0][1] == ["änn@xn--exmple-cua.com"]


async def test_message_larger_than_the_server_takes_is_not_sent(
    smtp_server: Start, records: MemoryRecords
) -> None:
    async with smtp_server(data_size_limit=2_000) as server:
        mail = service(server.port, records)
        with pytest.raises(PermanentMailError, match="at most 2000"):
            await mail.send(hello(text="x" * 3_000))
        await close(mail)
