# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The relay: moves events that transactions recorded from the project's database into the trail.

It may repeat itself after a crash; the trail knows an event by its id and takes it once. Rows are
removed by that id too: SQLite gives the number of a deleted row to another one.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Protocol, cast

from fastapi import FastAPI
from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from ..core._database_engine import sqlite_path
from ..core.database import Database, DatabaseUnavailableError, unavailable
from ..core.database_settings import DatabaseSettings
from ..utils.logging import get_logger
from .errors import AuditUnavailableError
from .log import AuditLog
from .models import AuditOutboxRow
from .records import Stored
from .transactional import Outbox

STEP = 500
"""Rows per transaction."""

log = get_logger(__name__)
_table = cast("Table", AuditOutboxRow.__table__)


class _Source(Protocol):
    """Where committed events wait."""

    async def move(self, audit: AuditLog) -> int:
        """Move at most `STEP` events into the trail and return how many that were."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class _File:
    """The outbox in a SQLite file.

    A step is a visit to one thread, which talks to the driver itself: through the asynchronous
    engine it costs 4 ms of CPU, most of it to cross threads and to make sessions.
    """

    def __init__(self, path: Path, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None

    async def move(self, audit: AuditLog) -> int:
        return await asyncio.to_thread(self._move, audit)

    async def aclose(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _move(self, audit: AuditLog) -> int:
        with unavailable():
            connection = self._connection = self._connection or self._connect()
            query = "SELECT id, record, code FROM audit_outbox ORDER BY n LIMIT ?"
            rows = connection.execute(query, (STEP,)).fetchall()
            if rows:
                audit.take_now([Stored(*row) for row in rows])
                self._remove(connection, [(event_id,) for event_id, *_ in rows])
        return len(rows)

    def _connect(self) -> sqlite3.Connection:
        # The mode: only a migration may make the file.
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_s * 1000)}")
        # A removal that a power cut undoes is repeated, so it need not wait for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    @staticmethod
    def _remove(connection: sqlite3.Connection, ids: Sequence[tuple[str]]) -> None:
        """Mark rows as relayed, which is what allows to delete them, and delete them."""
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("UPDATE audit_outbox SET relayed = 1 WHERE id = ?", ids)
            connection.executemany("DELETE FROM audit_outbox WHERE id = ?", ids)
            connection.execute("COMMIT")
        except BaseException:  # whatever it is, the transaction must not stay open
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


class _Server:
    """The outbox in PostgreSQL, where replicas take different rows."""

    def __init__(self, settings: DatabaseSettings) -> None:
        # Connections of its own: it must not wait for a request.
        size = {"pool_size": 1, "max_overflow": 0}
        self._database = Database(settings.model_copy(update=size))

    async def move(self, audit: AuditLog) -> int:
        query = select(_table.c.id, _table.c.record, _table.c.code)
        query = query.order_by(_table.c.n).limit(STEP).with_for_update(skip_locked=True)
        async with self._database.transaction() as session:
            rows = (await session.execute(query)).all()
            if rows:
                await asyncio.to_thread(audit.take_now, [Stored(*row) for row in rows])
                mine = _table.c.id.in_([row.id for row in rows])
                # Marked as relayed, which is what allows to delete them.
                await session.execute(update(_table).where(mine).values(relayed=True))
                await session.execute(delete(_table).where(mine))
        return len(rows)

    async def aclose(self) -> None:
        await self._database.aclose()


class Relay:
    """Moves events from the outbox into the trail; close it when it did not `run`.

    Attributes:
        problem: Why the last step failed, or an empty string.
    """

    def __init__(self, audit: AuditLog, settings: DatabaseSettings) -> None:
        file = sqlite_path(settings)
        self._source: _Source = (
            _Server(settings) if file is None else _File(file, settings.busy_timeout_s)
        )
        self._audit = audit
        self._stop = asyncio.Event()
        self.problem = ""

    async def run(self, interval_s: float) -> None:
        """Relay until `stop` is called, and then what is left."""
        while not self._stop.is_set():
            await self._try()
            try:
                await asyncio.wait_for(self._stop.wait(), interval_s)
            except TimeoutError:
                continue
        await self._try()
        await self.aclose()

    def stop(self) -> None:
        """Let `run` end."""
        self._stop.set()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._source.aclose()

    async def relay(self) -> int:
        """Move what is committed, and return how many events that were.

        Raises:
            DatabaseUnavailableError: When the database can't be reached or is too busy.
            AuditUnavailableError: When the trail can't be written.
        """
        total = moved = await self._source.move(self._audit)
        # Not until there is nothing left: under load that would be a step for every event.
        while moved == STEP:
            moved = await self._source.move(self._audit)
            total += moved
        return total

    async def _try(self) -> None:
        try:
            await self.relay()
            self.problem = ""
        except DatabaseUnavailableError:
            # The readiness check of the database tells, and knows sooner when it is back.
            self.problem = ""
        except (SQLAlchemyError, sqlite3.Error, AuditUnavailableError) as error:
            # The events are safe where they are; the readiness check tells.
            if not self.problem:
                log.exception("audit_relay_failed")
            self.problem = type(error).__name__


def relay_lifespan(
    settings: DatabaseSettings,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Return a lifespan that lets the audit log record in transactions, and relays."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        audit: AuditLog = app.state.audit
        relay = Relay(audit, settings)
        audit.outbox = Outbox(audit)
        audit.problems = lambda: relay.problem
        # With the sealer's own interval an event is sealed within a second of its commit.
        task = asyncio.create_task(relay.run(audit.settings.seal_interval_s * 0.8))
        try:
            yield
        finally:
            audit.outbox = None
            relay.stop()
            await task

    return lifespan
