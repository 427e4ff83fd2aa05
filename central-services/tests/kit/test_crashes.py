"""The kill -9 harness finds what breaks its promise; and the kit keeps its own, on SQLite or PostgreSQL."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from central_services.audit import AuditLog
from central_services.audit.relay import Relay
from central_services.core.audit_settings import AuditSettings
from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.crashes import (
    BrokenPromiseError,
    WorkloadEndedError,
    judge,
    kill_repeatedly,
)

from . import crash_workloads, crash_workloads_of_the_kit

SEED = 20_261_122


@pytest.fixture
def things(tmp_path: Path) -> str:
    """A file with a table."""
    path = str(tmp_path / "things.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE things (name TEXT)")
    return path


def stored(path: str) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return [name for (name,) in connection.execute("SELECT name FROM things")]


def test_what_commits_before_it_acknowledges_keeps_its_promise(things: str) -> None:
    rounds: list[int] = []
    acknowledged = kill_repeatedly(
        crash_workloads.store,
        things,
        kills=5,
        seed=SEED,
        after=lambda round_, _: rounds.append(round_),
    )
    verdict = judge(acknowledged, stored(things))
    verdict.require()
    assert verdict.stored >= verdict.acknowledged >= 5
    assert rounds == [0, 1, 2, 3, 4]
    assert {name.partition("-")[0] for name in acknowledged} == set("01234")


def test_what_acknowledges_too_early_is_found(things: str) -> None:
    acknowledged = kill_repeatedly(crash_workloads.store, things, 1_000, kills=5, seed=SEED)
    with pytest.raises(BrokenPromiseError, match="lost: "):
        judge(acknowledged, stored(things)).require()


def test_what_does_things_twice_is_found(things: str) -> None:
    acknowledged = kill_repeatedly(crash_workloads.store_again, things, kills=3, seed=SEED)
    with pytest.raises(BrokenPromiseError, match="twice: 0"):
        judge(acknowledged, stored(things)).require()


def test_workload_that_ends_by_itself_shows_nothing() -> None:
    with pytest.raises(WorkloadEndedError, match="exit code 0"):
        kill_repeatedly(crash_workloads.end, kills=1, seed=SEED)


Workload = Callable[..., None]


@pytest.mark.parametrize(
    ("workload", "arguments"),
    [(crash_workloads_of_the_kit.consume, (3,)), (crash_workloads_of_the_kit.pay, ())],
)
def test_effects_of_the_inbox_and_of_idempotency_keys_are_there_once(
    own_database: str, workload: Workload, arguments: tuple[Any, ...]
) -> None:
    """After each crash the sender repeats what it has an acknowledgement of, and what it has not."""
    asyncio.run(_run(own_database, "CREATE TABLE effects (name TEXT)"))
    acknowledged = kill_repeatedly(workload, own_database, *arguments, kills=10, seed=SEED)
    found = asyncio.run(_run(own_database, "SELECT name FROM effects", reads=True))
    verdict = judge(acknowledged, found)
    verdict.require()
    assert verdict.stored <= verdict.acknowledged + 10, "more than one at a time was on its way"


def test_what_a_transaction_recorded_leaves_the_outbox_once(
    own_database: str, tmp_path: Path
) -> None:
    """A change and its event are both there or neither, wherever between them the relay was killed."""
    asyncio.run(_run(own_database, "CREATE TABLE effects (name TEXT)"))
    folder = tmp_path / "trail"
    publish = crash_workloads_of_the_kit.publish
    acknowledged = kill_repeatedly(publish, own_database, str(folder), kills=10, seed=SEED)
    effects = asyncio.run(_run(own_database, "SELECT name FROM effects", reads=True))
    judge(acknowledged, effects).require()
    events = asyncio.run(_relayed(own_database, folder))
    judge(effects, events).require()
    assert set(events) == set(effects)


async def _relayed(url: str, folder: Path) -> list[str]:
    """Relay what is left, and return the ids of all events of the trail."""
    audit = AuditLog(AuditSettings(path=folder))
    relay = Relay(audit, DatabaseSettings.model_validate({"url": url}))
    await relay.relay()
    await relay.aclose()
    audit.sealer.seal()
    rows = audit.sealer.connection.execute("SELECT id FROM entries").fetchall()
    audit.close()
    return [event_id for (event_id,) in rows]


async def _run(url: str, statement: str, *, reads: bool = False) -> list[str]:
    database = Database(DatabaseSettings.model_validate({"url": url}))
    async with database.transaction() as session:
        done = await session.execute(text(statement))
        found = list(done.scalars()) if reads else []
    await database.aclose()
    return found
