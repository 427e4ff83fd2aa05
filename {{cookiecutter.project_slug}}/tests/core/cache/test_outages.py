# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Without its server the cache is slower, never wrong and never loud; a real one is in the template's tests."""

from __future__ import annotations

import asyncio

import pytest

pytestmark = pytest.mark.anyio


class Load:
    """The slow way to a value."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.calls = 0

    async def __call__(self) -> object:
        self.calls += 1
        await asyncio.sleep(0)
        return self.value


@pytest.fixture
def load(price) -> Load:
    return Load(price(sku="TEA", cents=450))


async def back(cache) -> None:
    """Wait until the server, which is asked in the background, is in use again."""
    async with asyncio.timeout(20):
        while not cache.stats().available:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(0)


async def test_without_its_server_every_value_is_loaded(make, prices, price, load, dead) -> None:
    cache = make(url=dead)
    for _ in range(3):
        assert await cache.get_or_set(prices, "TEA", load) == price(sku="TEA", cents=450)
    assert load.calls == 3
    assert not await cache.set(prices, "TEA", price(sku="TEA", cents=1))
    await cache.delete(prices, "TEA")
    await cache.delete_namespace(prices)
    assert await cache.clear() == 0
    stats = cache.stats()
    assert stats.errors > 0
    assert not stats.available
    await cache.aclose()


async def test_without_its_server_callers_still_share_a_load(make, prices, load, dead) -> None:
    cache = make(url=dead)
    await asyncio.gather(*(cache.get_or_set(prices, "TEA", load) for _ in range(500)))
    assert load.calls == 1
    await cache.aclose()


async def test_the_failure_is_logged_once_and_without_the_password(
    make, prices, load, dead, lines
) -> None:
    cache = make(url=dead.replace("://", "://user:s3cr3t@"))
    for _ in range(5):
        await cache.get_or_set(prices, "TEA", load)
    await cache.aclose()
    assert len(lines.events("cache_server_down")) == 1
    assert "s3cr3t" not in lines.stream.getvalue()


async def test_a_server_that_hangs_costs_one_timeout_for_all_who_ask(
    make, prices, load, silent, lines
) -> None:
    cache = make(url=silent, timeout_s=0.05)
    await asyncio.gather(*(cache.get(prices, str(n)) for n in range(300)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n in range(300):  # one after the other: if each waited, this would take 15 s
        await cache.get(prices, str(n))
    assert loop.time() - began < 5
    assert len(lines.events("cache_server_down")) == 1
    await cache.aclose()


async def test_a_server_that_is_back_is_used_again(
    make, prices, price, clock, lines, lying
) -> None:
    cache = make(url=lying.url, timeout_s=20)
    lying.up = False
    assert not await cache.set(prices, "TEA", price(sku="TEA", cents=1))
    lying.up = True
    assert not await cache.set(prices, "TEA", price(sku="TEA", cents=1)), (
        "it is left alone at first"
    )
    clock.now += 0.5
    await cache.get(prices, "TEA")
    await back(cache)
    assert await cache.set(prices, "TEA", price(sku="TEA", cents=2))
    await cache.aclose()
    events = [line["event"] for line in lines.all() if line["event"].startswith("cache_server")]
    assert events == ["cache_server_down", "cache_server_up"]


async def test_what_was_deleted_meanwhile_is_deleted_before_the_server_is_used(
    make, prices, price, clock, lying
) -> None:
    cache = make(url=lying.url, timeout_s=20)
    await cache.set(prices, "TEA", price(sku="TEA", cents=1))
    lying.up = False
    await cache.delete(prices, "TEA")
    await cache.delete_namespace(prices)
    lying.up = True
    lying.commands.clear()
    clock.now += 0.5
    await cache.get(prices, "TEA")
    await back(cache)
    await cache.get(prices, "TEA")
    await cache.aclose()
    names = [command[0].upper() for command in lying.commands]
    assert names.index(b"DEL") < names.index(b"MGET")
    assert names.index(b"SET") < names.index(b"MGET")


async def test_of_many_deletions_only_the_namespace_is_remembered(
    make, prices, clock, lying
) -> None:
    cache = make(url=lying.url, timeout_s=20)
    lying.up = False
    for n in range(1_500):
        await cache.delete(prices, f"key {n}")
    lying.up = True
    lying.commands.clear()
    clock.now += 0.5
    await cache.get(prices, "TEA")
    await back(cache)
    await cache.aclose()
    (renewed,) = [c for c in lying.commands if c[0].upper() == b"SET"]
    assert renewed[1] == b"{s:test:1}:g:prices:1"
    deleted = [c for c in lying.commands if c[0].upper() == b"DEL"]
    assert all(len(command) < 1_002 for command in deleted)


async def test_a_command_that_the_server_refuses_is_a_miss_and_no_outage(
    make, prices, price, lying, lines
) -> None:
    cache = make(url=lying.url, timeout_s=20)
    lying.refuses = b"EVAL"
    for _ in range(3):
        assert not await cache.set(prices, "TEA", price(sku="s3cr3t", cents=1))
    assert cache.stats().available
    assert len(lines.events("cache_command_refused")) == 1
    assert "s3cr3t" not in lines.stream.getvalue()
    await cache.aclose()


async def test_a_cache_can_be_used_by_one_event_loop_after_the_other(
    make, prices, price, dead
) -> None:
    cache = make(url=dead)

    def elsewhere() -> object:
        return asyncio.run(cache.get(prices, "TEA", "none"))

    assert await cache.get(prices, "TEA", "none") == "none"
    assert await asyncio.to_thread(elsewhere) == "none"
