# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Promises of the rate limit, held against random clients and a server that is down."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from central_services.middleware.security import RateLimitMiddleware

ALGORITHMS = ["token-bucket", "fixed-window", "sliding-window"]
# Milliseconds between requests: bursts, a steady trickle, and pauses of more than two windows.
PAUSES = st.lists(
    st.one_of(st.just(0), st.integers(0, 3_000), st.integers(0, 150_000)), min_size=1, max_size=60
)


class Clock:
    """Seconds that pass only when a test says so, in whole milliseconds."""

    def __init__(self) -> None:
        self.ms = 1_000_000_000

    def __call__(self) -> float:
        return self.ms / 1000


def limited(clock: Clock, limit: int, algorithm: str) -> Starlette:
    """Return an application that counts by a clock."""
    app = Starlette(routes=[Route("/hello", PlainTextResponse("hello"))])
    options: dict[str, Any] = {"algorithm": algorithm, "clock": clock}
    app.add_middleware(RateLimitMiddleware, limit, **options)
    return app


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15, deadline=None)
@given(limit=st.sampled_from([1, 2, 5, 7, 60]), pauses=PAUSES)
def test_retry_after_is_the_first_second_in_which_a_request_passes(
    ask, algorithm, limit, pauses
) -> None:
    clock = Clock()
    app = limited(clock, limit, algorithm)

    async def drive() -> None:
        for pause in pauses:
            clock.ms += pause
            while (reply := await ask(app)).status == 200:
                pass
            wait = int(reply.headers["retry-after"]) * 1000
            assert reply.headers["ratelimit"] == f'"default";r=0;t={wait // 1000}'
            # The second before does not do, by as much as the clock can tell.
            clock.ms += wait - 1_001
            assert wait == 1_000 or (await ask(app)).status == 429
            clock.ms += 1_001
            assert (await ask(app)).status == 200

    asyncio.run(drive())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(max_examples=15, deadline=None)
@given(limit=st.sampled_from([1, 2, 5, 7, 60]), pauses=PAUSES)
def test_as_many_requests_pass_as_the_last_answer_promised(ask, algorithm, limit, pauses) -> None:
    clock = Clock()
    app = limited(clock, limit, algorithm)

    async def drive() -> None:
        for pause in pauses[:20]:
            clock.ms += pause
            reply = await ask(app)
            if reply.status == 429:
                continue
            left = int(reply.headers["ratelimit"].partition(";r=")[2].partition(";")[0])
            for expected in range(left - 1, -1, -1):
                reply = await ask(app)
                assert f";r={expected};" in reply.headers["ratelimit"]
            assert (await ask(app)).status == 429

    asyncio.run(drive())


@pytest.mark.anyio
async def test_the_ipv6_form_of_an_address_has_no_limit_of_its_own(ask, secured) -> None:
    app = secured(rate_limit_rpm=1)
    assert (await ask(app, address="198.51.100.3")).status == 200
    assert (await ask(app, address="::ffff:198.51.100.3")).status == 429
    assert (await ask(app, address="::ffff:c633:6403")).status == 429


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/orders/hello", "/hello"], ids=["kept", "stripped"])
async def test_routes_and_exemptions_are_found_below_a_path_prefix(ask, secured, path) -> None:
    app = secured(rate_limit_rpm=5, rate_limit_routes={"/hello": 1})
    prefix = path.removesuffix("/hello")
    for expected in (200, 429):
        assert (await ask(app, path, root_path="/orders")).status == expected
    for _ in range(9):
        assert (await ask(app, f"{prefix}/health/live", root_path="/orders")).status == 200


@pytest.mark.anyio
async def test_a_refused_request_does_not_reach_the_application(ask, secured) -> None:
    seen: list[str] = []

    async def note(request):
        seen.append(request.url.path)
        return PlainTextResponse("noted")

    app = secured(Route("/note", note), rate_limit_rpm=2)
    for _ in range(5):
        await ask(app, "/note")
    assert len(seen) == 2


@pytest.fixture
def down() -> Iterator[str]:
    """The URL of a server that takes connections, and never answers any."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"redis://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.anyio
async def test_a_service_starts_and_answers_without_its_rate_limit_server(serve, down) -> None:
    async with serve(rate_limit={"url": down, "requests_per_minute": 2}) as api:
        answers = [(await api.get("/openapi.json")).status_code for _ in range(30)]
    assert answers == [200] * 2 + [429] * 28


@pytest.mark.anyio
async def test_a_service_that_denies_without_its_server_still_answers_probes(serve, down) -> None:
    options = {"url": down, "on_store_failure": "deny"}
    async with serve(rate_limit=options) as api:
        refused = await api.get("/openapi.json")
        assert refused.status_code == 503
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.headers["content-type"] == "application/problem+json"
        assert refused.headers["x-frame-options"] == "DENY"
        assert (await api.get("/health/live")).status_code == 200


@pytest.mark.anyio
async def test_what_is_allowed_without_its_server_promises_nothing(serve, down) -> None:
    options = {"url": down, "on_store_failure": "allow", "requests_per_minute": 1}
    async with serve(rate_limit=options) as api:
        for _ in range(3):
            answer = await api.get("/openapi.json")
            assert answer.status_code == 200
            assert "ratelimit" not in answer.headers
