# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the cache promises about values, times and counters."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, computed_field

from {{ cookiecutter.project_slug }}.core.cache import CacheClient, CacheSettings, Namespace

pytestmark = pytest.mark.anyio


def loading(value: object, calls: list[object]) -> Callable:
    async def load():
        calls.append(value)
        return value

    return load


async def test_what_was_set_is_found_until_its_time_is_over(cache, prices, price, clock) -> None:
    assert await cache.get(prices, "TEA") is None
    assert await cache.set(prices, "TEA", price(sku="TEA", cents=450))
    clock.now += 59.9
    assert await cache.get(prices, "TEA") == price(sku="TEA", cents=450)
    clock.now += 0.1
    assert await cache.get(prices, "TEA") is None


async def test_a_value_can_have_a_time_of_its_own(cache, prices, price, clock) -> None:
    await cache.set(prices, "TEA", price(sku="TEA", cents=450), ttl_s=5)
    clock.now += 5
    assert await cache.get(prices, "TEA", "none") == "none"


async def test_a_found_value_is_nobody_elses(cache, price) -> None:
    lists = Namespace("lists", list[int])
    mine = await cache.get_or_set(lists, "k", loading([1, 2], []))
    mine.append(3)
    assert await cache.get(lists, "k") == [1, 2]


async def test_a_miss_returns_the_type_that_a_hit_returns(cache, prices, price) -> None:
    subclass = type("Cheap", (price,), {})
    calls: list[object] = []
    load = loading(subclass(sku="TEA", cents=1), calls)
    types = [type(await cache.get_or_set(prices, "TEA", load)) for _ in range(2)]
    assert types == [price, price]
    assert len(calls) == 1


class Deal(BaseModel):
    """Everything that survives only when names, types and computed fields are looked after."""

    id: UUID
    at: datetime = Field(alias="createdAt", serialization_alias="created_on")
    amount: Decimal
    tags: frozenset[str]
    raw: bytes

    @computed_field  # type: ignore[prop-decorator]  # pydantic's own way
    @property
    def twice(self) -> Decimal:
        return self.amount * 2


async def test_models_come_back_as_they_were(cache) -> None:
    deals = Namespace("deals", dict[str, list[Deal]])
    deal = Deal(
        id=UUID(int=7),
        createdAt=datetime(2026, 1, 2, tzinfo=UTC),
        amount=Decimal("0.10"),
        tags=frozenset({"a", "ü"}),
        raw=b"bytes",
    )
    await cache.set(deals, "k", {"x": [deal]})
    assert await cache.get(deals, "k") == {"x": [deal]}


async def test_that_there_is_none_is_remembered_for_a_shorter_time(cache, prices, clock) -> None:
    calls: list[object] = []
    for _ in range(3):
        assert await cache.get_or_set(prices, "GONE", loading(None, calls)) is None
    assert len(calls) == 1
    assert await cache.get(prices, "GONE", "unknown") is None
    clock.now += 5
    assert await cache.get(prices, "GONE", "unknown") == "unknown"


async def test_that_there_is_none_is_not_remembered_unless_asked(cache, price) -> None:
    plain = Namespace("plain", price)
    calls: list[object] = []
    for _ in range(3):
        assert await cache.get_or_set(plain, "GONE", loading(None, calls)) is None
    assert len(calls) == 3
    assert not await cache.set(plain, "GONE", None)


async def test_times_are_spread_and_never_longer_than_asked(prices, price, clock) -> None:
    fractions = iter([0.0, 0.5, 1.0])
    cache = CacheClient(
        CacheSettings(ttl_jitter=0.5), clock=clock, fraction=lambda: next(fractions)
    )
    for key in "abc":
        await cache.set(prices, key, price(sku=key, cents=1))
    left = []
    for second in (29.9, 0.2, 14.9, 14.9, 0.2):
        clock.now += second
        left.append([key for key in "abc" if await cache.get(prices, key)])
    assert left == [["a", "b", "c"], ["a", "b"], ["a"], ["a"], []]


async def test_namespaces_and_their_versions_are_apart(cache, prices, price) -> None:
    await cache.set(prices, "TEA", price(sku="TEA", cents=1))
    for other in (Namespace("stock", price), Namespace("prices", price, version=2)):
        assert await cache.get(other, "TEA") is None
        await cache.delete_namespace(other)
    assert await cache.get(prices, "TEA")
    await cache.delete_namespace(prices)
    assert await cache.get(prices, "TEA") is None


async def test_what_is_deleted_is_gone(cache, prices, price) -> None:
    for key in "abc":
        await cache.set(prices, key, price(sku=key, cents=1))
    await cache.delete(prices, "a", "b", "never there")
    assert [key for key in "abc" if await cache.get(prices, key)] == ["c"]
    assert await cache.clear() == 1


@pytest.mark.parametrize(
    ("value", "reason"),
    [({"sku": 1}, "not_serialisable"), (object(), "not_serialisable"), ("long", "too_large")],
)
async def test_what_can_not_be_stored_is_returned_all_the_same(
    make, prices, price, lines, value, reason
) -> None:
    cache = make(max_value_bytes=100)
    if value == "long":
        value = price(sku="s3cr3t" * 20, cents=1)
    calls: list[object] = []
    for _ in range(3):
        assert (
            await cache.get_or_set(prices, "personal@example.com", loading(value, calls)) is value
        )
    assert len(calls) == 3
    (line,) = lines.events("cache_value_refused")
    assert (line["namespace"], line["reason"]) == ("prices:1", reason)
    assert "s3cr3t" not in lines.stream.getvalue()
    assert "personal" not in lines.stream.getvalue()


async def test_setting_what_can_not_be_stored_leaves_no_old_value(cache, prices, price) -> None:
    await cache.set(prices, "TEA", price(sku="TEA", cents=1))
    assert not await cache.set(prices, "TEA", object())
    assert await cache.get(prices, "TEA") is None


async def test_switched_off_it_keeps_nothing(make, prices, price, dead) -> None:
    cache = make(enabled=False, url=dead)
    calls: list[object] = []
    for _ in range(2):
        await cache.get_or_set(prices, "TEA", loading(price(sku="TEA", cents=1), calls))
    assert len(calls) == 2
    assert cache.stats().errors == 0


async def test_counters_say_what_happened(cache, prices, price) -> None:
    for _ in range(3):
        await cache.get_or_set(prices, "TEA", loading(price(sku="TEA", cents=1), []))
    await cache.get(prices, "GONE")
    stats = cache.stats()
    counts = stats.namespaces["prices:1"]
    assert (counts.hits, counts.misses, counts.loads, counts.stored) == (2, 2, 1, 1)
    assert stats.total == counts
    assert counts.hit_ratio == 0.5
    assert (stats.entries, stats.available, stats.shared) == (1, True, False)


async def test_evictions_are_counted(make, prices, price) -> None:
    cache = make(max_entries=2)
    for key in "abc":
        await cache.set(prices, key, price(sku=key, cents=1))
    assert (cache.stats().evictions, cache.stats().entries) == (1, 2)
    assert await cache.get(prices, "a") is None


@pytest.mark.parametrize("name", ["", "Prices", "a:b", "a b", "a" * 65])
def test_a_name_that_could_be_taken_for_another_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="can't name a cache namespace"):
        Namespace(name, int)


@pytest.mark.parametrize("seconds", [0, -1, float("nan")])
def test_a_time_that_is_none_is_refused(seconds: float) -> None:
    with pytest.raises(ValueError, match="more than 0 seconds"):
        Namespace("prices", int, ttl_s=seconds)
