# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Fixtures of the database: a test's changes are undone at its end.

The tests use a SQLite file; set `TEST_DATABASE_URL` to an empty PostgreSQL database, such as
`postgresql://postgres@127.0.0.1/test`, to run them on that. Like `fixtures`, this module imports the
package late.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    import httpx2
    from fastapi import FastAPI
    from sqlalchemy.ext.asyncio import AsyncSession

    from central_services.core.database import Database


def _upgrade(url: str) -> str:
    """Bring a database to head and return its URL."""
    from central_services.core.database_settings import (
        DatabaseSettings,
    )
    from central_services.core.migrations import Migrations

    asyncio.run(Migrations(DatabaseSettings.model_validate({"url": url})).upgrade())
    return url


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite database at head, to copy: that is faster than to migrate."""
    file = tmp_path_factory.mktemp("migrated") / "test.db"
    _upgrade(f"sqlite:///{file}")
    return file


@pytest.fixture(scope="session")
def database_url(migrated_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the database of the tests, at head."""
    given = os.environ.get("TEST_DATABASE_URL")
    if given:
        return _upgrade(given)
    file = shutil.copy(migrated_file, tmp_path_factory.mktemp("database"))
    return f"sqlite:///{file}"


@pytest.fixture(autouse=True)
def configured_database(
    database_url: str, clean_environment: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Let every application of a test use that database."""
    from central_services.core.config import ENV_PREFIX

    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", database_url)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The database of the tests; what is committed in it stays, so undo it."""
    from central_services.core.database import Database
    from central_services.core.database_settings import (
        DatabaseSettings,
    )

    database = Database(DatabaseSettings.model_validate({"url": database_url}))
    yield database
    await database.aclose()


@pytest.fixture
async def session(database: Database) -> AsyncIterator[AsyncSession]:
    """A session whose work is undone after the test."""
    async with database.rolled_back() as session:
        yield session


# Asks for the fixture of the same name in `fixtures`, which is loaded before.
@pytest.fixture
async def client(app: FastAPI, client: httpx2.AsyncClient) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the project's own application; what its requests change is undone."""
    async with app.state.database.rolled_back():
        yield client


@pytest.fixture
def own_database(migrated_file: Path, tmp_path: Path) -> str:
    """The URL of a SQLite database at head that only this test uses."""
    folder = tmp_path / "data"
    folder.mkdir()
    return f"sqlite:///{shutil.copy(migrated_file, folder)}"


@pytest.fixture
def empty_database(tmp_path: Path) -> str:
    """The URL of a SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'data' / 'own.db'}"


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port of this machine on which nothing listens, and nothing else will during the test."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]
