# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Migrations: they go both ways, and make what the models say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import inspect, text

from central_services.core.database import Base, Database
from central_services.core.database_settings import (
    DatabaseSettings,
)
from central_services.core.migrations import (
    MigrationError,
    Migrations,
    ModelsDifferError,
    NoDatabaseFileError,
    NotMigratedError,
    UnknownRevisionError,
    require_current,
)

pytestmark = pytest.mark.anyio

TABLE = '''"""A table."""

import sqlalchemy as sa
from alembic import op

revision = "{name}"
down_revision = {down}
branch_labels = None
depends_on = None


def upgrade():
    {up}


def downgrade():
    op.drop_table("t_{name}")
'''
CREATE = 'op.create_table("t_{name}", sa.Column("id", sa.Integer(), primary_key=True))'


@pytest.fixture
def settings(empty_database: str) -> DatabaseSettings:
    return DatabaseSettings.model_validate({"url": empty_database})


@pytest.fixture
def migrations(settings: DatabaseSettings) -> Migrations:
    """The project's own migrations, on a database that does not exist yet."""
    return Migrations(settings)


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """The package of a service with two lines of revisions, a and b."""
    for folder in ("migrations", "parts/migrations"):
        (tmp_path / "service" / folder).mkdir(parents=True)
        (tmp_path / "service" / folder / "__init__.py").touch()
    return tmp_path / "service"


def write(folder: Path, name: str, down: str = "", up: str = CREATE) -> None:
    source = TABLE.replace("{name}", name).replace("{down}", repr(down or None))
    (folder / f"{name}.py").write_text(source.replace("{up}", up.replace("{name}", name)))


async def tables(migrations: Migrations) -> set[str]:
    database = Database(migrations.settings)
    try:
        async with database.read() as session:
            connection = await session.connection()
            names = await connection.run_sync(lambda sync: inspect(sync).get_table_names())
            return set(names) - {"alembic_version"}
    finally:
        await database.aclose()


async def test_migrations_go_up_and_down_and_up_again(migrations: Migrations) -> None:
    await migrations.upgrade()
    made = await tables(migrations)
    await migrations.downgrade("base")
    assert await tables(migrations) == set()
    assert await migrations.current() == []
    await migrations.upgrade()
    assert await tables(migrations) == made


async def test_every_step_can_be_undone_and_done_again(migrations: Migrations) -> None:
    lines: list[str] = []
    migrations.report = lines.append
    await migrations.upgrade()
    for line in tuple(lines):
        await migrations.downgrade(f"{line.removeprefix('applied: ')}-1")
        await migrations.upgrade()


async def test_migrations_make_what_the_models_say(migrations: Migrations) -> None:
    """When this fails: run `db revision -m WHAT`, and read what it wrote."""
    await migrations.upgrade()
    await migrations.check()
    assert set(Base.metadata.tables) <= await tables(migrations)


async def test_a_difference_would_be_noticed(migrations: Migrations) -> None:
    await migrations.upgrade()
    database = Database(migrations.settings)
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE surplus (id INTEGER PRIMARY KEY)"))
    await database.aclose()
    with pytest.raises(ModelsDifferError, match="surplus"):
        await migrations.check()


async def test_lines_of_revisions_are_found_and_go_their_own_way(
    settings: DatabaseSettings, service: Path
) -> None:
    write(service / "migrations", "a1")
    write(service / "migrations", "a2", "a1")
    write(service / "parts/migrations", "b1")
    migrations = Migrations(settings, root=service)
    await migrations.upgrade()
    assert await migrations.current() == ["a2", "b1"]
    await migrations.downgrade("a1")
    assert await tables(migrations) == {"t_a1", "t_b1"}


async def test_a_migration_that_fails_leaves_nothing_behind(
    settings: DatabaseSettings, service: Path
) -> None:
    write(service / "migrations", "a1")
    write(service / "migrations", "a2", "a1", f"{CREATE}; raise KeyError('mistake')")
    migrations = Migrations(settings, root=service)
    with pytest.raises(KeyError):
        await migrations.upgrade()
    assert await tables(migrations) == set()


async def test_a_migration_that_breaks_a_foreign_key_is_undone(
    settings: DatabaseSettings, service: Path
) -> None:
    broken = (
        'op.execute("CREATE TABLE t_a1 (id INTEGER REFERENCES gone(id))");'
        ' op.execute("CREATE TABLE gone (id INTEGER PRIMARY KEY)");'
        ' op.execute("INSERT INTO t_a1 VALUES (1)")'
    )
    write(service / "migrations", "a1", up=broken)
    migrations = Migrations(settings, root=service)
    with pytest.raises(MigrationError, match="point to nothing"):
        await migrations.upgrade()
    assert await tables(migrations) == set()


async def test_a_new_revision_continues_the_line_of_its_package(
    settings: DatabaseSettings, service: Path
) -> None:
    write(service / "migrations", "a1")
    write(service / "parts/migrations", "b1")
    migrations = Migrations(settings, root=service)
    await migrations.upgrade()
    own = await migrations.revise("add a thing", empty=True)
    part = await migrations.revise("add a part", package="parts", empty=True)
    assert own.parent == service / "migrations"
    assert 'down_revision: str | None = "a1"' in own.read_text()
    assert part.parent == service / "parts/migrations"
    assert 'down_revision: str | None = "b1"' in part.read_text()
    await migrations.upgrade()
    with pytest.raises(MigrationError, match="no package nowhere"):
        await migrations.revise("add", package="nowhere")


async def test_a_database_that_is_not_there_is_named(migrations: Migrations) -> None:
    with pytest.raises(NoDatabaseFileError, match="db upgrade"):
        await migrations.check()


async def test_a_database_that_is_behind_or_ahead_is_named(
    settings: DatabaseSettings, service: Path
) -> None:
    write(service / "migrations", "a1")
    await Migrations(settings, root=service).upgrade()
    database = Database(settings)
    await require_current(database, service)
    write(service / "migrations", "a2", "a1")
    with pytest.raises(NotMigratedError, match="at a1 and lacks a2: run"):
        await require_current(database, service)
    (service / "migrations/a2.py").unlink()
    (service / "migrations/a1.py").unlink()
    with pytest.raises(UnknownRevisionError, match="does not know"):
        await require_current(database, service)
    await database.aclose()


async def test_a_service_refuses_to_start_without_its_migrations(
    serve: Any, empty_database: str
) -> None:
    with pytest.raises(MigrationError, match="db upgrade"):
        async with serve(database={"url": empty_database}):
            pass


async def test_a_setting_lets_it_start_all_the_same(serve: Any, empty_database: str) -> None:
    async with serve(database={"url": empty_database, "migrations": "warn"}) as api:
        assert (await api.get("/health/live")).status_code == 200
