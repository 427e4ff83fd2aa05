# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One load, however many ask; what happens to it happens to all who wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

pytestmark = pytest.mark.anyio


class Loader:
    """Loads when it is told to, and counts."""

    def __init__(self, value: object) -> None:
        self.value = value
        self.calls = 0
        self.go = asyncio.Event()
        self.begun = asyncio.Event()

    async def __call__(self):
        self.calls += 1
        self.begun.set()
        await self.go.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


@pytest.fixture
async def begin(cache, prices) -> Callable[..., list[asyncio.Task]]:
    def start(loader: Loader, count: int, key: str = "TEA") -> list[asyncio.Task]:
        return [asyncio.create_task(cache.get_or_set(prices, key, loader)) for _ in range(count)]

    return start


async def settled(*tasks: asyncio.Task) -> list:
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_thousand_callers_at_once_are_one_load(cache, prices, price, begin) -> None:
    loader = Loader(price(sku="TEA", cents=450))
    tasks = begin(loader, 1_000)
    await loader.begun.wait()
    loader.go.set()
    found = await settled(*tasks)
    assert loader.calls == 1
    assert found == [price(sku="TEA", cents=450)] * 1_000
    assert len({id(value) for value in found}) == 1_000, "nobody holds somebody else's object"
    assert cache.stats().total.loads == 1


async def test_different_keys_are_loaded_side_by_side(cache, prices, price, begin) -> None:
    loader = Loader(price(sku="any", cents=1))
    tasks = [task for n in range(20) for task in begin(loader, 3, f"key {n}")]
    loader.go.set()
    await settled(*tasks)
    assert loader.calls == 20


async def test_an_error_reaches_everybody_and_is_not_kept(cache, prices, price, begin) -> None:
    failing = Loader(LookupError("the price list is gone"))
    tasks = begin(failing, 50)
    await failing.begun.wait()
    failing.go.set()
    found = await settled(*tasks)
    assert failing.calls == 1
    assert [str(error) for error in found] == ["the price list is gone"] * 50
    working = Loader(price(sku="TEA", cents=1))
    working.go.set()
    assert await cache.get_or_set(prices, "TEA", working) == price(sku="TEA", cents=1)


async def test_a_cancelled_waiter_cancels_nobody_else(price, begin) -> None:
    loader = Loader(price(sku="TEA", cents=450))
    tasks = begin(loader, 10)
    await loader.begun.wait()
    tasks[5].cancel()
    (gone,) = await settled(tasks[5])
    loader.go.set()
    found = await settled(*tasks[:5], *tasks[6:])
    assert isinstance(gone, asyncio.CancelledError)
    assert found == [price(sku="TEA", cents=450)] * 9
    assert loader.calls == 1


async def test_when_the_one_who_loads_is_cancelled_another_begins_again(price, begin) -> None:
    loader = Loader(price(sku="TEA", cents=450))
    tasks = begin(loader, 10)
    await loader.begun.wait()
    loader.begun.clear()
    tasks[0].cancel()
    await settled(tasks[0])
    await loader.begun.wait()
    loader.go.set()
    assert await settled(*tasks[1:]) == [price(sku="TEA", cents=450)] * 9
    assert loader.calls == 2


async def test_nobody_joins_a_load_that_began_before_a_deletion(
    cache, prices, price, begin
) -> None:
    old = Loader(price(sku="TEA", cents=1))
    before = begin(old, 3)
    await old.begun.wait()
    await cache.delete(prices, "TEA")
    new = Loader(price(sku="TEA", cents=2))
    after = begin(new, 3)
    await new.begun.wait()
    new.go.set()
    assert await settled(*after) == [price(sku="TEA", cents=2)] * 3
    old.go.set()
    assert await settled(*before) == [price(sku="TEA", cents=1)] * 3
    assert await cache.get(prices, "TEA") == price(sku="TEA", cents=2), "the old one came last"


@pytest.mark.parametrize("change", ["set", "delete_namespace", "clear"])
async def test_a_load_that_a_change_overtook_is_not_stored(
    cache, prices, price, begin, change
) -> None:
    loader = Loader(price(sku="TEA", cents=1))
    tasks = begin(loader, 2)
    await loader.begun.wait()
    if change == "set":
        await cache.set(prices, "TEA", price(sku="TEA", cents=2))
    else:
        await (cache.clear() if change == "clear" else cache.delete_namespace(prices))
    loader.go.set()
    await settled(*tasks)
    left = await cache.get(prices, "TEA")
    assert left == (price(sku="TEA", cents=2) if change == "set" else None)
