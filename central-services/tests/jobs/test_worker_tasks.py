# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The platform's own tasks, and what the admins hear of them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from central_services.cli import app
from central_services.core.config import ENV_PREFIX
from central_services.core.file_settings import UploadsSettings
from central_services.core.mail_settings import MailSettings
from central_services.jobs import PermanentError, TaskContext, alerts, startup
from central_services.jobs.alerts import DeadLetterAlerts
from central_services.jobs.context import providers
from central_services.jobs.dead_letters import DeadLetter
from central_services.jobs.worker import (
    EmailFile,
    process_file_upload,
    send_email_task,
)
from central_services.mail import (
    AdminNotifier,
    EmailService,
    Notice,
    TransientMailError,
)
from central_services.mail.delivery import MemoryDelivery
from central_services.mail.records import MemoryRecords
from central_services.settings import Settings
from central_services.uploads import UploadProcessor

pytestmark = pytest.mark.anyio


def context(**resources: Any) -> TaskContext:
    """Return the context of a job."""
    kinds = {type(one): one for one in resources.values()}
    return TaskContext(settings=Settings(), idempotency_key="job-7", resources=kinds)


@pytest.fixture
def delivery() -> MemoryDelivery:
    """A delivery that keeps what it is given."""
    return MemoryDelivery()


@pytest.fixture
def mail(delivery: MemoryDelivery) -> EmailService:
    """A mail service over that delivery."""
    return EmailService(
        MailSettings(sender="orders@example.com", admins="ann@example.com"),
        delivery,
        MemoryRecords(),
    )


async def test_job_that_is_tried_twice_sends_one_message(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    ctx = context(mail=mail)
    for repeated in (False, True):
        sent = await send_email_task(ctx, "Ann <ann@example.com>", "Hello", "Hi <Ann>")
        assert sent.repeated is repeated
    (envelope,) = delivery.sent
    assert envelope.text == "Hi <Ann>"
    assert "Hi &lt;Ann&gt;" in str(envelope.email.html)


async def test_html_is_cleaned_and_files_go_along(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    file = EmailFile.of("a.txt", b"content", "text/plain")
    waiting = send_email_task.new_job(
        ("ann@example.com", "Hello", "Hi"),
        {"html": "<b>Hi</b><script>x()</script>", "attachments": [file]},
    )
    assert base64.b64encode(b"content") in waiting.payload
    args, kwargs = send_email_task.types.load_arguments(waiting.payload)
    await send_email_task.function(context(mail=mail), *args, **kwargs)
    email = delivery.sent[0].email
    assert "<b>Hi</b>" in str(email.html)
    assert "script" not in str(email.html)
    assert email.attachments[0].content == b"content"


async def test_what_never_goes_through_is_not_retried_and_the_rest_is(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    ctx = context(mail=mail)
    with pytest.raises(PermanentError, match="InvalidEmailError"):
        await send_email_task(ctx, "not an address", "Hello", "Hi")
    delivery.failures.append(TransientMailError("later", retry_after_s=60))
    with pytest.raises(TransientMailError) as error:
        await send_email_task(ctx, "ann@example.com", "Hello", "Hi")
    assert error.value.retry_after_s == 60


async def test_upload_is_processed(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.txt").write_text("hello")
    settings = UploadsSettings(folder=str(tmp_path / "in"), quarantine_folder=str(tmp_path / "q"))
    ctx = context(uploads=UploadProcessor(settings))
    result = await process_file_upload(ctx, "7", "a.txt")
    assert (result.status, result.media_type) == ("accepted", "text/plain")
    with pytest.raises(PermanentError, match="no such file"):
        await process_file_upload(ctx, "7", "b.txt")


async def test_admins_are_told_of_dead_letters_once_and_when_it_works_again(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    settings = MailSettings(sender="orders@example.com", admins="ann@example.com")
    found = DeadLetterAlerts(AdminNotifier(settings, mail, MemoryRecords(), None))
    letter = DeadLetter(
        job_id="j1", task="test", queue="default", attempt=3, error="a\nValueError: canary"
    )

    async def works() -> str:
        return "done"

    for _ in range(2):
        found.dead(letter)
        await found.tell()
    assert await found.watch(context(), works) == "done"
    await found.tell()
    assert await found.watch(context(), works) == "done"
    await found.tell()
    subjects = [envelope.email.subject for envelope in delivery.sent]
    assert subjects == [
        "[Service] A job of test has failed for good",
        "[Service] test works again",
    ]
    assert "ValueError" in delivery.sent[0].text
    assert "canary" not in delivery.sent[0].text


async def test_worker_that_stops_while_it_tells_the_admins_tells_them_to_the_end(
    mail: EmailService, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, str, str]] = []
    telling, may_go_on = asyncio.Event(), asyncio.Event()

    class Slow(AdminNotifier):
        async def notify(self, key: str, subject: str, text: str) -> Notice:
            telling.set()
            await may_go_on.wait()
            told.append((key, subject, text))
            return Notice(told=True)

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncGenerator[AdminNotifier]:
        yield Slow(MailSettings(), mail, MemoryRecords(), None)

    monkeypatch.setattr(alerts, "open_admins", opened)
    letter = DeadLetter(job_id="j1", task="a", queue="default", attempt=1, error="ValueError")
    async with providers()[DeadLetterAlerts](Settings()) as found:
        assert isinstance(found, DeadLetterAlerts)
        found.dead(letter)
        await telling.wait()
        found.dead(replace(letter, task="b"))
        asyncio.get_running_loop().call_later(0.05, may_go_on.set)  # after the end has begun
    assert [key for key, _, _ in told] == ["dead-letter:a", "dead-letter:b"]


def test_admins_are_told_once_that_workers_can_not_start_and_when_they_do(
    mail: EmailService, delivery: MemoryDelivery, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = MailSettings(sender="orders@example.com", admins="ann@example.com")
    admins = AdminNotifier(settings, mail, MemoryRecords(), None)

    @asynccontextmanager
    async def opened(_settings: Settings) -> AsyncGenerator[AdminNotifier]:
        yield admins

    monkeypatch.setattr(startup, "open_admins", opened)
    with monkeypatch.context() as production:
        production.setenv(f"{ENV_PREFIX}ENVIRONMENT", "production")
        for _ in range(2):
            ended = CliRunner().invoke(app, ["worker", "--until-empty"])
            assert (ended.exit_code, "ALLOWED_HOSTS" in ended.output) == (1, True), ended.output
    (told,) = delivery.sent
    assert told.email.subject == "[Service] Workers can't start"
    assert "ALLOWED_HOSTS" in told.text
    ended = CliRunner().invoke(app, ["worker", "--until-empty"])
    assert ended.exit_code == 0, ended.output
    assert delivery.sent[1].email.subject == "[Service] Workers start again"
