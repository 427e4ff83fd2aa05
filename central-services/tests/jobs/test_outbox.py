# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs in the caller's transaction: enqueued when it commits, and only then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi import APIRouter

from central_services.core.database import Database, DbSession
from central_services.core.database_settings import (
    DatabaseSettings,
)
from central_services.core.errors import ConflictError
from central_services.jobs import (
    TaskContext,
    enqueue_task,
    task,
)
from central_services.jobs.client import JobClient
from central_services.jobs.connecting import make_store
from central_services.jobs.outbox import (
    JobRelay,
    Outbox,
    relaying,
)

pytestmark = pytest.mark.anyio


@task()
async def ship(ctx: TaskContext, order: int) -> int:
    return order


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
async def relay(jobs: JobClient, database_settings: DatabaseSettings) -> AsyncIterator[JobRelay]:
    """A relay that only does what the test tells it."""
    relay = JobRelay(jobs, database_settings)
    jobs.outbox = Outbox(relay.wake)
    yield relay
    await relay.aclose()


async def test_job_exists_when_the_transaction_commits(
    jobs: JobClient, database: Database, relay: JobRelay
) -> None:
    async with database.transaction() as session:
        first = await ship.enqueue(7, session=session)
        second = await enqueue_task("default", "ship", 8, session=session)
        third = await ship.options(session=session, delay_s=60).enqueue(9)
        assert await relay.relay() == 0
    assert await jobs.search() == []
    assert await relay.relay() == 3
    assert await relay.relay() == 0
    found = {job.id: job for job in await jobs.search()}
    assert found.keys() == {first, second, third}
    assert found[third].due_at > found[first].due_at


async def test_job_of_a_transaction_that_is_rolled_back_never_was(
    jobs: JobClient, database: Database, relay: JobRelay
) -> None:
    for number in range(20):
        with pytest.raises(ConflictError):
            await _enqueue_and_fail(database, number)
    assert await relay.relay() == 0
    assert await jobs.search() == []


async def _enqueue_and_fail(database: Database, number: int) -> None:
    async with database.transaction() as session:
        await ship.enqueue(number, session=session)
        raise ConflictError


async def test_job_that_was_relayed_before_is_not_enqueued_twice(
    jobs: JobClient, database: Database, relay: JobRelay
) -> None:
    for _ in range(2):  # as after a crash between the queue and the removal of the row
        async with database.transaction() as session:
            await ship.options(idempotency_key="order 7", session=session).enqueue(7)
        assert await relay.relay() == 1
    assert len(await jobs.search()) == 1


async def test_commit_wakes_the_relay(
    jobs: JobClient, work: Any, database: Database, database_settings: DatabaseSettings
) -> None:
    async with work(), relaying(jobs, database_settings):
        async with database.transaction() as session:
            job_id = await ship.enqueue(7, session=session)
        for _ in range(2_000):
            if await jobs.search():
                break
            await asyncio.sleep(0.01)
        assert await ship.result(job_id, timeout_s=20) == 7


async def test_relay_leaves_jobs_where_they_are_while_the_queue_is_away(
    jobs: JobClient, database: Database, relay: JobRelay, tmp_path: Any
) -> None:
    async with database.transaction() as session:
        await ship.enqueue(7, session=session)
    (tmp_path / "file").touch()
    jobs.settings = jobs.settings.model_copy(update={"path": tmp_path / "file" / "jobs.db"})
    await jobs.aclose()
    connect, jobs._connect = jobs._connect, lambda: _broken(jobs)
    await relay._try()
    assert relay.problem == "JobsUnavailableError"
    jobs._connect = connect
    await relay._try()
    assert relay.problem == ""
    assert len(await jobs.search()) == 1


def _broken(jobs: JobClient) -> Any:
    return make_store(jobs.settings)


async def test_session_has_to_be_one(jobs: JobClient, relay: JobRelay) -> None:
    with pytest.raises(TypeError, match="pass the AsyncSession"):
        await ship.enqueue(7, session="session")
    jobs.outbox = None
    with pytest.raises(RuntimeError, match="no database"):
        await ship.enqueue(7, session="session")


router = APIRouter()


@router.post("/shipments/{order}")
async def start(order: int, session: DbSession) -> str:
    job_id = await ship.enqueue(order, session=session)
    if order == 13:
        raise ConflictError
    return job_id


async def test_request_that_fails_enqueues_nothing(
    serve: Any, own_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(routers=[router], database={"url": own_database}) as api:
        assert (await api.post("/shipments/13")).status_code == 409
        job_id = (await api.post("/shipments/7")).json()
        client = api._transport.app.state.jobs
        for _ in range(2_000):
            found = await client.search()
            if found:
                break
            await asyncio.sleep(0.01)
    assert [job.id for job in found] == [job_id]
