# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Micro-batching of what several callers want done."""

from __future__ import annotations

import asyncio

import pytest

from central_services.jobs.stores._batches import Batches

pytestmark = pytest.mark.anyio


async def test_callers_of_one_turn_share_a_batch_and_get_their_own_answers() -> None:
    seen: list[list[int]] = []

    async def double(numbers: list[int]) -> list[int]:
        seen.append(numbers)
        return [2 * number for number in numbers]

    batches = Batches(double, size=4)
    answers = await asyncio.gather(*(batches.add([n, 10 * n]) for n in range(3)))
    assert answers == [[0, 0], [2, 20], [4, 40]]
    assert seen == [[0, 0, 1, 10], [2, 20]]


async def test_what_one_caller_brings_is_never_divided() -> None:
    sizes: list[int] = []

    async def count(numbers: list[int]) -> list[int]:
        sizes.append(len(numbers))
        return numbers

    assert await Batches(count, size=2).add([1, 2, 3]) == [1, 2, 3]
    assert sizes == [3]


async def test_error_reaches_every_caller_of_the_batch_and_no_later_one() -> None:
    async def divide(numbers: list[int]) -> list[int]:
        return [1 // number for number in numbers]

    batches = Batches(divide, size=10)
    failed = await asyncio.gather(batches.add([1]), batches.add([0]), return_exceptions=True)
    assert [type(one) for one in failed] == [ZeroDivisionError, ZeroDivisionError]
    assert await batches.add([1]) == [1]


async def test_caller_that_is_cancelled_stops_no_other() -> None:
    release = asyncio.Event()

    async def echo(numbers: list[int]) -> list[int]:
        await release.wait()
        return numbers

    batches = Batches(echo, size=10)
    first, second = (asyncio.create_task(batches.add([n])) for n in (1, 2))
    await asyncio.sleep(0)
    first.cancel()
    release.set()
    assert await second == [2]
    await batches.drain()
    assert first.cancelled()
