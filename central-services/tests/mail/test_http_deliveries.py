# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Delivery by SES and SendGrid, to servers on this machine."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

import pytest

from central_services.core.mail_settings import MailSettings
from central_services.mail import (
    Attachment,
    Email,
    EmailService,
    MailConfigurationError,
    MailError,
    PermanentMailError,
    TransientMailError,
)
from central_services.mail.records import MemoryRecords
from central_services.mail.sendgrid import SendGridDelivery
from central_services.mail.ses import SesDelivery
from central_services.mail.sigv4 import Credentials, signed_headers

pytestmark = pytest.mark.anyio
Start = Callable[..., AbstractAsyncContextManager[Any]]

SECRETS: dict[str, Any] = {
    "ses_access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "ses_secret_access_key": "canary-secret",
    "ses_session_token": "canary-token",
    "sendgrid_api_key": "SG.canary",
}


def settings(url: str, delivery: Any) -> MailSettings:
    """Return settings for a server on this machine."""
    return MailSettings(
        delivery=delivery,
        sender="Orders <orders@example.com>",
        bounce_address="bounces@example.com",
        ses_region="eu-central-1",
        ses_configuration_set="events",
        ses_url=url,
        sendgrid_url=url,
        **SECRETS,
    )


def hello(**fields: Any) -> Email:
    """Return a message."""
    defaults: dict[str, Any] = {
        "recipients": ("Ann <ann@example.com>",),
        "subject": "Grüße",
        "text": "T",
        "idempotency_key": "k",
    }
    return Email(**(defaults | fields))


async def test_ses_gets_the_raw_message_signed(
    http_server: Start, open_http: Callable[[], Any], records: MemoryRecords
) -> None:
    answer = (200, {}, b'{"MessageId": "ses-1"}')
    async with http_server(answer) as server, open_http() as http:
        chosen = settings(server.url, "ses")
        mail = EmailService(chosen, SesDelivery(chosen, http), records)
        sent = await mail.send(hello(bcc=("bob@example.com",)))
    line, headers, _ = server.requests[0]
    body = server.sent()
    assert line == "POST /v2/email/outbound-emails HTTP/1.1"
    assert body["Destination"] == {"ToAddresses": ["ann@example.com", "bob@example.com"]}
    assert body["FromEmailAddress"] == "orders@example.com"
    assert body["FeedbackForwardingEmailAddress"] == "bounces@example.com"
    assert body["ConfigurationSetName"] == "events"
    raw = base64.b64decode(body["Content"]["Raw"]["Data"])
    assert sent.message_id.encode() in raw
    assert b"X-Entity-Ref-ID: " in raw
    assert b"bob" not in raw
    assert headers["x-amz-security-token"] == "canary-token"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/")
    assert (
        "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token"
        in (headers["authorization"])
    )
    assert (sent.delivery, sent.provider_id) == ("ses", "ses-1")


def test_signature_is_that_of_the_published_example() -> None:
    """The example of the IAM user guide: GET iam ListUsers would have a query; this one has none.

    Vector "get-vanilla" of AWS's Signature Version 4 test suite.
    """
    headers = signed_headers(
        "GET",
        "https://example.amazonaws.com/",
        b"",
        credentials=Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
        region="us-east-1",
        service="service",
        now=datetime(2015, 8, 30, 12, 36, tzinfo=UTC),
        headers={},
    )
    assert headers["authorization"].endswith(
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


async def test_sendgrid_gets_everything_in_its_own_form(
    http_server: Start, open_http: Callable[[], Any], records: MemoryRecords
) -> None:
    async with http_server((202, {"X-Message-Id": "sg-1"}, b"")) as server, open_http() as http:
        chosen = settings(server.url, "sendgrid")
        mail = EmailService(chosen, SendGridDelivery(chosen, http), records)
        sent = await mail.send(
            hello(
                html="<p>T</p>",
                cc=("bob@example.com", "ann@example.com"),
                reply_to="desk@example.com",
                unsubscribe_url="https://example.com/u",
                attachments=(Attachment("a.png", b"1", "image/png", "logo"), Attachment("b", b"2")),
            )
        )
    line, headers, _ = server.requests[0]
    body = server.sent()
    assert line == "POST /v3/mail/send HTTP/1.1"
    assert headers["authorization"] == "Bearer SG.canary"
    assert body["personalizations"] == [
        {"to": [{"email": "ann@example.com", "name": "Ann"}], "cc": [{"email": "bob@example.com"}]}
    ]
    assert body["from"] == {"email": "orders@example.com", "name": "Orders"}
    assert body["reply_to"] == {"email": "desk@example.com"}
    assert [part["type"] for part in body["content"]] == ["text/plain", "text/html"]
    assert body["headers"]["Message-ID"] == sent.message_id
    assert body["headers"]["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [file["disposition"] for file in body["attachments"]] == ["inline", "attachment"]
    assert sent.provider_id == "sg-1"


@pytest.mark.parametrize("kind", ["ses", "sendgrid"])
@pytest.mark.parametrize(
    ("status", "headers", "error", "retry_after_s", "in_doubt"),
    [
        (429, {"Retry-After": "7"}, TransientMailError, 7.0, False),
        (503, {}, TransientMailError, None, False),
        (502, {}, TransientMailError, None, True),
        (400, {}, PermanentMailError, None, False),
        (413, {}, PermanentMailError, None, False),
        (401, {}, MailConfigurationError, None, False),
        (0, {}, TransientMailError, None, True),
    ],
)
async def test_answers_are_told_apart(
    http_server: Start,
    open_http: Callable[[], Any],
    records: MemoryRecords,
    kind: str,
    status: int,
    headers: dict[str, str],
    error: type[MailError],
    retry_after_s: float | None,
    in_doubt: bool,
) -> None:
    async with http_server((status, headers, b'{"message": "canary"}')) as server:
        async with open_http() as http:
            chosen = settings(server.url, kind)
            build = SesDelivery if kind == "ses" else SendGridDelivery
            mail = EmailService(chosen, build(chosen, http), records)
            with pytest.raises(error) as raised:
                await mail.send(hello())
        assert len(server.requests) == 1
    assert type(raised.value) is error
    assert getattr(raised.value, "retry_after_s", None) == retry_after_s
    assert getattr(raised.value, "in_doubt", False) is in_doubt
    assert "canary" not in str(raised.value)


async def test_daily_quota_of_ses_is_tried_again(
    http_server: Start, open_http: Callable[[], Any], records: MemoryRecords
) -> None:
    answer = (400, {"x-amzn-ErrorType": "LimitExceededException:http://x"}, b"{}")
    async with http_server(answer) as server, open_http() as http:
        chosen = settings(server.url, "ses")
        mail = EmailService(chosen, SesDelivery(chosen, http), records)
        with pytest.raises(TransientMailError, match="LimitExceededException"):
            await mail.send(hello())


@pytest.mark.parametrize("kind", ["ses", "sendgrid"])
async def test_provider_that_is_away_leaves_no_doubt(
    open_http: Callable[[], Any], records: MemoryRecords, dead: str, kind: str
) -> None:
    async with open_http() as http:
        chosen = settings(f"http://{dead.partition('//')[2]}", kind)
        build = SesDelivery if kind == "ses" else SendGridDelivery
        mail = EmailService(chosen, build(chosen, http), records)
        with pytest.raises(TransientMailError) as raised:
            await mail.send(hello())
        assert not raised.value.in_doubt
        with pytest.raises(PermanentMailError, match="UTF-8"):
            await mail.send(hello(recipients=("änn@example.com",), idempotency_key="utf8"))


@pytest.mark.parametrize(
    ("kind", "path"), [("ses", "/v2/email/account"), ("sendgrid", "/v3/scopes")]
)
async def test_check_asks_something_harmless(
    http_server: Start, open_http: Callable[[], Any], records: MemoryRecords, kind: str, path: str
) -> None:
    async with http_server((200, {}, json.dumps({}).encode())) as server, open_http() as http:
        chosen = settings(server.url, kind)
        build = SesDelivery if kind == "ses" else SendGridDelivery
        await EmailService(chosen, build(chosen, http), records).check()
    assert server.requests[0][0] == f"GET {path} HTTP/1.1"


def test_no_secret_is_shown() -> None:
    shown = repr(settings("http://127.0.0.1:1", "ses"))
    shown += repr(Credentials("id", "canary", "canary"))
    assert not any(secret in shown for secret in (*SECRETS.values(), "canary"))
