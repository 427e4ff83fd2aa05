# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The opening handshake of a WebSocket goes through the same door."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.types import Message
from starlette.websockets import WebSocket

from central_services.middleware.security import add_security_middleware
from central_services.utils.context import request_id

pytestmark = pytest.mark.anyio


async def talk(socket: WebSocket) -> None:
    """Say which request this is."""
    await socket.accept()
    await socket.send_text(request_id())
    await socket.close()


async def fail(socket: WebSocket) -> None:
    """Fail after the handshake."""
    await socket.accept()
    raise RuntimeError


def app(**options) -> Starlette:
    """Return an application with two WebSockets."""
    inner = Starlette(routes=[WebSocketRoute("/talk", talk), WebSocketRoute("/fail", fail)])
    add_security_middleware(inner, **options)
    return inner


async def shake(inner: Starlette, path: str = "/talk", *headers: tuple[bytes, bytes]):
    """Open a WebSocket as a server does, and return what was sent."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "http_version": "1.1",
        "scheme": "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"testserver"), *headers],
        "client": ("203.0.113.7", 50_000),
        "server": ("testserver", 80),
        "subprotocols": [],
    }
    await inner(scope, receive, send)
    return sent


async def test_a_websocket_has_a_request_id_and_a_log_line(lines) -> None:
    sent = await shake(app(), "/talk", (b"x-request-id", b"abc"))
    assert [message["type"] for message in sent] == [
        "websocket.accept",
        "websocket.send",
        "websocket.close",
    ]
    assert sent[1]["text"] == "abc"
    line = lines.one()
    expected = {"method": "WEBSOCKET", "path": "/talk", "status": 101, "client": "203.0.113.7"}
    assert line.items() >= expected.items()
    assert line["request_id"] == "abc"
    assert request_id() == ""


@pytest.mark.parametrize(
    "options",
    [{"allowed_hosts": ["api.example.com"]}, {"rate_limit_rpm": 1}],
    ids=["host", "limit"],
)
async def test_a_refused_handshake_is_closed_before_it_is_accepted(lines, options) -> None:
    inner = app(**options)
    await shake(inner)
    (closed,) = await shake(inner)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    assert closed["reason"]
    assert lines.all("http_request")[-1]["status"] == 403


async def test_a_failing_websocket_is_logged_and_left_to_the_server(lines) -> None:
    with pytest.raises(RuntimeError):
        await shake(app(), "/fail")
    assert lines.one("unhandled_exception")["path"] == "/fail"
    assert len(lines.all("http_request")) == 1
    assert request_id() == ""
