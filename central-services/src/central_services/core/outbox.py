# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Transactional outboxes: rows written in a caller's transaction, moved elsewhere after its commit.

What is handed over may be handed over again after a crash; who takes it knows it by its id.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from ..utils.logging import get_logger
from ._database_engine import sqlite_path
from .database import Database, DatabaseUnavailableError, unavailable
from .database_settings import DatabaseSettings
from .errors import ServiceError

STEP = 500
"""Rows per transaction."""

Rows = Sequence[Sequence[Any]]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OutboxTable:
    """A table that is relayed.

    Attributes:
        table: The table, whose column `n` orders its rows.
        columns: What is handed over; by the first one a row is removed, so it must name it for good:
            SQLite gives the number of a deleted row to another one, unless told not to.
        marked: Whether a row must be marked as `relayed` before it may be deleted.
    """

    table: Table
    columns: tuple[str, ...]
    marked: bool = False


class _Source(Protocol):
    """The database that rows wait in."""

    async def move(self, relay: OutboxRelay) -> int:
        """Hand over at most `STEP` rows, delete them, and return how many that were."""
        ...

    async def aclose(self) -> None:
        """Close its connections."""
        ...


class _File:
    """A table in SQLite.

    The driver is asked directly, in a thread: through the asynchronous engine a step costs 4 ms of
    CPU, most of it to cross threads and to make sessions.
    """

    def __init__(self, path: Path, about: OutboxTable, busy_timeout_s: float) -> None:
        self._path = path
        self._busy_timeout_s = busy_timeout_s
        self._connection: sqlite3.Connection | None = None
        # No value of anybody's is in these statements: names of tables and columns are.
        name, key = about.table.name, about.columns[0]
        self._select = f"SELECT {', '.join(about.columns)} FROM {name} ORDER BY n LIMIT {STEP}"  # noqa: S608  # see above
        self._removals = [f"DELETE FROM {name} WHERE {key} = ?"]  # noqa: S608  # the same
        if about.marked:
            self._removals.insert(0, f"UPDATE {name} SET relayed = 1 WHERE {key} = ?")  # noqa: S608  # the same

    async def move(self, relay: OutboxRelay) -> int:
        rows = await asyncio.to_thread(self._read)
        if rows:
            # Its writers take turns: the turn is not held while others wait for the disk.
            await relay.hand_over(rows)
            await asyncio.to_thread(self._remove, [(row[0],) for row in rows])
        return len(rows)

    async def aclose(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _read(self) -> Rows:
        with unavailable():
            self._connection = self._connection or self._connect()
            return cast("Rows", self._connection.execute(self._select).fetchall())

    def _connect(self) -> sqlite3.Connection:
        # The mode: only a migration may make the file.
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        connection.execute(f"PRAGMA busy_timeout = {int(self._busy_timeout_s * 1000)}")
        # A removal that a power cut undoes is repeated, so it need not wait for the disk.
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    def _remove(self, keys: Sequence[tuple[Any]]) -> None:
        connection = self._connection
        assert connection is not None  # noqa: S101  # what is removed was read
        with unavailable():
            connection.execute("BEGIN IMMEDIATE")
            try:
                for statement in self._removals:
                    connection.executemany(statement, keys)
                connection.execute("COMMIT")
            except BaseException:  # whatever it is, the transaction must not stay open
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise


class _Server:
    """A table in PostgreSQL, where replicas take different rows."""

    def __init__(self, settings: DatabaseSettings, about: OutboxTable) -> None:
        # Connections of its own: it must not wait for a request.
        size = {"pool_size": 1, "max_overflow": 0}
        self._database = Database(settings.model_copy(update=size))
        self._about = about

    async def move(self, relay: OutboxRelay) -> int:
        table, columns = self._about.table, self._about.columns
        key = table.c[columns[0]]
        query = select(*(table.c[name] for name in columns)).order_by(table.c.n).limit(STEP)
        async with self._database.transaction() as session:
            rows = (await session.execute(query.with_for_update(skip_locked=True))).all()
            if rows:
                await relay.hand_over(rows)
                mine = key.in_([row[0] for row in rows])
                if self._about.marked:
                    await session.execute(update(table).where(mine).values(relayed=True))
                await session.execute(delete(table).where(mine))
        return len(rows)

    async def aclose(self) -> None:
        await self._database.aclose()


class OutboxRelay:
    """Moves rows of one table to where they belong; close it when it did not `run`.

    Attributes:
        name: What it is called in the log.
        problem: Why the last step failed, or an empty string.
    """

    name: ClassVar[str]

    def __init__(self, settings: DatabaseSettings, about: OutboxTable) -> None:
        file = sqlite_path(settings)
        self._source: _Source = (
            _Server(settings, about)
            if file is None
            else _File(file, about, settings.busy_timeout_s)
        )
        self._wake = asyncio.Event()
        self._stopping = False
        self.problem = ""

    async def hand_over(self, rows: Rows) -> None:
        """Give rows to whom they are for; what it raises leaves them where they are."""
        raise NotImplementedError

    async def run(self, interval_s: float) -> None:
        """Relay until `stop` is called, and then what is left."""
        while not self._stopping:
            self._wake.clear()
            await self._try()
            try:
                await asyncio.wait_for(self._wake.wait(), interval_s)
            except TimeoutError:
                continue
        await self._try()
        await self.aclose()

    def wake(self) -> None:
        """Let `run` look now: something was committed."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._wake.set()

    async def aclose(self) -> None:
        """Close its connections."""
        await self._source.aclose()

    async def relay(self) -> int:
        """Move what is committed, and return how many rows that were.

        Raises:
            DatabaseUnavailableError: When the database can't be reached or is too busy.
            ServiceError: When what is moved is not taken.
        """
        total = moved = await self._source.move(self)
        # Not until there is nothing left: under load that would be a step for every row.
        while moved == STEP:
            moved = await self._source.move(self)
            total += moved
        return total

    async def _try(self) -> None:
        try:
            await self.relay()
            self.problem = ""
        except DatabaseUnavailableError:
            # The readiness check of the database tells, and knows sooner when it is back.
            self.problem = ""
        except (SQLAlchemyError, sqlite3.Error, ServiceError) as error:
            # The rows are safe where they are; a readiness check tells.
            if not self.problem:
                log.exception("outbox_relay_failed", outbox=self.name)
            self.problem = type(error).__name__
