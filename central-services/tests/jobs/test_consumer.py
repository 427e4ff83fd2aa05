# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How a worker stops."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from central_services.jobs import dead_letters
from central_services.jobs.dead_letters import DeadLetter
from central_services.jobs.records import Job

from .test_stores import LONG_S, claim, job

if TYPE_CHECKING:
    from central_services.jobs.store import JobStore

pytestmark = pytest.mark.anyio


async def test_worker_that_stops_while_it_finds_a_dead_letter_says_so(
    store: JobStore, work: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = job(max_attempts=1)
    await store.enqueue_many([new])
    await claim(store, wait_s=LONG_S, lease_s=0.05)
    heard: list[str] = []
    found, may_go_on = asyncio.Event(), asyncio.Event()
    reclaim = type(store).reclaim

    async def slow(self: JobStore) -> list[Job]:
        dead = await reclaim(self)
        if dead:
            found.set()
            await may_go_on.wait()
        return dead

    async def listen(letter: DeadLetter, _resources: object) -> None:
        heard.append(letter.job_id)

    monkeypatch.setattr(type(store), "reclaim", slow)
    monkeypatch.setattr(dead_letters, "_LISTENERS", [listen])
    async with work():
        await asyncio.wait_for(found.wait(), LONG_S)
        asyncio.get_running_loop().call_later(0.05, may_go_on.set)  # after the end has begun
    assert heard == [new.id]
