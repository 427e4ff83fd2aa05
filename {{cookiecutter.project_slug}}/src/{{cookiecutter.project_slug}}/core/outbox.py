# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Transactional outboxes: rows written in a caller's transaction, moved elsewhere after its commit.

What is handed over may be handed over again after a crash; who takes it knows it by its id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, ClassVar

from sqlalchemy import Row, Select, Table, delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ..utils.logging import get_logger
from .database import Database, DatabaseUnavailableError
from .database_settings import DatabaseSettings
from .errors import ServiceError

STEP = 500
"""Rows per transaction."""

log = get_logger(__name__)


class OutboxRelay:
    """Moves rows of one table to where they belong.

    Args:
        settings: Where the database is.
        table: The table, whose column `n` numbers its rows.
        query: Selects what `hand_over` needs, and `n`.

    Attributes:
        name: What it is called in the log.
        problem: Why the last step failed, or an empty string.
    """

    name: ClassVar[str]

    def __init__(
        self, settings: DatabaseSettings, table: Table, query: Select[*tuple[Any, ...]]
    ) -> None:
        # Connections of its own: it must neither wait for a request nor see what is not committed.
        size = {"pool_size": 1, "max_overflow": 0}
        self._database = Database(settings.model_copy(update=size))
        self._table = table
        self._query = query.order_by(table.c.n).limit(STEP)
        self._wake = asyncio.Event()
        self._stopping = False
        self.problem = ""

    async def hand_over(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        """Give rows to whom they are for; what it raises leaves them where they are."""
        raise NotImplementedError

    async def remove(self, session: AsyncSession, numbers: Sequence[int]) -> None:
        """Delete rows that were handed over."""
        await session.execute(delete(self._table).where(self._table.c.n.in_(numbers)))

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
        await self._database.aclose()

    def wake(self) -> None:
        """Let `run` look now: something was committed."""
        self._wake.set()

    def stop(self) -> None:
        """Let `run` end."""
        self._stopping = True
        self._wake.set()

    async def relay(self) -> int:
        """Move what is committed, and return how many rows that were."""
        total = moved = await self._step()
        # Not until there is nothing left: under load that would be a step for every row.
        while moved == STEP:
            moved = await self._step()
            total += moved
        return total

    async def _try(self) -> None:
        try:
            await self.relay()
            self.problem = ""
        except DatabaseUnavailableError:
            # The readiness check of the database tells, and knows sooner when it is back.
            self.problem = ""
        except (SQLAlchemyError, ServiceError) as error:
            # The rows are safe where they are; a readiness check tells.
            if not self.problem:
                log.exception("outbox_relay_failed", outbox=self.name)
            self.problem = type(error).__name__

    async def _step(self) -> int:
        if self._database.file is not None:
            # Its writers take turns: don't hold the turn while others wait for the disk.
            async with self._database.read() as session:
                rows = (await session.execute(self._query)).all()
            if rows:
                await self.hand_over(rows)
                async with self._database.transaction() as session:
                    await self.remove(session, [row.n for row in rows])
            return len(rows)
        async with self._database.transaction() as session:
            # Other replicas take other rows meanwhile.
            rows = (await session.execute(self._query.with_for_update(skip_locked=True))).all()
            if rows:
                await self.hand_over(rows)
                await self.remove(session, [row.n for row in rows])
        return len(rows)
