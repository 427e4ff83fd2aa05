# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The relay: moves events that transactions recorded from the project's database into the trail.

It may repeat itself after a crash; the trail knows an event by its id and takes it once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import cast

from fastapi import FastAPI
from sqlalchemy import Table

from ..core.database_settings import DatabaseSettings
from ..core.outbox import OutboxRelay, OutboxTable, Rows
from .log import AuditLog
from .models import AuditOutboxRow
from .records import Stored
from .transactional import Outbox

_TABLE = OutboxTable(cast("Table", AuditOutboxRow.__table__), ("id", "record", "code"), marked=True)


class Relay(OutboxRelay):
    """Moves events from the outbox into the trail."""

    name = "audit"

    def __init__(self, audit: AuditLog, settings: DatabaseSettings) -> None:
        super().__init__(settings, _TABLE)
        self._audit = audit

    async def hand_over(self, rows: Rows) -> None:
        """Store events in the trail, which takes each once."""
        await asyncio.to_thread(self._audit.take_now, [Stored(*row) for row in rows])


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
