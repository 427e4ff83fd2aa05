# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The whole edge, as `add_security_middleware` puts it around an application."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi import FastAPI, HTTPException
from fastapi.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from central_services.core.errors import install_error_handlers
from central_services.middleware.security import (
    SecurityHeadersMiddleware,
    SSRFPreventionMiddleware,
    add_security_middleware,
)

HEADERS = {
    "content-security-policy",
    "cross-origin-opener-policy",
    "cross-origin-resource-policy",
    "permissions-policy",
    "referrer-policy",
    "strict-transport-security",
    "x-content-type-options",
    "x-frame-options",
    "x-request-id",
}
ORIGIN = ("Origin", "https://app.example.com")
PREFLIGHT = (ORIGIN, ("Access-Control-Request-Method", "POST"))


def guarded(**options: Any) -> FastAPI:
    app = FastAPI()
    install_error_handlers(app)

    @app.get("/items/{number}")
    async def item(number: int) -> int:
        return number

    @app.post("/items")
    async def create(body: dict[str, str]) -> int:
        return len(body)

    @app.get("/health/live")
    async def live() -> str:
        return "ok"

    @app.get("/fails")
    async def fails() -> None:
        msg = "a secret detail"
        raise RuntimeError(msg)

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418)

    defaults: dict[str, Any] = {
        "allowed_origins": ["https://app.example.com"],
        "allowed_hosts": ["api.example.com"],
        "hsts_always": True,
        "max_body_bytes": 100,
    }
    add_security_middleware(app, **(defaults | options))
    return app


@pytest.mark.parametrize(
    ("status", "request_"),
    [
        (200, {"path": "/items/1"}),
        (204, {"path": "/items", "method": "OPTIONS", "headers": PREFLIGHT}),
        (400, {"path": "/items/1", "query": "u=http://10.0.0.1/"}),
        (400, {"path": "/items/1", "headers": [("Host", "evil.example")]}),
        (404, {"path": "/nothing"}),
        (405, {"path": "/items/1", "method": "DELETE"}),
        (413, {"path": "/items", "method": "POST", "headers": [("Content-Length", "101")]}),
        (418, {"path": "/teapot"}),
        (422, {"path": "/items/x"}),
        (500, {"path": "/fails"}),
    ],
)
def test_every_response_has_every_header(call, lines, status, request_) -> None:
    answer = call(guarded(), **request_)
    assert answer.status == status
    assert answer.headers.keys() >= HEADERS
    assert [line["status"] for line in lines.access()] == [status]


def test_a_limited_response_has_every_header_and_the_cors_headers(call, lines) -> None:
    app = guarded(rate_limit_rpm=1)
    call(app, "/items/1")
    answer = call(app, "/items/1", headers=[ORIGIN])
    assert answer.status == 429
    assert answer.headers.keys() >= HEADERS
    assert answer.headers["access-control-allow-origin"] == "https://app.example.com"
    assert answer.problem["request_id"] == answer.headers["x-request-id"]
    assert [line["status"] for line in lines.access()] == [200, 429]


def test_a_redirect_has_every_header(call, lines) -> None:
    answer = call(guarded(enable_https_redirect=True), "/items/1")
    assert answer.status == 308
    assert answer.headers.keys() >= HEADERS


def test_errors_have_cors_headers(call, lines) -> None:
    for path in ("/fails", "/nothing", "/items/x"):
        answer = call(guarded(), path, headers=[ORIGIN])
        assert answer.headers["access-control-allow-origin"] == "https://app.example.com"


def test_preflights_are_never_limited(call, lines) -> None:
    app = guarded(rate_limit_rpm=1)
    answers = [call(app, "/items", "OPTIONS", headers=PREFLIGHT) for _ in range(20)]
    assert {answer.status for answer in answers} == {204}


def test_switches_switch_off(call, lines) -> None:
    app = guarded(enable_rate_limiting=False, enable_ssrf_prevention=False, rate_limit_rpm=1)
    for _ in range(3):
        answer = call(app, "/items/1", query="u=http://10.0.0.1/")
        assert answer.status == 200
        assert "ratelimit" not in answer.headers


def test_hosts_origins_and_body_limit_are_off_when_empty(call, lines) -> None:
    app = guarded(allowed_hosts=None, allowed_origins=None, max_body_bytes=0)
    length = ("Content-Length", "300")
    body = b'{"a": "' + b"x" * 291 + b'"}'
    header = [("Host", "any.example"), ("Content-Type", "application/json"), length, ORIGIN]
    answer = call(app, "/items", "POST", headers=header, body=[body])
    assert answer.status == 200
    assert "access-control-allow-origin" not in answer.headers
    assert "vary" not in answer.headers


def test_the_framework_and_its_test_client_see_an_ordinary_application(lines) -> None:
    with TestClient(guarded(), base_url="http://api.example.com") as client:
        assert client.get("/items/7").json() == 7
        assert client.get("/fails").json()["title"] == "Internal Server Error"


def test_it_cannot_be_added_to_a_running_application(lines) -> None:
    app = guarded()
    with TestClient(app, base_url="http://api.example.com") as client:
        client.get("/items/7")
        with pytest.raises(RuntimeError):
            add_security_middleware(app)


def test_headers_work_alone(call, echo) -> None:
    answer = call(SecurityHeadersMiddleware(echo, hsts_always=True))
    assert answer.headers.keys() == HEADERS - {"x-request-id"}


def test_the_ssrf_filter_works_alone(call, echo) -> None:
    app = SSRFPreventionMiddleware(echo)
    assert call(app, query="u=http://127.0.0.1/").status == 400
    assert call(app, query="u=https://example.com/").status == 200


def test_a_websocket_of_another_host_is_refused(lines) -> None:
    app = guarded()

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("hello")
        await socket.close()

    with (
        TestClient(app) as client,
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("ws://evil.example/ws"),
    ):
        pass
    with (
        TestClient(app) as client,
        client.websocket_connect("ws://api.example.com/ws") as socket,
    ):
        assert socket.receive_text() == "hello"
    assert [line["status"] for line in lines.access()] == [403, 101]
