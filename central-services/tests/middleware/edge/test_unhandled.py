# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Requests that do not end well: unhandled exceptions, and clients that go away."""

from __future__ import annotations

import asyncio

import pytest
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Route

from central_services.utils.context import request_id

pytestmark = pytest.mark.anyio

CLIENT_CLOSED_REQUEST = 499


class Tracer:
    """A tracer that writes down what it is told."""

    def __init__(self, *, sampled: bool = True) -> None:
        self.sampled = sampled
        self.told: list[tuple[object, ...]] = []

    def start(self, scope) -> object | None:
        self.told.append(("start", scope["path"]))
        return "trace" if self.sampled else None

    def finish(self, trace, scope, status) -> None:
        route = scope.get("route")
        self.told.append(("finish", trace, status, route and route.path))

    def capture(self, error, scope) -> None:
        self.told.append(("capture", scope["path"], error, bool(request_id())))


async def test_an_unhandled_exception_is_a_problem_that_gives_nothing_away(ask, secured) -> None:
    reply = await ask(secured(), "/broken")
    assert reply.status == 500
    assert reply.error is None
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-content-type-options"] == "nosniff"
    assert reply.headers["x-request-id"].encode() in reply.body
    assert b"secret" not in reply.body
    assert b"RuntimeError" not in reply.body


async def test_an_unhandled_exception_has_one_error_line(ask, secured, lines) -> None:
    reply = await ask(secured(), "/broken")
    line = lines.one("unhandled_exception")
    assert (line["level"], line["method"], line["path"]) == ("error", "GET", "/broken")
    assert line["request_id"] == reply.headers["x-request-id"]
    assert "RuntimeError" in str(line)
    assert lines.one("http_request")["status"] == 500
    assert len(lines.all()) == 2


async def test_the_tracer_is_told_once_while_the_request_is_known(ask, secured) -> None:
    error = RuntimeError()

    async def fail(_request):
        raise error

    tracer = Tracer()
    await ask(secured(Route("/fail", fail), tracer=tracer), "/fail")
    assert tracer.told == [
        ("start", "/fail"),
        ("capture", "/fail", error, True),
        ("finish", "trace", 500, "/fail"),
    ]


async def test_the_tracer_hears_of_a_request_that_went_well(ask, secured) -> None:
    tracer = Tracer()
    await ask(secured(tracer=tracer))
    assert tracer.told == [("start", "/hello"), ("finish", "trace", 200, "/hello")]


async def test_a_request_that_is_not_sampled_is_captured_all_the_same(ask, secured) -> None:
    tracer = Tracer(sampled=False)
    await ask(secured(tracer=tracer), "/broken")
    assert [what for what, *_ in tracer.told] == ["start", "capture"]


async def test_debug_shows_the_exception_and_its_traceback(client_of, secured) -> None:
    async with client_of(secured(debug=True)) as api:
        answer = await api.get("/broken")
    problem = answer.json()
    assert answer.status_code == 500
    assert "the secret ingredient" in problem["detail"]
    assert any("in broken" in frame for frame in problem["traceback"])


async def test_an_exception_after_the_start_is_left_to_the_server(ask, secured, lines) -> None:
    async def parts():
        yield "a"
        message = "half-way"
        raise RuntimeError(message)

    async def half(_request):
        return StreamingResponse(parts())

    tracer = Tracer()
    app = secured(Route("/half", half), tracer=tracer)
    reply = await ask(app, "/half", parts=[b"", b""])
    # The server closes the connection, which tells the client that the answer is not whole.
    assert reply.error is not None
    assert reply.status == 200
    assert not reply.is_complete
    assert len(lines.all("unhandled_exception")) == 1
    assert lines.one("http_request")["status"] == 200
    assert [what for what, *_ in tracer.told] == ["start", "capture", "finish"]


async def test_a_client_that_goes_away_while_sending_is_no_error(ask, secured, lines) -> None:
    tracer = Tracer()
    reply = await ask(secured(tracer=tracer), "/take", method="POST", parts=[b"part", None])
    assert reply.error is None
    assert reply.sent == []
    assert lines.one("http_request")["status"] == CLIENT_CLOSED_REQUEST
    assert len(lines.all()) == 1
    assert tracer.told == [("start", "/take"), ("finish", "trace", 0, "/take")]


async def test_a_request_that_is_cancelled_is_logged(ask, secured, lines) -> None:
    entered = asyncio.Event()

    async def wait(_request):
        entered.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(ask(secured(Route("/wait", wait)), "/wait"))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines.one("http_request")["status"] == CLIENT_CLOSED_REQUEST


async def test_what_an_exception_holds_of_the_request_is_made_safe(ask, secured, lines) -> None:
    async def fail(_request):
        raise RuntimeError

    await ask(secured(Route("/{name}", fail)), "/a\nb\x1b[2J")
    assert lines.one("unhandled_exception")["path"] == r"/a\nb\x1b[2J"


async def test_the_application_serves_on_after_a_failure(ask, secured) -> None:
    app = secured()
    assert (await ask(app, "/broken")).status == 500
    assert (await ask(app, "/hello")).status == 200


async def test_the_tracer_sees_the_route_that_served(ask, secured) -> None:
    tracer = Tracer()
    app = secured(Route("/things/{name}", PlainTextResponse("thing")), tracer=tracer)
    await ask(app, "/things/7")
    await ask(app, "/nothing")
    finished = [said for said in tracer.told if said[0] == "finish"]
    assert finished == [("finish", "trace", 200, "/things/{name}"), ("finish", "trace", 404, None)]
