"""A database for each test of the kit: a SQLite file, or one on the PostgreSQL of TEST_DATABASE_URL."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from central_services.core.database_settings import DatabaseSettings
from central_services.core.migrations import Migrations

SERVER = os.environ.get("TEST_DATABASE_URL", "")
TEMPLATE, OWN = "kit_template", "kit_own"


def _sql(*statements: str) -> None:
    with psycopg.connect(SERVER, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


def _url(name: str) -> str:
    return urlsplit(SERVER)._replace(path=f"/{name}").geturl()


@pytest.fixture(scope="session")
def migrated_database() -> str:
    """The name of a migrated database of the server, to copy; empty where the tests use SQLite."""
    if not SERVER:
        return ""
    _sql(f"DROP DATABASE IF EXISTS {TEMPLATE} WITH (FORCE)", f"CREATE DATABASE {TEMPLATE}")
    settings = DatabaseSettings.model_validate({"url": _url(TEMPLATE)})
    asyncio.run(Migrations(settings).upgrade())
    return TEMPLATE


@pytest.fixture
def own_database(migrated_file: Path, migrated_database: str, tmp_path: Path) -> Iterator[str]:
    """The URL of a database at head that only this test uses."""
    if not migrated_database:
        folder = tmp_path / "data"
        folder.mkdir()
        yield f"sqlite:///{shutil.copy(migrated_file, folder)}"
        return
    # A program that was killed may still have a connection.
    _sql(
        f"DROP DATABASE IF EXISTS {OWN} WITH (FORCE)", f"CREATE DATABASE {OWN} TEMPLATE {TEMPLATE}"
    )
    yield _url(OWN)
    _sql(f"DROP DATABASE {OWN} WITH (FORCE)")
