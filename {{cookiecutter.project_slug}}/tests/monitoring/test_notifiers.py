# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How each channel tells, and that nothing of a task is markup there."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.clients.http import HttpClient
from {{ cookiecutter.project_slug }}.core.config import HttpClientSettings
from {{ cookiecutter.project_slug }}.core.mail_settings import MailSettings
from {{ cookiecutter.project_slug }}.mail import (
    EmailService,
    PermanentMailError,
    TransientMailError,
)
from {{ cookiecutter.project_slug }}.mail.delivery import MemoryDelivery
from {{ cookiecutter.project_slug }}.mail.records import MemoryRecords
from {{ cookiecutter.project_slug }}.monitoring.errors import (
    PermanentNotifierError,
    TransientNotifierError,
)
from {{ cookiecutter.project_slug }}.monitoring.notifiers import (
    EmailNotifier,
    Notification,
    Notifier,
    SlackNotifier,
    TeamsNotifier,
    WebhookNotifier,
)
from {{ cookiecutter.project_slug }}.monitoring.notifiers.email import compose
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    MonitoringTask,
    Outcome,
    RunRecord,
)

pytestmark = pytest.mark.anyio
EVIL = '<img src=x onerror=alert(1)>"&'


def notification(text: str = "Bolts are short") -> Notification:
    task = MonitoringTask(
        name=f"Stock {text}",
        check="stock_levels",
        interval_s=60,
        recipients=("ann@example.com", "bob@example.com"),
    )
    run = RunRecord(
        task_id=task.id,
        run_id="r1",
        started=datetime(2026, 3, 2, 12, tzinfo=UTC),
        outcome=Outcome.ALERT,
        summary=text,
        rows=({"Part": text, "Missing": 3}, {"Part": "Nut", "Missing": 1, text: text}),
    )
    return Notification(key="monitoring:stock:1:1", app_name="Acme", task=task, run=run)


async def test_message_shows_the_table_and_escapes_what_the_task_says() -> None:
    email = compose(notification(EVIL))
    assert email.html is not None
    assert email.text is not None
    assert "<img" not in email.html
    assert email.html.count("&lt;img src=x onerror=alert(1)&gt;&#34;&amp;") == 7
    assert "Missing: 3" in email.text
    assert "Missing</th>" in email.html
    assert email.recipients == ("ann@example.com", "bob@example.com")


async def test_message_goes_out_once_for_a_key() -> None:
    delivery = MemoryDelivery()
    settings = MailSettings(sender="acme@example.com")
    mail = EmailService(settings, delivery, MemoryRecords())
    notifier = EmailNotifier(mail)
    await notifier.notify(notification())
    await notifier.notify(notification())
    assert len(delivery.sent) == 1
    delivery.failures = [TransientMailError("busy"), PermanentMailError("no")]
    for error in (TransientNotifierError, PermanentNotifierError):
        other = Notification(
            key="other", app_name="Acme", task=notification().task, run=notification().run
        )
        with pytest.raises(error):
            await notifier.notify(other)


def received() -> tuple[list[tuple[dict[str, str], bytes]], Callable[..., Any], list[bytes]]:
    """Return what a server got, its handler, and what it answers."""
    got: list[tuple[dict[str, str], bytes]] = []
    answers: list[bytes] = []

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:-2]
        headers = dict(line.lower().split(": ", 1) for line in head)
        got.append((headers, await reader.readexactly(int(headers["content-length"]))))
        status = answers.pop(0) if answers else b"200 OK"
        writer.write(b"HTTP/1.1 " + status + b"\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        await writer.drain()

    return got, handle, answers


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        (SlackNotifier, "&lt;img src=x onerror=alert(1)&gt;"),
        (TeamsNotifier, "\\\\<img src=x onerror=alert\\\\(1\\\\)\\\\>"),
        (WebhookNotifier, "<img src=x onerror=alert(1)>"),
    ],
)
async def test_webhook_gets_json_in_which_nothing_is_markup(
    listen: Callable[..., Any], make: Callable[[HttpClient, str], Notifier], shown: str
) -> None:
    got, handle, _ = received()
    own = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",))
    async with listen(handle) as port, HttpClient(own) as http:
        await make(http, f"http://127.0.0.1:{port}/hook").notify(notification(EVIL))
    assert shown in got[0][1].decode()
    assert json.loads(got[0][1])


async def test_webhook_is_signed_and_named_by_its_key(listen: Callable[..., Any]) -> None:
    got, handle, _ = received()
    own = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",))
    async with listen(handle) as port, HttpClient(own) as http:
        notifier = WebhookNotifier(http, f"http://127.0.0.1:{port}/hook", "s3cret")
        await notifier.notify(notification())
    headers, body = got[0]
    expected = hmac.new(b"s3cret", body, hashlib.sha256).hexdigest()
    assert headers["x-signature"] == f"sha256={expected}"
    assert headers["idempotency-key"] == "monitoring:stock:1:1"


async def test_errors_say_whether_another_attempt_may_help(listen: Callable[..., Any]) -> None:
    _, handle, answers = received()
    answers += [b"503 Busy", b"429 Slow down", b"404 Gone"]
    own = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",))
    async with listen(handle) as port, HttpClient(own) as http:
        notifier = SlackNotifier(http, f"http://127.0.0.1:{port}/secret-path")
        for error in (TransientNotifierError, TransientNotifierError, PermanentNotifierError):
            with pytest.raises(error) as raised:
                await notifier.notify(notification())
            assert "secret-path" not in str(raised.value)
        with pytest.raises(PermanentNotifierError):
            await SlackNotifier(http, "http://10.0.0.1/hook").notify(notification())
