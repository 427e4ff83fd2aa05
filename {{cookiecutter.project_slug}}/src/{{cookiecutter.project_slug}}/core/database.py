# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The database: typed tables, and one transaction per request.

    @router.post("/things", status_code=201)
    async def add_thing(body: ThingCreate, session: DbSession) -> Thing: ...

The transaction of `DbSession` is committed before the response is sent, and rolled back when the
endpoint raises anything, an HTTP error too. `ReadSession` can't write. Nobody else commits.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, ClassVar

from fastapi import Depends, FastAPI, Request
from sqlalchemy import DateTime, Dialect, MetaData, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase
from sqlalchemy.types import TypeDecorator

from ..utils.logging import get_logger
from ._database_engine import make_engines, sqlite_path
from .database_settings import DatabaseSettings
from .errors import ServiceError

if TYPE_CHECKING:
    from ..api.readiness import ReadinessCheck

_log = get_logger(__name__)

# What SQLite says when the same statement may work later, or the file can't be had: BUSY, LOCKED,
# NOMEM, INTERRUPT, IOERR, FULL, CANTOPEN (sqlite.org/rescode.html). The rest are mistakes.
_SQLITE_PASSING = frozenset({5, 6, 7, 9, 10, 13, 14})


class DatabaseUnavailableError(ServiceError):
    """The database can't be reached, is too busy, or took too long; nothing was changed."""

    status = 503
    title = "Database unavailable"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, kept in UTC; SQLite, which knows no zones, gets it without one.

    Raises:
        ValueError: For a time without a zone, which could mean anything.
    """

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what is stored."""
        if value is None:
            return None
        if value.tzinfo is None:
            msg = f"{value} has no time zone: pass an aware time, such as datetime.now(UTC)"
            raise ValueError(msg)
        utc = value.astimezone(UTC)
        return utc.replace(tzinfo=None) if dialect.name == "sqlite" else utc

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Return what was stored, aware and in UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if dialect.name == "sqlite" else value.astimezone(UTC)


class Base(DeclarativeBase):
    """Base of every table class; those live in modules named `models`, where migrations look.

    Constraints get names by rule, so that a migration can drop them again on any database.
    """

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: UtcDateTime}


class Database:
    """The connections of one application.

    Attributes:
        file: Where a SQLite database is; None for PostgreSQL.
        engine: The engine that writes. On SQLite it has one connection, so a transaction that
            opens another beside itself waits for itself: pass the session on instead.
        reader: The engine that reads; on PostgreSQL it shares the connections of the other.
    """

    def __init__(self, settings: DatabaseSettings) -> None:
        """Make the pools; nothing is connected before it is needed."""
        self.file = sqlite_path(settings)
        self.engine, self.reader = make_engines(settings)
        self._writes = async_sessionmaker(self.engine, expire_on_commit=False)
        self._reads = async_sessionmaker(self.reader, expire_on_commit=False)
        self._is_test = False

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[AsyncSession]:
        """Yield a session whose work is committed at the end, or undone after any exception.

        Raises:
            DatabaseUnavailableError: When the database can't be reached or is too busy.
        """
        with unavailable():
            async with self._writes.begin() as session:
                yield session

    @asynccontextmanager
    async def read(self) -> AsyncGenerator[AsyncSession]:
        """Yield a session in which the database refuses to write.

        Raises:
            DatabaseUnavailableError: As for `transaction`.
        """
        with unavailable():
            async with self._reads() as session:
                if self._is_test:
                    async with self._read_only_for_now(session):
                        yield session
                else:
                    yield session

    async def ping(self) -> None:
        """Ask the database for an answer.

        Raises:
            DatabaseUnavailableError: When there is none.
        """
        # An open connection goes on with a file that was moved away or deleted.
        if self.file is not None and not self.file.is_file():
            raise DatabaseUnavailableError
        async with self.read() as session:
            await session.execute(text("SELECT 1"))

    @asynccontextmanager
    async def rolled_back(self) -> AsyncGenerator[AsyncSession]:
        """For a test: make everything inside one transaction, which is undone at the end.

        Sessions become savepoints on one connection, so they must not run at the same time.

        Yields:
            A session to prepare and to look at what the service keeps.
        """
        makers = self._writes, self._reads
        async with self.engine.connect() as connection, connection.begin() as transaction:
            inside = async_sessionmaker(
                connection, expire_on_commit=False, join_transaction_mode="create_savepoint"
            )
            self._writes = self._reads = inside
            self._is_test = True
            try:
                async with inside() as session:
                    yield session
            finally:
                self._writes, self._reads = makers
                self._is_test = False
                await transaction.rollback()

    async def aclose(self) -> None:
        """Close every connection."""
        await self.engine.dispose()
        await self.reader.dispose()

    @asynccontextmanager
    async def _read_only_for_now(self, session: AsyncSession) -> AsyncGenerator[None]:
        """Refuse writes on the connection of a test, which other sessions write with."""
        if self.file is None:
            await session.execute(text("SET TRANSACTION READ ONLY"))  # ends with the savepoint
            yield
            return
        await session.execute(text("PRAGMA query_only = ON"))
        try:
            yield
        finally:
            await session.execute(text("PRAGMA query_only = OFF"))


@contextmanager
def unavailable() -> Generator[None]:
    """Turn what the database may get over into an error that callers understand."""
    try:
        yield
    except (DBAPIError, PoolTimeoutError, sqlite3.Error) as error:
        if not _is_passing(error):
            raise
        _log.warning("database_unavailable", reason=_reason(error))
        raise DatabaseUnavailableError(headers={"Retry-After": "1"}) from error


def _is_passing(error: DBAPIError | PoolTimeoutError | sqlite3.Error) -> bool:
    """Whether the error tells of the database's state, not of a mistake in the statement."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        # The low byte is the code, what is above it the particular kind.
        return getattr(cause, "sqlite_errorcode", 0) & 0xFF in _SQLITE_PASSING
    if isinstance(error, DBAPIError):
        return isinstance(error, OperationalError) or error.connection_invalidated
    return True


def _reason(error: DBAPIError | PoolTimeoutError | sqlite3.Error) -> str:
    """Return the first line of what the driver said; it names hosts, never passwords."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return (str(cause).splitlines() or [""])[0]


async def _write_session(request: Request) -> AsyncGenerator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.transaction() as session:
        yield session


async def _read_session(request: Request) -> AsyncGenerator[AsyncSession]:
    database: Database = request.app.state.database
    async with database.read() as session:
        yield session


# The scope "function" ends a dependency before the response is sent; the default ends it after.
DbSession = Annotated[AsyncSession, Depends(_write_session, scope="function")]
"""The request's session and transaction, the same for everything that serves the request."""

ReadSession = Annotated[AsyncSession, Depends(_read_session, scope="function")]
"""A session of the request that can't write."""


@asynccontextmanager
async def database_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the database, and refuse to start unless its tables are those of this release.

    A database that can't be reached is no reason to refuse: the service waits, not ready, until it
    answers, and the tables are checked then.

    Raises:
        MigrationError: When the database is not at this release's migrations.
    """
    database = Database(app.state.settings.database)
    app.state.database = database
    app.state.database_is_checked = False
    try:
        try:
            await _check_tables(app)
        except DatabaseUnavailableError:
            _log.error("database_unavailable_at_start")
        yield
    finally:
        await database.aclose()


async def _check_tables(app: FastAPI) -> None:
    """Check once that the database is at this release's migrations."""
    # Alembic is not needed once the service runs.
    from .migrations import MigrationError, require_current  # noqa: PLC0415  # see above

    settings: DatabaseSettings = app.state.settings.database
    try:
        await require_current(app.state.database)
    except MigrationError as error:
        if settings.migrations == "require":
            raise
        _log.warning("database_not_migrated", problem=str(error))
    app.state.database_is_checked = True


async def check_database(app: FastAPI) -> ReadinessCheck | None:
    """Tell the readiness probe whether the database answers."""
    from ..api.readiness import FailedCheck  # noqa: PLC0415  # it imports this package's errors

    try:
        if app.state.database_is_checked:
            await app.state.database.ping()
        else:
            await _check_tables(app)
    except DatabaseUnavailableError as error:
        return FailedCheck(
            "database", status=False, latency_ms=0, detail="unreachable", error=error.__cause__
        )
    return None


def install_database(app: FastAPI) -> None:
    """Let the readiness probe ask the database."""
    app.state.health.register("database", partial(check_database, app))
