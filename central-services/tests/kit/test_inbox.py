"""The inbox: each message once; across crashes see test_crashes.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.inbox import forget, take

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


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
