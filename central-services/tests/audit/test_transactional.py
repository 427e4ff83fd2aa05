# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Events in the caller's transaction: recorded when it commits, and only then."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from central_services.audit import Actor, AuditLog
from central_services.audit.errors import AuditConflictError
from central_services.audit.records import Stored
from central_services.audit.relay import Relay
from central_services.audit.transactional import (
    Outbox,
    TransactionalAudit,
)
from central_services.audit.verify import Report
from central_services.core.database import Database
from central_services.core.database_settings import (
    DatabaseSettings,
)
from central_services.core.errors import ConflictError

pytestmark = pytest.mark.anyio


@pytest.fixture
def database_settings(own_database: str) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": own_database})


@pytest.fixture
async def database(database_settings: DatabaseSettings) -> AsyncIterator[Database]:
    """A database that only this test uses, so that it can commit."""
    database = Database(database_settings)
    yield database
    await database.aclose()


@pytest.fixture
async def relay(audit: AuditLog, database_settings: DatabaseSettings) -> AsyncIterator[Relay]:
    audit.outbox = Outbox(audit)
    relay = Relay(audit, database_settings)
    yield relay
    await relay.aclose()


async def see(audit: AuditLog, session: object, **more: Any) -> str:
    actor = Actor("user", "ada")
    event = await audit.record("order.seen", target="order:1", actor=actor, session=session, **more)
    return event.id


async def test_event_is_recorded_when_the_transaction_commits(
    audit: AuditLog, database: Database, relay: Relay, verify: Callable[..., Report]
) -> None:
    async with database.transaction() as session:
        event_id = await see(audit, session)
        assert await relay.relay() == 0
    assert await relay.relay() == 1
    assert await relay.relay() == 0
    audit.sealer.seal()
    report = verify()
    assert (report.size, report.findings) == (1, [])
    row = audit.sealer.connection.execute("SELECT id FROM entries").fetchone()
    assert row == (event_id,)
    async with database.read() as session:
        left = await session.execute(text("SELECT count(*) FROM audit_outbox"))
        assert left.scalar_one() == 0


async def change_and_fail(audit: AuditLog, database: Database) -> None:
    async with database.transaction() as session:
        await see(audit, session)
        raise ConflictError


async def test_nothing_is_recorded_when_it_rolls_back(
    audit: AuditLog, database: Database, relay: Relay
) -> None:
    with pytest.raises(ConflictError):
        await change_and_fail(audit, database)
    assert await relay.relay() == 0


async def test_relay_that_died_halfway_repeats_itself_without_a_trace(
    audit: AuditLog, database: Database, relay: Relay
) -> None:
    async with database.transaction() as session:
        await see(audit, session)
    async with database.read() as session:
        query = text("SELECT id, record, code FROM audit_outbox")
        stored = (await session.execute(query)).one()
    audit.take_now([Stored(*stored)])
    assert await relay.relay() == 1
    audit.sealer.seal()
    audit.take_now([Stored(*stored)])
    assert audit.sealer.seal() == 0


async def test_two_relays_lose_no_event_when_the_database_numbers_rows_anew(
    audit: AuditLog, database: Database, relay: Relay, database_settings: DatabaseSettings
) -> None:
    """SQLite gives the number of a deleted row to the next one."""
    other, take_now = Relay(audit, database_settings), audit.take_now
    recorded = []

    async def record() -> None:
        async with database.transaction() as session:
            recorded.append(await see(audit, session))

    def take_late(stored: Sequence[Stored]) -> None:
        """Take the first relay's rows when another one has taken them, and a new one came."""
        audit.take_now = take_now
        asyncio.run_coroutine_threadsafe(other.relay(), loop).result(20)
        asyncio.run_coroutine_threadsafe(record(), loop).result(20)
        take_now(stored)

    loop = asyncio.get_running_loop()
    await record()
    audit.take_now = take_late
    await relay.relay()
    await relay.relay()
    audit.sealer.seal()
    rows = audit.sealer.connection.execute("SELECT id FROM entries ORDER BY seq").fetchall()
    assert [event_id for (event_id,) in rows] == recorded
    assert len(recorded) == 2
    await other.aclose()


async def test_repeated_event_is_recorded_once_wherever_the_first_one_is(
    audit: AuditLog, database: Database, relay: Relay
) -> None:
    async with database.transaction() as session:
        first = await see(audit, session, idempotency_key="k")
        assert await see(audit, session, idempotency_key="k") == first
        with pytest.raises(AuditConflictError):
            await see(audit, session, idempotency_key="k", reason="another")
    assert await relay.relay() == 1
    audit.sealer.seal()
    async with database.transaction() as session:
        assert await see(audit, session, idempotency_key="k") == first
    assert await relay.relay() == 0


@pytest.mark.parametrize(
    "statement", ["DELETE FROM audit_outbox", "UPDATE audit_outbox SET record = ''"]
)
async def test_database_refuses_to_change_an_event(
    audit: AuditLog, database: Database, relay: Relay, statement: str
) -> None:
    async with database.transaction() as session:
        await see(audit, session)
    with pytest.raises(DBAPIError, match="append-only"):
        async with database.transaction() as session:
            await session.execute(text(statement))


async def test_session_is_needed_and_must_be_one(audit: AuditLog, relay: Relay) -> None:
    with pytest.raises(TypeError, match="AsyncSession"):
        await see(audit, object())
    audit.outbox = None
    with pytest.raises(TypeError, match="no database"):
        await see(audit, object())


async def test_relay_tells_of_a_database_that_fails(
    audit: AuditLog, own_database: str, relay: Relay
) -> None:
    connection = sqlite3.connect(own_database.removeprefix("sqlite:///"))
    connection.execute("DROP TABLE audit_outbox")
    connection.close()
    relay.stop()
    await relay.run(1)
    assert relay.problem == "OperationalError"


async def test_endpoint_records_in_its_own_transaction(
    serve: Any, own_database: str, tmp_path: Path
) -> None:
    router = APIRouter()

    @router.post("/doors")
    async def open_door(
        audit: TransactionalAudit, *, fail: Annotated[bool, Query()] = False
    ) -> str:
        data = {"method": "POST", "route": "/doors", "status": 200}
        event = await audit.record("access.denied", target="door:1", data=data)
        if fail:
            raise ConflictError
        return event.id

    database = {"url": own_database}
    trail = {"path": str(tmp_path / "trail")}
    async with serve(routers=[router], database=database, audit=trail) as client:
        kept = (await client.post("/doors")).json()
        assert (await client.post("/doors?fail=true")).status_code == 409
    connection = sqlite3.connect(tmp_path / "trail/trail.db")
    query = "SELECT id FROM entries JOIN records USING (seq) WHERE action = 'access.denied'"
    assert connection.execute(query).fetchall() == [(kept,)]
    connection.close()
