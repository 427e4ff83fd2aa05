# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Events in the caller's transaction: they are recorded when it commits, and only then.

The event is a row of the project's own database, written through the caller's session. After the
commit a relay moves it into the trail, where the sealer takes it. The relay may repeat itself after a
crash; the trail knows an event by its id and takes it once.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from typing import Annotated, Any, cast

from fastapi import Depends, FastAPI
from sqlalchemy import Row, Table, insert, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.database import DbSession
from ..core.database_settings import DatabaseSettings
from ..core.outbox import OutboxRelay
from .dependencies import RequestAudit, get_audit
from .errors import AuditUnavailableError
from .events import AuditEvent
from .log import AuditLog
from .models import AuditOutboxRow
from .records import Stored, refuse_another
from .schema import connect
from .trail import Trail

_INSERT = "INSERT INTO audit_outbox (id, record, code, relayed) VALUES (?, ?, ?, ?)"

_table = cast("Table", AuditOutboxRow.__table__)


class Outbox:
    """Records events through the session of a caller."""

    def __init__(self, audit: AuditLog) -> None:
        self._audit = audit

    async def add(self, event: AuditEvent, session: object) -> str | None:
        """Put an event into the session's transaction; see `Inbox.add` for what it returns.

        Raises:
            TypeError: When the session is none.
            AuditConflictError: When another event was recorded under its idempotency key.
            AuditUnavailableError: When the database can't take it.
            InvalidEventError: When it can't be written as JSON.
        """
        if not isinstance(session, AsyncSession):
            raise TypeError("session: pass the AsyncSession of the transaction")
        codec = self._audit.codec
        if not codec.is_prepared(event):
            await asyncio.to_thread(codec.prepare, [event])  # makes a key, which waits for the disk
        stored = codec.encode(event)
        if event.fingerprint:
            earlier = await self._earlier(stored.id, session)
            if earlier is not None:
                refuse_another(earlier, event)
                return earlier
        await _insert(session, stored)
        return None

    async def _earlier(self, event_id: str, session: AsyncSession) -> str | None:
        """Return the record of an event that is there already, empty when dropped; or None."""
        query = select(_table.c.record).where(_table.c.id == event_id)
        record = (await session.execute(query)).scalar_one_or_none()
        if record is None:
            with closing(connect(self._audit.file, read_only=True)) as connection:
                row = Trail(connection).find(event_id)
            if row is None:
                return None
            record = row.record or ""
        return str(record)


async def _insert(session: AsyncSession, stored: Stored) -> None:
    """Insert an event into the outbox.

    Raises:
        AuditUnavailableError: When the database can't take it.
    """
    connection = await session.connection()
    if connection.dialect.name != "sqlite":
        row = {"id": stored.id, "record": stored.record, "code": stored.code, "relayed": False}
        await connection.execute(insert(_table), row)
        return
    # The driver runs in a thread: one visit to it takes 33 us, the three of SQLAlchemy 240.
    driver = (await connection.get_raw_connection()).driver_connection
    assert driver is not None  # noqa: S101  # it is for a connection that was closed
    try:
        await driver.execute_insert(_INSERT, (stored.id, stored.record, stored.code, False))
    except sqlite3.Error as error:
        raise AuditUnavailableError from error


class Relay(OutboxRelay):
    """Moves events from the outbox into the trail."""

    name = "audit"

    def __init__(self, audit: AuditLog, settings: DatabaseSettings) -> None:
        query = select(_table.c.n, _table.c.id, _table.c.record, _table.c.code)
        super().__init__(settings, _table, query)
        self._audit = audit

    async def hand_over(self, rows: Sequence[Row[*tuple[Any, ...]]]) -> None:
        """Store events in the trail, which takes each once."""
        await asyncio.gather(
            *(self._audit.take(Stored(row.id, row.record, row.code)) for row in rows)
        )

    async def remove(self, session: AsyncSession, numbers: Sequence[int]) -> None:
        """Mark rows as relayed, which is what allows to delete them."""
        relayed = update(_table).where(_table.c.n.in_(numbers)).values(relayed=True)
        await session.execute(relayed)
        await super().remove(session, numbers)


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


async def _get_transactional_audit(
    audit: Annotated[RequestAudit, Depends(get_audit)], session: DbSession
) -> RequestAudit:
    """Return the audit log for a request, recording in the request's transaction."""
    return audit.within(session)


TransactionalAudit = Annotated[RequestAudit, Depends(_get_transactional_audit, scope="function")]
"""The audit log, for an endpoint that changes the database: both happen, or neither."""
