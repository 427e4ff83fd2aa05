# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The database: transactions, sessions that read, and what happens when it is away."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any

import httpx2
import pytest
from fastapi import APIRouter, Depends, HTTPException
from pydantic import ValidationError
from sqlalchemy import Column, Dialect, MetaData, Table, select, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.ext.asyncio import AsyncSession

from {{ cookiecutter.project_slug }}.core.config import PlatformSettings
from {{ cookiecutter.project_slug }}.core.database import (
    Database,
    DatabaseUnavailableError,
    DbSession,
    ReadSession,
    UtcDateTime,
)
from {{ cookiecutter.project_slug }}.core.database_settings import (
    DatabaseSettings,
)

pytestmark = pytest.mark.anyio


def settings_of(url: str, **changes: Any) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": url} | changes)


@pytest.fixture
async def own(own_database: str) -> AsyncIterator[Database]:
    """A SQLite database of the test's own, in which things really are committed."""
    settings = settings_of(own_database, busy_timeout_s=0.05, statement_timeout_s=0.2)
    database = Database(settings)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE stock (id INTEGER PRIMARY KEY, pieces INTEGER)"))
        await session.execute(text("CREATE TABLE part (of_id INTEGER REFERENCES stock(id))"))
        await session.execute(text("INSERT INTO stock VALUES (1, 0)"))
    yield database
    await database.aclose()


async def pieces(database: Database) -> int:
    async with database.read() as session:
        return (await session.execute(text("SELECT pieces FROM stock"))).scalar_one()


ADD = text("UPDATE stock SET pieces = pieces + 1")
router = APIRouter()


@router.post("/add")
async def add(session: DbSession, fail: str = "") -> int:
    await session.execute(ADD)
    if fail == "http":
        raise HTTPException(409)
    if fail == "bug":
        raise KeyError(fail)
    if fail == "sql":
        await session.execute(text("SELECT nothing FROM nowhere"))
    return (await session.execute(text("SELECT pieces FROM stock"))).scalar_one()


async def same_session(session: DbSession) -> AsyncSession:
    return session


@router.post("/twice")
async def twice(
    session: DbSession, other: Annotated[AsyncSession, Depends(same_session, scope="function")]
) -> bool:
    return session is other


@router.get("/read")
async def read(session: ReadSession, write: bool = False) -> int:
    if write:
        await session.execute(ADD)
    return (await session.execute(text("SELECT pieces FROM stock"))).scalar_one()


@pytest.fixture
async def api(own: Database, serve: Any, own_database: str) -> AsyncIterator[httpx2.AsyncClient]:
    database = {"url": own_database, "busy_timeout_s": 0.05}
    async with serve(routers=[router], database=database, health={"cache_s": 0}) as client:
        yield client


async def test_a_request_is_committed_before_it_is_answered(
    api: httpx2.AsyncClient, own: Database
) -> None:
    assert (await api.post("/add")).json() == 1
    assert await pieces(own) == 1


async def test_a_commit_that_fails_is_not_answered_with_success(
    api: httpx2.AsyncClient, own: Database
) -> None:
    async with own.transaction() as session:
        await session.execute(text("DROP TABLE part"))
        await session.execute(
            text(
                "CREATE TABLE part (of_id INTEGER REFERENCES stock(id) DEFERRABLE INITIALLY DEFERRED)"
            )
        )
        trigger = "CREATE TRIGGER t AFTER UPDATE ON stock BEGIN INSERT INTO part VALUES (9); END"
        await session.execute(text(trigger))
    assert (await api.post("/add")).status_code == 500
    assert await pieces(own) == 0


@pytest.mark.parametrize(("fail", "status"), [("http", 409), ("bug", 500), ("sql", 500)])
async def test_a_request_that_fails_changes_nothing(
    api: httpx2.AsyncClient, own: Database, fail: str, status: int
) -> None:
    assert (await api.post(f"/add?fail={fail}")).status_code == status
    assert await pieces(own) == 0


async def test_everything_in_a_request_shares_its_session(api: httpx2.AsyncClient) -> None:
    assert (await api.post("/twice")).json() is True


async def test_a_session_that_reads_cannot_write(api: httpx2.AsyncClient, own: Database) -> None:
    assert (await api.get("/read")).json() == 0
    assert (await api.get("/read?write=true")).status_code == 500
    assert await pieces(own) == 0


async def test_the_same_holds_inside_a_test_that_is_rolled_back(own: Database) -> None:
    async with own.rolled_back() as outer:
        async with own.transaction() as session:
            await session.execute(ADD)
        with pytest.raises(OperationalError, match="readonly"):
            async with own.read() as session:
                await session.execute(ADD)
        async with own.transaction() as session:
            await session.execute(ADD)
        assert (await outer.execute(text("SELECT pieces FROM stock"))).scalar_one() == 2
    assert await pieces(own) == 0


async def test_writers_wait_in_line_and_no_change_is_lost(own: Database) -> None:
    async def read_then_write() -> None:
        async with own.transaction() as session:
            found = (await session.execute(text("SELECT pieces FROM stock"))).scalar_one()
            await session.execute(text("UPDATE stock SET pieces = :n"), {"n": found + 1})

    await asyncio.gather(*(read_then_write() for _ in range(20)))
    assert await pieces(own) == 20


async def test_a_reader_does_not_wait_for_a_writer(own: Database) -> None:
    async with own.transaction() as session:
        await session.execute(ADD)
        assert await pieces(own) == 0


async def test_a_lock_that_another_process_holds_is_503_and_passes(
    api: httpx2.AsyncClient, own: Database
) -> None:
    async with own.transaction() as session:
        await session.execute(ADD)
        answer = await api.post("/add")
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert answer.json()["title"] == "Database unavailable"
    assert (await api.post("/add")).json() == 2


async def test_a_transaction_that_is_cancelled_lets_go_of_the_lock_at_once(
    own: Database, own_database: str
) -> None:
    database = Database(settings_of(own_database))
    reached, may_end = threading.Event(), threading.Event()

    def hold() -> bool:
        reached.set()
        return may_end.wait(30)

    async def work() -> None:
        async with database.transaction() as session:
            raw = await (await session.connection()).get_raw_connection()
            driver: Any = raw.driver_connection
            await driver.create_function("hold", 0, hold)
            await session.execute(ADD)
            # Its cursor has a row that nobody fetches.
            await session.execute(text("SELECT hold() FROM stock"))

    task = asyncio.create_task(work())
    await asyncio.to_thread(reached.wait, 30)
    task.cancel()
    asyncio.get_running_loop().call_later(0.05, may_end.set)
    (error,) = await asyncio.gather(task, return_exceptions=True)  # its traceback has the cursor
    assert isinstance(error, asyncio.CancelledError)
    with sqlite3.connect(Path(own_database.removeprefix("sqlite:///")), timeout=0) as other:
        other.execute("UPDATE stock SET pieces = 5 WHERE pieces = 0")
    other.close()
    assert await pieces(own) == 5
    await database.aclose()


async def test_a_writer_that_waits_too_long_for_another_is_503(own_database: str) -> None:
    database = Database(settings_of(own_database, pool_timeout_s=0.05))
    async with database.transaction() as session:
        await session.execute(text("SELECT 1"))
        with pytest.raises(DatabaseUnavailableError):
            async with database.transaction() as second:
                await second.execute(text("SELECT 1"))
    await database.aclose()


async def test_a_statement_that_takes_too_long_is_stopped(own: Database) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    with pytest.raises(DatabaseUnavailableError):
        async with own.read() as session:
            await session.execute(text(endless))
    assert await pieces(own) == 0


async def test_foreign_keys_hold(own: Database) -> None:
    with pytest.raises(IntegrityError):
        async with own.transaction() as session:
            await session.execute(text("INSERT INTO part VALUES (9)"))


async def test_a_file_of_the_service_has_a_log_and_is_synced(own: Database) -> None:
    async with own.transaction() as session:
        found = [
            (await session.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        ]
    assert found == ["wal", 2, 1, 50]


async def test_a_database_that_is_away_is_503_until_it_is_back(
    api: httpx2.AsyncClient, own: Database, tmp_path: Path
) -> None:
    await own.aclose()
    (tmp_path / "data").rename(tmp_path / "away")
    assert (await api.post("/add")).status_code == 503
    ready = await api.get("/health/ready")
    assert ready.status_code == 503
    assert ready.json()["checks"]["database"]["detail"] == "unreachable"
    assert (await api.get("/health/live")).status_code == 200
    (tmp_path / "away").rename(tmp_path / "data")
    assert (await api.post("/add")).json() == 1
    assert (await api.get("/health/ready")).status_code == 200


async def test_a_service_whose_server_is_away_starts_and_is_not_ready(
    serve: Any, unused_port: int
) -> None:
    url = f"postgresql://app:s3cr3t-pw@127.0.0.1:{unused_port}/app"
    async with serve(database={"url": url}) as api:
        assert (await api.get("/health/ready")).status_code == 503


async def test_a_password_reaches_no_log(
    serve: Any, unused_port: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url = f"postgresql://app:s3cr3t-pw@127.0.0.1:{unused_port}/app"
    async with serve(routers=[router], database={"url": url}) as api:
        assert (await api.post("/add")).status_code == 503
        await api.get("/health/ready")
    written = "".join(capsys.readouterr())
    assert "database_unavailable" in written
    assert "s3cr3t-pw" not in written


@pytest.mark.parametrize(
    "url",
    [
        "mysql://app:hunter2@h/d",
        "sqlite://?hunter2",
        "sqlite:///:memory:?hunter2",
        "sqlite:///file:hunter2?mode=memory",
        "hunter2.db",
    ],
)
def test_a_url_that_nothing_opens_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ValidationError, match="write sqlite:///") as caught:
        PlatformSettings.model_validate({"database": {"url": url}})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
async def test_every_spelling_of_postgresql_uses_the_one_driver(scheme: str) -> None:
    database = Database(settings_of(f"{scheme}://app@127.0.0.1/app"))
    assert database.engine.url.drivername == "postgresql+psycopg"
    await database.aclose()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("sqlite:///data/app.db", "depends on the folder"),
        ("postgresql://app:postgres@db/app", "everybody knows"),
    ],
)
def test_production_refuses(url: str, problem: str) -> None:
    settings = PlatformSettings(database=settings_of(url))
    assert [p.problem for p in settings.insecure_settings() if problem in p.problem]


@pytest.mark.parametrize("url", ["sqlite:////srv/app.db", "postgresql://app:Zk3-9@db/app"])
def test_production_accepts(url: str) -> None:
    settings = PlatformSettings(database=settings_of(url))
    assert not [p for p in settings.insecure_settings() if "DATABASE" in p.variable]


async def test_times_are_utc_whatever_zone_they_came_in(own: Database) -> None:
    table = Table("times", MetaData(), Column("at", UtcDateTime))
    noon = datetime(2026, 7, 1, 14, tzinfo=timezone(timedelta(hours=2)))
    async with own.transaction() as session:
        await session.run_sync(lambda sync: table.create(sync.connection()))
        await session.execute(table.insert().values(at=noon))
        await session.execute(table.insert().values(at=None))
        found = (await session.scalars(select(table.c.at))).all()
    assert found == [datetime(2026, 7, 1, 12, tzinfo=UTC), None]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="no time zone"):
        UtcDateTime().process_bind_param(datetime(2026, 7, 1), Dialect())  # noqa: DTZ001  # the point
