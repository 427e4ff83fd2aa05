# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Request ids, traces and the access log."""

from __future__ import annotations

import asyncio
import io
import re

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Route

from central_services.middleware.request_context import RequestContextMiddleware
from central_services.utils.context import current_request, request_id
from central_services.utils.logging import flush, setup_logging

pytestmark = pytest.mark.anyio

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
PLAIN = re.compile(r"[A-Za-z0-9._-]{1,64}").fullmatch


def with_id(value: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request that brings an id."""
    return [(b"host", b"testserver"), (b"x-request-id", value)]


@pytest.mark.parametrize("value", [b"a", b"A-b_c.9", b"x" * 64, b"0" * 32])
async def test_a_plain_id_of_the_caller_is_used(ask, secured, lines, value) -> None:
    reply = await ask(secured(), headers=with_id(value))
    assert reply.headers.get_list("x-request-id") == [value.decode()]
    assert lines.one()["request_id"] == value.decode()


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b" ",
        b"two words",
        b"x" * 65,
        b"x" * 5000,
        b"a\nb",
        b"a\r\nset-cookie: x",
        b"end\n",
        b"caf\xc3\xa9",
        b"\xff\xfe",
        b"\x1b[2J",
        b"<script>",
        b"${jndi:ldap://x}",
        b"a/../b",
        b"'; --",
    ],
)
async def test_any_other_id_is_replaced(ask, secured, lines, value) -> None:
    reply = await ask(secured(), headers=with_id(value))
    (given,) = reply.headers.get_list("x-request-id")
    assert given.encode() != value
    assert PLAIN(given)
    assert lines.one()["request_id"] == given


async def test_two_ids_are_replaced(ask, secured) -> None:
    reply = await ask(secured(), headers=[*with_id(b"a"), (b"x-request-id", b"b")])
    assert reply.headers["x-request-id"] not in {"a", "b"}


async def test_every_request_gets_an_id_of_its_own(ask, secured) -> None:
    app = secured()
    ids = {(await ask(app)).headers["x-request-id"] for _ in range(100)}
    assert len(ids) == 100
    assert all(map(PLAIN, ids))


async def test_an_error_document_names_the_request(client_of, secured) -> None:
    async with client_of(secured(allowed_hosts=["other.example"])) as api:
        answer = await api.get("/hello", headers={"x-request-id": "abc"})
    assert answer.json()["request_id"] == "abc"


async def test_an_id_that_the_application_sends_is_kept(ask, secured) -> None:
    own = PlainTextResponse("own", headers={"x-request-id": "own"})
    reply = await ask(secured(Route("/own", own)), "/own", headers=with_id(b"abc"))
    assert reply.headers.get_list("x-request-id") == ["own"]


async def test_the_application_knows_the_request_and_nothing_remains_of_it(ask, secured) -> None:
    async def seen(_request):
        return JSONResponse(request_id())

    reply = await ask(secured(Route("/seen", seen)), "/seen", headers=with_id(b"abc"))
    assert reply.body == b'"abc"'
    assert current_request.get() is None


async def test_concurrent_requests_keep_their_ids_apart(ask, secured) -> None:
    async def seen(_request):
        before = request_id()
        await asyncio.sleep(0)
        return JSONResponse([before, request_id()])

    app = secured(Route("/seen", seen))
    names = [b"r%d" % number for number in range(20)]
    replies = await asyncio.gather(*(ask(app, "/seen", headers=with_id(n)) for n in names))
    for name, reply in zip(names, replies, strict=True):
        assert reply.body == b'["%b","%b"]' % (name, name)


@pytest.mark.parametrize(
    "value", [f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f"01-{TRACE}-{SPAN}-01-more"]
)
async def test_a_valid_trace_is_named_in_the_log(ask, secured, lines, value) -> None:
    await ask(secured(), headers=[(b"traceparent", value.encode())])
    assert lines.one()["trace_id"] == TRACE


@pytest.mark.parametrize(
    "value",
    [
        "",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01\n",
        f"01-{TRACE}-{SPAN}-01more",
        f"00-{TRACE[:-1]}-{SPAN}-01",
        "x" * 5000,
    ],
)
async def test_an_invalid_trace_is_ignored(ask, secured, lines, value) -> None:
    reply = await ask(secured(), headers=[(b"traceparent", value.encode())])
    assert reply.status == 200
    assert not lines.one().get("trace_id")


async def test_the_access_log_line_says_who_asked_for_what(ask, secured, lines) -> None:
    await ask(secured(), method="POST", headers=with_id(b"abc"))
    line = lines.one()
    assert line["duration_ms"] >= 0
    expected = {
        "event": "http_request",
        "level": "info",
        "logger": "access",
        "method": "POST",
        "path": "/hello",
        "status": 200,
        "client": "203.0.113.7",
        "request_id": "abc",
    }
    assert line.items() >= expected.items()


@pytest.mark.parametrize(
    ("path", "options", "status"),
    [
        ("/missing", {}, 404),
        ("/broken", {}, 500),
        ("/hello", {"allowed_hosts": ["other.example"]}, 400),
        ("/hello", {"enable_https_redirect": True}, 308),
    ],
)
async def test_an_error_has_one_line_too(ask, secured, lines, path, options, status) -> None:
    await ask(secured(**options), path)
    assert lines.one()["status"] == status


async def test_the_query_is_not_logged(ask, secured, lines) -> None:
    await ask(secured(), query=b"token=canary-7")
    assert lines.one()["path"] == "/hello"
    assert "canary-7" not in lines.getvalue()


async def test_a_long_path_is_cut(ask, secured, lines) -> None:
    await ask(secured(), "/" + "x" * 5000)
    assert lines.one()["path"] == "/" + "x" * 1023


HOSTILE = ["/a\r\nevent=fake", "/\x1b[2J\x1b]0;x\x07", "/\u202egnp.exe", "/\x00\x7f\x9b\u2028"]


@pytest.mark.parametrize("json_logs", [True, False], ids=["json", "console"])
@pytest.mark.parametrize("path", HOSTILE, ids=["break", "escape", "bidirectional", "controls"])
async def test_no_control_character_of_a_request_reaches_the_log(
    ask, secured, lines, path, json_logs
) -> None:
    stream = io.StringIO()
    setup_logging(json_logs=json_logs, stream=stream)
    headers = [(b"host", b"testserver"), (b"x-forwarded-for", b"\x1b[2J")]
    await ask(secured(), path, method="GE\nT\x1b[0m", headers=headers, address="a\r\nb\x1b[1m")
    flush()
    text = stream.getvalue()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()
    assert "http_request" in text


async def test_a_peer_without_an_address_is_named_for_its_socket(ask, secured, lines) -> None:
    await ask(secured(), address=None)
    assert lines.one()["client"] == "unix"


async def test_a_streamed_answer_has_one_line_when_it_ends(ask, secured, lines) -> None:
    counts: list[int] = []

    async def parts():
        for part in ("a", "b", "c"):
            counts.append(len(lines.all("http_request")))
            yield part

    async def stream(_request):
        return StreamingResponse(parts())

    reply = await ask(secured(Route("/stream", stream)), "/stream", parts=[b"", b""])
    assert reply.body == b"abc"
    assert counts == [0, 0, 0]
    assert lines.one()["status"] == 200


async def test_nothing_is_logged_above_its_level(ask, secured) -> None:
    stream = io.StringIO()
    setup_logging("WARNING", json_logs=True, stream=stream)
    await ask(secured())
    flush()
    setup_logging()
    assert stream.getvalue() == ""


async def test_the_middleware_stands_alone(ask, lines) -> None:
    app = Starlette(routes=[Route("/page", PlainTextResponse("page"))])
    app.add_middleware(RequestContextMiddleware, trusted_proxies=["203.0.113.0/24"])
    headers = [*with_id(b"abc"), (b"x-forwarded-for", b"198.51.100.1")]
    reply = await ask(app, "/page", headers=headers)
    assert reply.headers["x-request-id"] == "abc"
    assert lines.one()["client"] == "198.51.100.1"
