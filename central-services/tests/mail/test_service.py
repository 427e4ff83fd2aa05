# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The mail service: once per key, whatever fails in between."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

import pytest

from central_services.core.mail_settings import MailSettings
from central_services.mail import (
    DeliveryInDoubtError,
    Email,
    EmailService,
    InvalidEmailError,
    MailConfigurationError,
    PermanentMailError,
    TransientMailError,
)
from central_services.mail.delivery import MemoryDelivery, Receipt
from central_services.mail.records import MemoryRecords, RecordsUnavailableError
from central_services.utils.logging import flush

pytestmark = pytest.mark.anyio


def hello(**fields: Any) -> Email:
    """Return a message; what is not given is some value."""
    defaults: dict[str, Any] = {
        "recipients": ("ann@example.com",),
        "subject": "Hello",
        "text": "Hi",
        "idempotency_key": "order:7",
    }
    return Email(**(defaults | fields))


class LosesAnswers(MemoryDelivery):
    """Takes messages, and the first answers never arrive."""

    lost = 1

    async def deliver(self, envelope: Any, before_hand_over: Any, /) -> Receipt:
        receipt = await super().deliver(envelope, before_hand_over)
        if self.lost:
            self.lost -= 1
            raise TransientMailError("connection lost", in_doubt=True)
        return receipt


async def test_message_is_sent_once_for_its_key(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    first = await mail.send(hello())
    second = await mail.send(hello())
    assert (first.repeated, second.repeated) == (False, True)
    assert first.message_id == second.message_id
    assert len(delivery.sent) == 1


async def test_another_service_with_the_same_records_does_not_send_again(
    mail: EmailService, delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    await mail.send(hello())
    settings = MailSettings(sender="Orders <orders@example.com>")
    assert (await EmailService(settings, delivery, records).send(hello())).repeated


async def test_message_without_a_key_is_sent_each_time(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    sent = [await mail.send(hello(idempotency_key=None)) for _ in range(2)]
    assert sent[0].message_id != sent[1].message_id
    assert len(delivery.sent) == 2


async def test_message_id_follows_from_the_key_and_does_not_show_it(mail: EmailService) -> None:
    sent = await mail.send(hello(idempotency_key="secret-order-4711"))
    assert sent.message_id.endswith("@example.com>")
    assert "4711" not in sent.message_id


async def test_same_key_for_another_message_is_refused(mail: EmailService) -> None:
    await mail.send(hello())
    with pytest.raises(PermanentMailError, match="another message"):
        await mail.send(hello(subject="Something else"))


async def test_failure_before_the_hand_over_is_tried_again(
    mail: EmailService, delivery: MemoryDelivery
) -> None:
    delivery.failures.append(TransientMailError("away", retry_after_s=7))
    with pytest.raises(TransientMailError) as error:
        await mail.send(hello())
    assert error.value.retry_after_s == 7
    sent = await mail.send(hello())
    assert not sent.repeated
    assert not sent.maybe_duplicate


async def test_lost_answer_is_sent_again_with_the_same_message_id(records: MemoryRecords) -> None:
    delivery = LosesAnswers()
    mail = EmailService(MailSettings(sender="orders@example.com"), delivery, records)
    with pytest.raises(TransientMailError) as error:
        await mail.send(hello())
    assert error.value.in_doubt
    sent = await mail.send(hello())
    assert sent.maybe_duplicate
    assert {envelope.message_id for envelope in delivery.sent} == {sent.message_id}


async def test_lost_answer_is_held_where_that_is_wanted(records: MemoryRecords) -> None:
    delivery = LosesAnswers()
    settings = MailSettings(sender="orders@example.com", when_in_doubt="hold")
    mail = EmailService(settings, delivery, records)
    with pytest.raises(TransientMailError):
        await mail.send(hello())
    for _ in range(2):
        with pytest.raises(DeliveryInDoubtError):
            await mail.send(hello())
    assert len(delivery.sent) == 1


async def test_two_workers_at_once_send_one_message(records: MemoryRecords) -> None:
    entered, go = asyncio.Event(), asyncio.Event()

    class Waits(MemoryDelivery):
        async def deliver(self, envelope: Any, before_hand_over: Any, /) -> Receipt:
            entered.set()
            await go.wait()
            return await super().deliver(envelope, before_hand_over)

    delivery = Waits()
    settings = MailSettings(sender="orders@example.com")
    first = asyncio.create_task(EmailService(settings, delivery, records).send(hello()))
    await entered.wait()
    with pytest.raises(TransientMailError, match="another worker") as error:
        await EmailService(settings, delivery, records).send(hello())
    assert error.value.retry_after_s is not None
    go.set()
    assert not (await first).repeated
    assert len(delivery.sent) == 1


async def test_worker_whose_claim_has_ended_sends_nothing(records: MemoryRecords) -> None:
    now = 1_000.0
    settings = MailSettings(sender="orders@example.com", timeout_s=60)
    other = MemoryDelivery()

    class Slow(MemoryDelivery):
        async def deliver(self, envelope: Any, before_hand_over: Any, /) -> Receipt:
            nonlocal now
            now += 1_000  # the machine was asleep
            await EmailService(settings, other, records, clock=lambda: now).send(hello())
            return await super().deliver(envelope, before_hand_over)

    slow = Slow()
    with pytest.raises(TransientMailError, match="another worker"):
        await EmailService(settings, slow, records, clock=lambda: now).send(hello())
    assert (len(slow.sent), len(other.sent)) == (0, 1)


async def test_cancelled_after_the_hand_over_is_in_doubt_and_before_it_is_not(
    records: MemoryRecords,
) -> None:
    now = 1_000.0
    handed_over = asyncio.Event()

    class Hangs(MemoryDelivery):
        after = True

        async def deliver(self, _envelope: Any, before_hand_over: Any, /) -> Receipt:
            if self.after:
                await before_hand_over()
            handed_over.set()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    hangs, works = Hangs(), MemoryDelivery()
    settings = MailSettings(sender="orders@example.com")
    for hangs.after, key in ((True, "a"), (False, "b")):
        handed_over.clear()
        service = EmailService(settings, hangs, records, clock=lambda: now)
        task = asyncio.create_task(service.send(hello(idempotency_key=key)))
        await handed_over.wait()
        task.cancel()
        await asyncio.wait({task})
    mail = EmailService(settings, works, records, clock=lambda: now)
    assert not (await mail.send(hello(idempotency_key="b"))).maybe_duplicate
    with pytest.raises(TransientMailError, match="another worker"):
        await mail.send(hello(idempotency_key="a"))
    now += 1_000
    assert (await mail.send(hello(idempotency_key="a"))).maybe_duplicate


async def test_retry_reaches_only_those_who_were_deferred(records: MemoryRecords) -> None:
    class Defers(MemoryDelivery):
        async def deliver(self, envelope: Any, before_hand_over: Any, /) -> Receipt:
            await super().deliver(envelope, before_hand_over)
            if len(self.sent) == 1:
                return Receipt("", {"bob@example.com": "550"}, {"carl@example.com": "451"})
            return Receipt("2")

    delivery = Defers()
    mail = EmailService(MailSettings(sender="orders@example.com"), delivery, records)
    message = hello(recipients=("ann@example.com", "bob@example.com", "carl@example.com"))
    with pytest.raises(TransientMailError, match="1 of 3"):
        await mail.send(message)
    sent = await mail.send(message)
    assert delivery.sent[1].recipients == ("carl@example.com",)
    assert (sent.accepted, sent.refused) == (2, 1)


class FailsToSettle(MemoryRecords):
    """Can't write down, some times, that a message was sent."""

    failures = 0

    async def swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        if self.failures and new is not None and '"sent"' in new:
            self.failures -= 1
            raise RecordsUnavailableError("the disk is busy")
        return await super().swap(key, expected, new, ttl_s)


async def test_records_that_fail_for_a_moment_cause_no_doubt() -> None:
    records, delivery = FailsToSettle(), MemoryDelivery()
    records.failures = 2
    mail = EmailService(MailSettings(sender="orders@example.com"), delivery, records)
    assert not (await mail.send(hello())).maybe_duplicate
    assert (await mail.send(hello())).repeated
    assert len(delivery.sent) == 1


async def test_records_that_fail_on_are_doubt() -> None:
    records, delivery = FailsToSettle(), MemoryDelivery()
    records.failures = 100
    mail = EmailService(MailSettings(sender="orders@example.com"), delivery, records)
    with pytest.raises(TransientMailError, match="the disk is busy") as error:
        await mail.send(hello())
    assert error.value.in_doubt
    assert len(delivery.sent) == 1


async def test_attempt_has_a_time_limit(records: MemoryRecords) -> None:
    class Hangs(MemoryDelivery):
        async def deliver(self, _envelope: Any, before_hand_over: Any, /) -> Receipt:
            await before_hand_over()
            await asyncio.Event().wait()
            raise AssertionError("unreachable")

    settings = MailSettings(sender="orders@example.com", timeout_s=0.05)
    with pytest.raises(TransientMailError, match="longer than") as error:
        await EmailService(settings, Hangs(), records).send(hello())
    assert error.value.in_doubt


async def test_answer_to_what_was_handed_over_has_the_whole_time(
    records: MemoryRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long a message waited for its turn: an answer that came too late would send it twice."""
    limits: list[asyncio.Timeout] = []

    def limited(seconds: float) -> asyncio.Timeout:
        limits.append(asyncio.timeout_at(asyncio.get_running_loop().time() + seconds))
        return limits[-1]

    class Waits(MemoryDelivery):
        async def deliver(self, _envelope: Any, before_hand_over: Any, /) -> Receipt:
            first = limits[-1].when()
            await before_hand_over()
            last = limits[-1].when()
            assert first is not None
            assert last is not None
            assert last > first
            return Receipt("taken")

    monkeypatch.setattr(asyncio, "timeout", limited)
    settings = MailSettings(sender="orders@example.com", timeout_s=30)
    await EmailService(settings, Waits(), records).send(hello())
    assert len(limits) == 1


async def test_message_that_is_too_large_is_refused(
    delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    settings = MailSettings(sender="orders@example.com", max_message_bytes=2_000, max_recipients=2)
    mail = EmailService(settings, delivery, records)
    with pytest.raises(InvalidEmailError, match="larger"):
        await mail.send(hello(text="x" * 3_000))
    with pytest.raises(InvalidEmailError, match="at most 2"):
        await mail.send(hello(recipients=tuple(f"{n}@example.com" for n in range(3))))
    assert delivery.sent == []


async def test_missing_configuration_is_named(
    delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    with pytest.raises(MailConfigurationError, match="MAIL__DELIVERY"):
        await EmailService(MailSettings(), None, records).send(hello())
    with pytest.raises(MailConfigurationError, match="MAIL__SENDER"):
        await EmailService(MailSettings(), delivery, records).send(hello())


async def test_log_holds_no_address_no_subject_and_no_body(
    mail: EmailService,
    delivery: MemoryDelivery,
    records: MemoryRecords,
    logged: io.StringIO,
) -> None:
    canary = hello(
        recipients=("canary-ann@example.com",), subject="canary subject", text="canary body"
    )
    delivery.failures.append(PermanentMailError("no"))
    with pytest.raises(PermanentMailError):
        await mail.send(canary)
    await mail.send(canary)
    await mail.send(canary)
    flush()
    logs = logged.getvalue()
    events = [json.loads(line)["event"] for line in logs.splitlines()]
    assert events == ["mail_failed", "mail_sent", "mail_already_sent"]
    assert "canary" not in logs + repr(canary).replace("canary-ann", "").replace(canary.subject, "")
    assert "canary" not in str(records._values)
    assert "order:7" not in str(records._values)


async def test_template_escapes_and_cleans_what_users_wrote(mail: EmailService) -> None:
    evil = '<script>alert(1)</script><b onclick="x()">bold</b><a href="javascript:x()">link</a>'
    plain = mail.compose("message", hello(text=evil), body=evil)
    assert "&lt;script&gt;" in str(plain.html)
    assert plain.text == evil
    clean = mail.compose("message", hello(), content=evil, heading="<i>")
    assert "<b>bold</b>" in str(clean.html)
    assert "&lt;i&gt;" in str(clean.html)
    for dangerous in ("script", "onclick", "javascript"):
        assert dangerous not in str(clean.html)
    assert "Managed by" not in str(clean.html)
    with pytest.raises(InvalidEmailError, match="no mail template"):
        mail.compose("missing", hello())


async def test_project_templates_come_first(
    tmp_path: Any, delivery: MemoryDelivery, records: MemoryRecords
) -> None:
    # Two braces in a row would be rendered with the project.
    page = "[% extends 'base.html' %][% block body %]<p>[[ name ]]</p>[% endblock %]"
    texts = {"welcome.html": page, "welcome.txt": "Welcome [[ name ]]"}
    for name, text in texts.items():
        (tmp_path / name).write_text(text.replace("[", "{").replace("]", "}"))
    settings = MailSettings(sender="orders@example.com", template_folders=str(tmp_path))
    mail = EmailService(settings, delivery, records, app_name="Orders")
    email = mail.compose("welcome", hello(text=None), name="Ann & Bob")
    assert "<p>Ann &amp; Bob</p>" in str(email.html)
    assert email.text == "Welcome Ann & Bob"
