# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Events in the caller's transaction: they are recorded when it commits, and only then.

The event is a row of the project's own database, written through the caller's session. After the
commit the relay (`relay.py`) moves it into the trail, where the sealer takes it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, cast

from fastapi import Depends, Request
from sqlalchemy import Connection, Table, insert, select
from sqlalchemy.event import listens_for
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..core.database import DbSession
from .dependencies import RequestAudit, request_audit
from .errors import AuditUnavailableError
from .events import AuditEvent
from .log import AuditLog
from .models import AuditOutboxRow
from .records import Stored, refuse_another
from .schema import connect
from .trail import Trail

if TYPE_CHECKING:
    import aiosqlite

_INSERT = "INSERT INTO audit_outbox (id, record, code, relayed) VALUES (?, ?, ?, ?)"
_CONNECTION = f"{__name__}.connection"

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
        connection: Connection | None = session.info.get(_CONNECTION)
        if connection is None or connection.closed or not connection.in_transaction():
            connection = await session.run_sync(Session.connection)
        if connection.dialect.name == "sqlite":
            _insert_now(connection, stored)
        else:
            row = {"id": stored.id, "record": stored.record, "code": stored.code, "relayed": False}
            await session.execute(insert(_table), row)
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


def _insert_now(connection: Connection, stored: Stored) -> None:
    """Insert an event into SQLite's outbox.

    Not in the driver's thread: to visit it costs more than all of `record`. Nothing can make this
    wait, since a transaction that may write takes the lock when it begins (_database_engine.py).

    Raises:
        AuditUnavailableError: When the database can't take it.
    """
    driver = cast("aiosqlite.Connection", connection.connection.driver_connection)
    row = (stored.id, stored.record, stored.code, False)
    try:
        driver._conn.execute(_INSERT, row)  # noqa: SLF001  # there is no public way past the thread
    except sqlite3.Error as error:
        raise AuditUnavailableError from error


@listens_for(Session, "after_begin")
def _remember(session: Session, transaction: object, connection: Connection) -> None:
    """Keep the connection of a session that has begun where no greenlet is needed to get at it."""
    del transaction
    session.info[_CONNECTION] = connection


async def _get_transactional_audit(request: Request, session: DbSession) -> RequestAudit:
    """Return the audit log for a request, recording in the request's transaction."""
    return request_audit(request).within(session)


TransactionalAudit = Annotated[RequestAudit, Depends(_get_transactional_audit, scope="function")]
"""The audit log, for an endpoint that changes the database: both happen, or neither."""
