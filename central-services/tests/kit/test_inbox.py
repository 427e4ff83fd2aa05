"""The inbox: each message once, also across a crash."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.inbox import forget, take

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)

CONSUMER = """
import asyncio, sys
from datetime import UTC, datetime
from sqlalchemy import text
from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.inbox import take

async def main():
    database = Database(DatabaseSettings.model_validate({"url": sys.argv[1]}))
    for n in range(int(sys.argv[2]), 10**6):
        async with database.transaction() as session:
            if await take(session, "counter", str(n), datetime.now(UTC)):
                await session.execute(text("INSERT INTO effects VALUES (:n)"), {"n": n})
        print(n)

asyncio.run(main())
"""
"""Works through messages from one on; a line says that one is done."""


async def test_message_is_taken_once_by_each_consumer(own_database: str) -> None:
    database = Database(DatabaseSettings.model_validate({"url": own_database}))
    async with database.transaction() as session:
        assert await take(session, "a", "m1", NOW)
        assert not await take(session, "a", "m1", NOW)
        assert await take(session, "b", "m1", NOW)
    async with database.transaction() as session:
        assert not await take(session, "a", "m1", NOW)
    await database.aclose()


async def test_message_whose_work_failed_is_taken_again(own_database: str) -> None:
    database = Database(DatabaseSettings.model_validate({"url": own_database}))

    async def work() -> None:
        async with database.transaction() as session:
            assert await take(session, "a", "m1", NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await work()
    async with database.transaction() as session:
        assert await take(session, "a", "m1", NOW)
    await database.aclose()


async def test_old_notes_are_forgotten_and_young_ones_stay(own_database: str) -> None:
    database = Database(DatabaseSettings.model_validate({"url": own_database}))
    async with database.transaction() as session:
        await take(session, "a", "old", NOW - timedelta(days=8))
        await take(session, "a", "young", NOW)
        assert await forget(session, "a", NOW - timedelta(days=7)) == 1
        assert not await take(session, "a", "young", NOW)
    await database.aclose()


def test_no_effect_is_lost_or_doubled_when_the_consumer_is_killed(
    own_database: str, kill_after: Callable[..., list[str]]
) -> None:
    """Kill it again and again; each time the sender repeats what it has no acknowledgement of, and more."""

    async def run(statement: str, *, reads: bool = False) -> list[int]:
        database = Database(DatabaseSettings.model_validate({"url": own_database}))
        async with database.transaction() as session:
            done = await session.execute(text(statement))
            rows = list(done.scalars()) if reads else []
        await database.aclose()
        return rows

    asyncio.run(run("CREATE TABLE effects (n INTEGER)"))
    acknowledged = -1
    for kill in range(5):
        start = max(0, acknowledged - 3)
        said = kill_after(CONSUMER, own_database, str(start), lines=3 + 2 * kill)
        acknowledged = max(acknowledged, *map(int, said))
    effects = Counter(asyncio.run(run("SELECT n FROM effects", reads=True)))
    assert set(effects.values()) == {1}
    assert set(range(acknowledged + 1)) <= set(effects)
    assert len(effects) <= acknowledged + 2, "more was done than could have been acknowledged"
