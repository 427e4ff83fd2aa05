# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Engines for the two databases: SQLite in a file, and PostgreSQL.

SQLite: a service has one connection that writes, for which its requests wait in line, and some that
read. A transaction that may write takes the write lock at its first statement (BEGIN IMMEDIATE), so
it never finds out halfway that what it read has changed (sqlite.org/isolation.html). Commits are
on disk when they return (synchronous=FULL).
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import URL, Connection, event, make_url
from sqlalchemy.exc import MissingGreenlet
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from .database_settings import DatabaseSettings

_OPCODES_BETWEEN_LOOKS = 10_000
"""How often SQLite asks whether a statement is out of time: about each 0.1 ms."""


def database_url(settings: DatabaseSettings) -> URL:
    """Return the URL with the driver that is used here."""
    url = make_url(settings.url.get_secret_value())
    if url.get_backend_name() == "sqlite":
        return url.set(drivername="sqlite+aiosqlite")
    return url.set(drivername="postgresql+psycopg")


def sqlite_path(settings: DatabaseSettings) -> Path | None:
    """Return the file of a SQLite database, or None for PostgreSQL."""
    url = database_url(settings)
    return Path(url.database or "") if url.get_backend_name() == "sqlite" else None


def make_engines(settings: DatabaseSettings) -> tuple[AsyncEngine, AsyncEngine]:
    """Return the engine that writes and the one that only reads; nothing is connected yet."""
    if sqlite_path(settings) is not None:
        return _sqlite(settings, writes=True), _sqlite(settings, writes=False)
    engine = create_async_engine(
        database_url(settings),
        connect_args=_postgresql_arguments(settings),
        pool_size=settings.pool_size,
        max_overflow=settings.max_overflow,
        pool_timeout=settings.pool_timeout_s,
        pool_recycle=settings.pool_recycle_s,
        pool_pre_ping=settings.pool_pre_ping,
        pool_use_lifo=True,  # idle connections get old and are closed, instead of taking turns
        hide_parameters=True,
    )
    return engine, engine.execution_options(postgresql_readonly=True)


def make_migration_engine(settings: DatabaseSettings) -> AsyncEngine:
    """Return an engine for migrations, which may take long, and on SQLite make the file."""
    if sqlite_path(settings) is not None:
        return _sqlite(settings, writes=True, migrates=True)
    return create_async_engine(
        database_url(settings),
        connect_args=_postgresql_arguments(settings, migrates=True),
        poolclass=NullPool,
        hide_parameters=True,
    )


def _postgresql_arguments(settings: DatabaseSettings, *, migrates: bool = False) -> dict[str, Any]:
    """Return what libpq is told about each connection; times are whole milliseconds there."""
    milliseconds = 0 if migrates else int(settings.statement_timeout_s * 1000)
    said = database_url(settings).query.get("options", "")
    limits = {
        "statement_timeout": milliseconds,
        # A request that hangs between two statements would hold its locks for ever.
        "idle_in_transaction_session_timeout": milliseconds and milliseconds + 5_000,
    }
    options = " ".join(f"-c {name}={value}" for name, value in limits.items() if value)
    arguments: dict[str, Any] = {
        "connect_timeout": max(2, math.ceil(settings.connect_timeout_s)),  # libpq's least is 2
        # A server that vanished without a word is noticed by the kernel after this many ms.
        "tcp_user_timeout": 30_000,
    }
    if options:
        arguments["options"] = f"{said} {options}".strip()
    return arguments


def _sqlite(settings: DatabaseSettings, *, writes: bool, migrates: bool = False) -> AsyncEngine:
    """Return an engine for a SQLite file."""
    url = database_url(settings)
    # Only a migration may make the file: an empty one made by mistake would hide a wrong path.
    mode = "rwc" if migrates else "rw"
    file = "file:" + quote(url.database or "", safe="/:\\")
    size: dict[str, Any] = {"poolclass": NullPool}
    if not migrates:
        size = {
            "pool_size": 1 if writes else settings.pool_size,
            "max_overflow": 0 if writes else settings.max_overflow,
            "pool_timeout": settings.pool_timeout_s,
        }
    engine = create_async_engine(
        url.set(database=file, query={**url.query, "mode": mode, "uri": "true"}),
        hide_parameters=True,
        **size,
    )
    pragmas = [
        f"busy_timeout = {int(settings.busy_timeout_s * 1000)}",
        # Migrations rebuild tables, where a cascade would delete the rows of others; they check
        # every key at their end instead (sqlite.org/lang_altertable.html section 7).
        f"foreign_keys = {'OFF' if migrates else 'ON'}",
        "synchronous = FULL",
        f"query_only = {'OFF' if writes else 'ON'}",
    ]
    if migrates:
        pragmas.append("journal_mode = WAL")  # kept in the file
    begin = "BEGIN IMMEDIATE" if writes else "BEGIN"
    limit_s = math.inf if migrates else settings.statement_timeout_s or math.inf
    _prepare_connections(engine, pragmas, begin, limit_s)
    return engine


def _prepare_connections(
    engine: AsyncEngine, pragmas: list[str], begin: str, limit_s: float
) -> None:
    """Set each new connection up, begin transactions as asked, and stop slow statements."""

    def on_connect(connection: Any, record: ConnectionPoolEntry) -> None:  # noqa: ANN401  # a driver's
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in pragmas:
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()
        if limit_s == math.inf:
            return
        until = record.info["until"] = [math.inf]
        connection.run_async(
            lambda driver: driver.set_progress_handler(
                lambda: time.monotonic() > until[0], _OPCODES_BETWEEN_LOOKS
            )
        )

    def on_begin(connection: Connection) -> None:
        connection.exec_driver_sql(begin)

    def before_execute(connection: Connection, *_about: object) -> None:
        connection.info["until"][0] = time.monotonic() + limit_s

    event.listen(engine.sync_engine, "connect", on_connect)
    event.listen(engine.sync_engine, "invalidate", _roll_back)
    event.listen(engine.sync_engine, "begin", on_begin)
    if limit_s != math.inf:
        event.listen(engine.sync_engine, "before_cursor_execute", before_execute)


def _roll_back(connection: Any, _record: object, _error: object) -> None:  # noqa: ANN401  # a driver's
    """Give up the lock of a connection that is about to be closed in the middle of its work.

    SQLite keeps a closed connection, its transaction and the write lock, for as long as there is a
    cursor with rows to fetch (sqlite.org/c3ref/close.html). Whoever was cancelled leaves one in the
    traceback, where it stays until the garbage collector comes by.
    """
    # A second cancellation, or a connection that is broken: it is closed whatever happens.
    with contextlib.suppress(asyncio.CancelledError, sqlite3.Error, MissingGreenlet):
        connection.rollback()
