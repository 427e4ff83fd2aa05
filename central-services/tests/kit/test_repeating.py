"""Work that is done again and again."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from central_services.kit.repeating import beside, repeat

pytestmark = pytest.mark.anyio


async def test_round_that_fails_is_logged_and_followed_by_the_next() -> None:
    rounds: list[int] = []
    enough = asyncio.Event()

    async def work() -> None:
        rounds.append(len(rounds))
        if len(rounds) == 1:
            raise ValueError("the first one")
        if len(rounds) == 3:
            enough.set()

    with capture_logs() as logged:
        async with beside(repeat(work, every_s=0.001, name="counting")):
            await asyncio.wait_for(enough.wait(), 10)
    done = len(rounds)
    await asyncio.sleep(0.02)
    assert len(rounds) == done >= 3
    assert [(entry["event"], entry["work"]) for entry in logged] == [
        ("repeated_work_failed", "counting")
    ]


async def test_all_are_ended_with_the_block_also_when_it_fails() -> None:
    ended: list[int] = []

    async def work(number: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(number)

    async def fail() -> None:
        async with beside(work(1), work(2)):
            await asyncio.sleep(0)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert sorted(ended) == [1, 2]
