# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The shared store while its server cannot be asked; with a real one the template's tests do."""

from __future__ import annotations

import asyncio

import pytest
from starlette.applications import Starlette

from central_services.middleware.rate_limit.quota import Quota
from central_services.middleware.rate_limit.store import SharedStore
from central_services.middleware.security import RateLimitMiddleware

pytestmark = pytest.mark.anyio


async def statuses(call, app, count: int) -> list[int]:
    return [(await call.send(app)).status for _ in range(count)]


async def test_without_its_server_each_process_counts_for_itself(call, echo, lines, dead) -> None:
    app = RateLimitMiddleware(echo, 2, url=dead)
    assert await statuses(call, app, 4) == [200, 200, 429, 429]


async def test_without_its_server_all_may_be_allowed(call, echo, lines, dead) -> None:
    app = RateLimitMiddleware(echo, 2, url=dead, on_store_failure="allow")
    assert await statuses(call, app, 4) == [200] * 4


async def test_without_its_server_all_may_be_denied(call, echo, lines, dead) -> None:
    app = RateLimitMiddleware(echo, 2, url=dead, on_store_failure="deny")
    answer = await call.send(app)
    assert answer.status == 503
    assert answer.problem["title"] == "Service Unavailable"
    assert int(answer.headers["retry-after"]) >= 1
    assert echo.seen == []


async def test_the_failure_is_logged_once(call, echo, lines, dead) -> None:
    await statuses(call, RateLimitMiddleware(echo, 2, url=dead), 4)
    (line,) = [line for line in lines.all() if line["event"] == "rate_limit_store_down"]
    assert line["level"] == "warning"


async def test_a_server_that_hangs_costs_one_timeout_per_pause(lines, silent, clock) -> None:
    store = SharedStore(silent, "token-bucket", timeout_s=0.05, clock=clock)
    quota = Quota("q", 1)

    async def ask(count: int) -> None:
        waiting = (store.outcome("k", quota) for _ in range(count))
        assert await asyncio.gather(*waiting) == [None] * count

    await ask(10)
    assert store.retry_after == 1
    await ask(1_000)  # each that asked the server would double the pause
    assert store.retry_after == 1
    clock.now += 1
    await ask(10)
    assert store.retry_after == 2
    await store.aclose()


async def test_the_store_is_closed_before_the_application_stops(call, lines, dead) -> None:
    app = Starlette()
    app.add_middleware(RateLimitMiddleware, url=dead)
    async with app.router.lifespan_context(app):
        assert (await call.send(app)).status == 404
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = []

    async def receive():
        return messages.pop(0)

    async def send(message) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
