# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Records: swapped by one, forgotten in time, there after a restart."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from central_services.mail.records import (
    MemoryRecords,
    RecordsUnavailableError,
    SqliteRecords,
)
from central_services.mail.valkey_records import ValkeyRecords

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_value_is_swapped_only_for_what_was_expected(kind: str, tmp_path: Path) -> None:
    now = 100.0
    records: Any = (
        MemoryRecords(clock=lambda: now)
        if kind == "memory"
        else SqliteRecords(tmp_path / "deep/mail.db", clock=lambda: now)
    )
    assert await records.read("a") is None
    assert await records.swap("a", None, "1", 10)
    assert not await records.swap("a", None, "2", 10)
    assert not await records.swap("a", "2", "3", 10)
    assert await records.swap("a", "1", "2", 10)
    assert await records.swap("b", None, "x", 100)
    assert await records.keys("") == ["a", "b"]
    now += 11
    assert await records.read("a") is None
    assert await records.keys("") == ["b"]
    assert await records.swap("a", None, "4", 10)
    assert await records.swap("a", "4", None, 10)
    assert await records.keys("a") == []
    await records.aclose()


async def test_one_of_many_wins(tmp_path: Path) -> None:
    stores = [SqliteRecords(tmp_path / "mail.db") for _ in range(8)]
    won = await asyncio.gather(
        *(store.swap("k", None, str(n), 60) for n, store in enumerate(stores))
    )
    assert sum(won) == 1
    assert await stores[0].read("k") == str(won.index(True))
    for store in stores:
        await store.aclose()


async def test_records_that_are_away_say_so(tmp_path: Path, dead: str) -> None:
    (tmp_path / "file").write_text("")
    sqlite = SqliteRecords(tmp_path / "file/mail.db")
    valkey = ValkeyRecords(dead, namespace="x")
    for records in (sqlite, valkey):
        with pytest.raises(RecordsUnavailableError):
            await records.read("k")
        await records.aclose()
