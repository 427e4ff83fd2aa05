"""The database of rendered services, on a real PostgreSQL and on SQLite shared by processes."""

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from booting import Answer, Service, serving, serving_as_it_is
from processes import RunIn, clean_environment, rendered_python
from projects import dist_name, prefix_of
from rendering import Renderer, copy_project, slug_of
from servers import PostgreSQL

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

ORDER = {"currency": "EUR", "lines": [{"sku": "TEA-1", "quantity": 2, "unit_price": 450}]}


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    return copy_project(render("cookiecutter", include_database=True), tmp_path / "project")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a database that does not exist yet, or is empty."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data/service.db'}"
    postgresql: PostgreSQL = request.getfixturevalue("postgresql")
    return postgresql.create(tmp_path.name)


def variables(project: Path, url: str) -> dict[str, Any]:
    prefix = prefix_of(project)
    return {
        f"{prefix}DATABASE__URL": url,
        f"{prefix}RATE_LIMIT__ENABLED": "false",
        f"{prefix}HEALTH__CACHE_S": "0",
    }


def db(project: Path, run_in: RunIn, url: str, *arguments: str, check: bool = True) -> Any:
    command = ("python", "-m", slug_of(project), "db", *arguments)
    return run_in(project, *command, check=check, **variables(project, url))


def place(service: Service, key: str = "") -> Answer:
    headers = {"content-type": "application/json"} | ({"Idempotency-Key": key} if key else {})
    return service.call("POST", "/orders", json.dumps(ORDER).encode(), **headers)


def test_migrations_go_up_and_down_and_up_and_make_what_the_models_say(
    project: Path, run_in: RunIn, url: str
) -> None:
    assert "applied: 0001_orders" in db(project, run_in, url, "upgrade").stdout
    db(project, run_in, url, "check")
    assert "undone: 0001_orders" in db(project, run_in, url, "downgrade", "base", "--yes").stdout
    behind = db(project, run_in, url, "check", check=False)
    assert behind.returncode == 1
    assert f"run `{dist_name(project)} db upgrade`" in behind.stderr
    assert "applied: 0001_orders" in db(project, run_in, url, "upgrade").stdout
    assert db(project, run_in, url, "current").stdout.split() == ["0001_jobs_outbox", "0001_orders"]


def test_a_changed_model_is_found_and_its_migration_written(
    project: Path, run_in: RunIn, url: str
) -> None:
    package = project / "src" / slug_of(project)
    db(project, run_in, url, "upgrade")
    models = package / "orders/models.py"
    field = "    updated_at: Mapped[datetime]\n"
    source = models.read_text("utf-8")
    models.write_text(
        source.replace(field, f"{field}    shipped_at: Mapped[datetime | None]\n"), "utf-8"
    )
    differs = db(project, run_in, url, "check", check=False)
    assert "shipped_at" in differs.stderr
    assert "Traceback" not in differs.stderr
    written = Path(db(project, run_in, url, "revision", "-m", "when shipped").stdout.strip())
    assert "sa.DateTime(timezone=True)" in written.read_text("utf-8")
    assert db(project, run_in, url, "check", check=False).returncode == 1
    db(project, run_in, url, "upgrade")
    db(project, run_in, url, "check")
    db(project, run_in, url, "downgrade", "0001_orders", "--yes")
    db(project, run_in, url, "upgrade")
    run_in(project, "ruff", "check", ".")


def test_two_programs_that_migrate_at_once_do_it_once(project: Path, url: str) -> None:
    command = [rendered_python(), "-m", slug_of(project), "db", "upgrade"]
    environment = clean_environment() | variables(project, url)
    both = [
        subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=60)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert "".join(printed).count("applied: 0001_orders") == 1


def test_a_service_without_its_migrations_does_not_start(
    project: Path, run_in: RunIn, url: str
) -> None:
    command = ("python", "-m", slug_of(project), "serve", "--port", "0")
    done = run_in(project, *command, check=False, **variables(project, url))
    assert done.returncode == 1
    assert f"run `{dist_name(project)} db upgrade`" in done.stderr
    assert "Traceback" not in done.stderr


def test_rendered_tests_pass_on_postgresql(
    project: Path, run_in: RunIn, postgresql: PostgreSQL, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    tests = ("tests/orders", "tests/core/test_repository.py", "tests/test_cli.py")
    done = run_in(project, "python", "-m", "pytest", "-q", *tests, TEST_DATABASE_URL=url)
    assert "passed" in done.stdout
    assert postgresql.sql("SELECT count(*) FROM orders", tmp_path.name) == "0", (
        "undone after each test"
    )


def test_orders_are_kept_and_a_key_orders_once(project: Path, url: str) -> None:
    """Two processes serve one database; many requests at once have no error and lose nothing."""
    environment = variables(project, url)
    with serving(project, **environment) as one, serving(project, **environment) as two:
        both = (one, two)
        with ThreadPoolExecutor(8) as threads:
            same = list(threads.map(lambda n: place(both[n % 2], "attempt-1"), range(16)))
            many = list(threads.map(lambda n: place(both[n % 2], f"k-{n}"), range(40)))
            assert {answer.status for answer in [*same, *many]} == {201}
            assert len({answer.json["id"] for answer in same}) == 1
            placed = {answer.json["id"] for answer in many}
            assert len(placed) == 40

            def end(number: int) -> int:
                action = ("ship", "cancel")[number % 2]
                path = f"/orders/{same[0].json['id']}/{action}"
                return both[number // 2 % 2].call("POST", path).status

            ends = list(threads.map(end, range(8)))
        assert sorted(ends) == [200] + [409] * 7
        listed: list[str] = []
        cursor = ""
        while not listed or cursor:
            page = two.call("GET", f"/orders?limit=7{cursor}").json
            listed += [order["id"] for order in page["items"]]
            cursor = f"&cursor={page['next_cursor']}" if page["next_cursor"] else ""
        assert len(listed) == 41
        assert set(listed) == placed | {same[0].json["id"]}


def test_service_outlives_its_server(project: Path, postgresql: PostgreSQL, tmp_path: Path) -> None:
    url = postgresql.create(tmp_path.name)
    with serving(project, **variables(project, url)) as service:
        kept = place(service).json
        postgresql.stop()
        try:
            down = place(service)
            assert (down.status, down.headers["content-type"]) == (503, "application/problem+json")
            assert down.headers["retry-after"] == "1"
            ready = service.call("GET", "/health/ready")
            assert (ready.status, ready.json["failed"]) == (503, ["database"])
            assert service.call("GET", "/health/live").status == 200
        finally:
            postgresql.start()
        assert service.call("GET", f"/orders/{kept['id']}").json == kept
        assert place(service).status == 201
        assert service.call("GET", "/health/ready").status == 200
        shown = service.log.read_text("utf-8")
    assert postgresql.url().split(":")[2].partition("@")[0] not in shown, (
        "the password is in the log"
    )


def test_service_that_starts_before_its_server_waits_for_it(
    project: Path, postgresql: PostgreSQL, run_in: RunIn, tmp_path: Path
) -> None:
    url = postgresql.create(tmp_path.name)
    db(project, run_in, url, "upgrade")
    postgresql.stop()
    with serving_as_it_is(project, **variables(project, url)) as service:
        try:
            assert service.call("GET", "/health/ready").status == 503
        finally:
            postgresql.start()
        assert service.call("GET", "/health/ready").status == 200
        assert place(service).status == 201


SESSIONS = """
import asyncio, sys
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Mapped, mapped_column
from PACKAGE.core.database_settings import DatabaseSettings
from PACKAGE.core.database import Base, Database, DatabaseUnavailableError
from PACKAGE.core.repository import Repository

class Stock(Base):
    __tablename__ = "stock"
    id: Mapped[int] = mapped_column(primary_key=True)
    pieces: Mapped[int]

class Stocks(Repository[Stock]):
    row = Stock

async def main():
    settings = DatabaseSettings(url=sys.argv[1], statement_timeout_s=1, pool_timeout_s=20)
    database = Database(settings)
    async with database.transaction() as session:
        await session.run_sync(lambda sync: Base.metadata.create_all(sync.connection()))
        session.add(Stock(id=1, pieces=0))

    async def take():
        async with database.transaction() as session:
            row = await Stocks(session).find(1, for_update=True)
            await asyncio.sleep(0)
            row.pieces += 1
    await asyncio.gather(*(take() for _ in range(30)))

    for statement in ("UPDATE stock SET pieces = 0", "CREATE TABLE other (id INTEGER)"):
        try:
            async with database.read() as session:
                await session.execute(text(statement))
        except DBAPIError as error:
            assert "read" in str(error.orig), error
        else:
            raise AssertionError("a session that reads has written")
    async with database.rolled_back():
        try:
            async with database.read() as session:
                await session.execute(text("UPDATE stock SET pieces = 0"))
        except DBAPIError as error:
            assert "read" in str(error.orig), error
        else:
            raise AssertionError("a session that reads has written in a test")
        async with database.transaction() as session:
            await session.execute(text("UPDATE stock SET pieces = -1"))

    slow = "SELECT pg_sleep(30)"
    if "sqlite" in sys.argv[1]:
        slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"
    try:
        async with database.transaction() as session:
            await session.execute(text("UPDATE stock SET pieces = -1"))
            await session.execute(text(slow))
    except DatabaseUnavailableError as error:
        assert error.status == 503
    else:
        raise AssertionError("no limit")
    try:
        async with database.transaction() as session:
            await session.execute(text("UPDATE stock SET pieces = -1"))
            raise KeyError
    except KeyError:
        pass
    async with database.read() as session:
        print(await session.scalar(text("SELECT pieces FROM stock")))
    await database.aclose()

asyncio.run(main())
"""


def test_sessions_hold_what_they_promise(project: Path, run_in: RunIn, url: str) -> None:
    """No update is lost, what reads can't write, slow statements end, errors undo everything."""
    db(project, run_in, url, "upgrade")
    script = SESSIONS.replace("PACKAGE", slug_of(project))
    assert run_in(project, "python", "-c", script, url).stdout.splitlines()[-1] == "30"
