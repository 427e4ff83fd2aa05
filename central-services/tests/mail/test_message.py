# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Messages as they are written, and that nothing in them can add a header."""

import email
import email.policy
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_services.mail import Attachment, Email
from central_services.mail.addresses import Mailbox
from central_services.mail.errors import InvalidEmailError
from central_services.mail.mime import Envelope, envelope_of, reference_of
from central_services.mail.text import text_of_html

# What means something in a header, and some that does not.
TEXT = st.text('ab =?_:;,.<>()@"\\\r\n\t\x00üß漢\u2028\U0001f600', max_size=40)
NOW = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)


def written(**fields: Any) -> Envelope:
    """Return a message, written; what is not given is some value."""
    defaults: dict[str, Any] = {"recipients": ("ann@example.com",), "subject": "S", "text": "T"}
    message = Email(**(defaults | fields))
    return envelope_of(
        message,
        sender=Mailbox.parse("Orders <orders@example.com>"),
        reply_to=message.reply_to,
        bounce_address=message.bounce_address,
        recipients=message.everybody(),
        reference=reference_of("k"),
        now=NOW,
    )


def parsed(envelope: Envelope) -> Any:
    """Return what a mail program would read."""
    return email.message_from_bytes(envelope.content, policy=email.policy.default)


def test_message_is_read_as_it_was_written() -> None:
    envelope = written(
        recipients=("Änn <ann@example.com>", "bob@exämple.com"),
        cc=("carl@example.com",),
        bcc=("dora@example.com",),
        subject="Grüße " + "x" * 200,
        text="Zeile 1\n.\nFrom here ü " + "y" * 2_000,
        reply_to="Desk <desk@example.com>",
        headers={"X-Order": "7"},
    )
    message = parsed(envelope)
    assert message["To"] == "Änn <ann@example.com>, bob@xn--exmple-cua.com"
    assert message["Cc"] == "carl@example.com"
    assert message["Bcc"] is None
    assert message["Subject"] == "Grüße " + "x" * 200
    assert message["Reply-To"] == "Desk <desk@example.com>"
    assert message["X-Order"] == "7"
    assert message["Date"].datetime == NOW
    lines = message.get_content().splitlines()
    assert lines == ["Zeile 1", ".", "From here ü " + "y" * 2_000]
    assert envelope.recipients == (
        "ann@example.com",
        "bob@xn--exmple-cua.com",
        "carl@example.com",
        "dora@example.com",
    )
    assert b"dora" not in envelope.content
    assert max(map(len, envelope.content.split(b"\r\n"))) < 998
    assert envelope.content.isascii()


def test_html_comes_with_text_pictures_and_files() -> None:
    envelope = written(
        text=None,
        html='<p>Hello <a href="https://example.com/o/7">order 7</a></p><img src="cid:logo">',
        attachments=(
            Attachment("logo.png", b"\x89PNG", "image/png", "logo"),
            Attachment("Überblick.pdf", b"%PDF-", "application/pdf"),
        ),
    )
    message = parsed(envelope)
    assert message.get_body(("plain",)).get_content().strip() == (
        "Hello order 7 (https://example.com/o/7)"
    )
    assert "cid:logo" in message.get_body(("html",)).get_content()
    names = {
        part.get_filename(): part.get_content() for part in message.walk() if part.get_filename()
    }
    assert names == {"logo.png": b"\x89PNG", "Überblick.pdf": b"%PDF-"}
    assert [part["Content-ID"] for part in message.walk() if part["Content-ID"]] == ["<logo>"]


def test_unsubscribing_is_offered_with_one_click() -> None:
    url = "https://example.com/u?t=1"
    message = parsed(written(unsubscribe_url=url, unsubscribe_mailto="leave@example.com"))
    assert message["List-Unsubscribe"] == f"<{url}>, <mailto:leave@example.com>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    plain = parsed(written(unsubscribe_url=url, unsubscribe_one_click=False))
    assert plain["List-Unsubscribe-Post"] is None
    with pytest.raises(InvalidEmailError, match="https"):
        written(unsubscribe_url="http://example.com/u")


def test_address_with_utf8_makes_a_message_that_needs_utf8() -> None:
    envelope = written(recipients=("änn@example.com",), subject="ü")
    assert envelope.needs_utf8
    assert "To: änn@example.com\r\n".encode() in envelope.content
    assert not written(recipients=("ann@exämple.com",)).needs_utf8


@pytest.mark.parametrize(
    "fields",
    [
        {"subject": "a\r\nBcc: eve@example.com"},
        {"subject": "a\u2028b"},
        {"subject": "a\x00"},
        {"subject": "a" * 1_000},
        {"headers": {"X-A": "1\nBcc: eve@example.com"}},
        {"headers": {"X-A\r\nBcc": "1"}},
        {"headers": {"Bcc": "eve@example.com"}},
        {"headers": {"From": "eve@example.com"}},
        {"headers": {"Content-Type": "text/html"}},
        {"headers": {"X A": "1"}},
        {"recipients": ()},
        {"recipients": "ann@example.com"},
        {"recipients": ("ann@example.com\r\nRCPT TO:<eve@example.com>",)},
        {"reply_to": "Ann\r\n <ann@example.com>"},
        {"bounce_address": "not an address"},
        {"unsubscribe_url": "https://example.com/\r\nBcc: eve@example.com"},
        {"unsubscribe_url": "https://example.com/> , <mailto:eve@example.com"},
        {"idempotency_key": ""},
        {"idempotency_key": "k" * 513},
        {"text": None},
    ],
)
def test_what_would_add_a_header_or_an_address_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEmailError) as error:
        written(**fields)
    assert "eve" not in str(error.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"filename": ""},
        {"filename": "../x"},
        {"filename": 'a"; x="b'},
        {"filename": "a\r\nb"},
        {"filename": "a", "media_type": "text/plain\r\nX: 1"},
        {"filename": "a", "content_id": "a>\r\nX: 1"},
    ],
)
def test_attachment_stays_inside_its_headers(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidEmailError):
        Attachment(content=b"", **fields)


@settings(max_examples=40, deadline=None)
@given(subject=TEXT, name=TEXT, value=TEXT)
def test_no_text_makes_another_header(subject: str, name: str, value: str) -> None:
    try:
        envelope = written(
            subject=subject, recipients=(f"{name} <ann@example.com>",), headers={"X-A": value}
        )
    except InvalidEmailError:
        return
    message = parsed(envelope)
    known = {"from", "to", "subject", "date", "message-id", "x-entity-ref-id", "x-a"}
    structure = {"mime-version", "content-type", "content-transfer-encoding"}
    assert {field.lower() for field in message} <= known | structure
    assert envelope.recipients == ("ann@example.com",)
    assert [box.addr_spec for box in message["To"].addresses] == ["ann@example.com"]


def test_text_of_html_has_what_a_reader_sees() -> None:
    html = (
        "<html><head><style>p{}</style><title>no</title></head><body><h1>Hi</h1><p>one<br>two"
        "</p><ul><li>a</li><li>b &amp; c</li></ul><script>x()</script><table><tr><td>1</td><td>2"
        '</td></tr></table><a href="javascript:x()">go</a> <img alt="a cat" src="x"></body>'
    )
    assert text_of_html(html) == "Hi\n\none\ntwo\n\n- a\n\n- b & c\n\n1 2\n\ngo a cat\n"
