# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The limit on request bodies."""

from __future__ import annotations

from contextlib import suppress

import pytest
from fastapi import FastAPI, Request
from starlette.applications import Starlette

from central_services.core.errors import install_error_handlers
from central_services.middleware.security import add_security_middleware

CHUNKED = ("Transfer-Encoding", "chunked")


def around(inner) -> Starlette:
    app = Starlette()
    app.mount("/", inner)
    add_security_middleware(app, max_body_bytes=10)
    return app


def test_a_body_that_declares_too_much_is_not_read(call, echo, lines) -> None:
    answer = call(around(echo), method="POST", headers=[("Content-Length", "11")], body=[b"x" * 11])
    assert answer.status == 413
    assert answer.problem["detail"] == "The body is larger than 10 bytes."
    assert answer.headers["connection"] == "close"
    assert echo.seen == []


@pytest.mark.parametrize("length", ["x", "-1", "1, 1", "", "9" * 5_000])
def test_a_length_that_is_none_is_refused(call, echo, lines, length) -> None:
    answer = call(around(echo), method="POST", headers=[("Content-Length", length)])
    assert answer.status in {400, 413}
    assert echo.seen == []


def test_a_body_of_exactly_the_limit_passes(call, echo, lines) -> None:
    for headers in ([("Content-Length", "10")], [CHUNKED]):
        answer = call(around(echo), method="POST", headers=headers, body=[b"12345", b"67890"])
        assert answer.status == 200
        assert answer.body == b"1234567890"


def test_a_chunked_body_is_counted_and_never_looks_complete(call, echo, lines) -> None:
    answer = call(around(echo), method="POST", headers=[CHUNKED], body=[b"12345"] * 3)
    assert answer.status == 413
    assert answer.problem["status"] == 413
    assert echo.bodies == []
    assert len(answer.messages) == 2


def test_a_body_of_http_2_is_counted_without_being_announced(call, echo, lines) -> None:
    answer = call(around(echo), method="POST", http_version="2", body=[b"x" * 11])
    assert answer.status == 413
    assert "connection" not in answer.headers


def test_an_application_that_swallows_the_error_cannot_answer(call, lines) -> None:
    async def stubborn(_scope, receive, send) -> None:
        for _ in range(4):
            with suppress(Exception):  # what a careless application does
                await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"all of it"})

    answer = call(around(stubborn), method="POST", headers=[CHUNKED], body=[b"12345"] * 3)
    assert answer.status == 413
    assert b"all of it" not in answer.body


def test_fastapi_reports_413_rather_than_a_parsing_error(call, lines) -> None:
    app = FastAPI()
    install_error_handlers(app)

    @app.post("/items")
    async def create(body: dict[str, str]) -> int:
        return len(body)

    add_security_middleware(app, max_body_bytes=10)
    headers = [CHUNKED, ("Content-Type", "application/json")]
    answer = call(app, "/items", "POST", headers=headers, body=[b'{"a":', b'"' + b"x" * 20 + b'"}'])
    assert answer.status == 413
    assert [line["status"] for line in lines.access()] == [413]
    assert [line for line in lines.all() if line["event"] == "unhandled_exception"] == []


def test_a_response_that_has_started_is_cut_off(call, lines) -> None:
    app = FastAPI()

    async def talkative(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        async for part in Request(scope, receive).stream():
            await send({"type": "http.response.body", "body": part, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    app.mount("/", talkative)
    add_security_middleware(app, max_body_bytes=10)
    answer = call(app, "/", "POST", headers=[CHUNKED], body=[b"12345"] * 3)
    assert answer.status == 200
    assert answer.messages[-1]["more_body"] is True
