"""The service without its HTTP face, as commands open it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from ..core.database import Database
from ..kit.cursors import Cursors
from ..kit.tenancy import as_tenant
from .keys import LogKeys, open_subject_keys
from .payloads import PayloadCodec
from .repository import EventRepository
from .service import TrailService, drop_expired
from .verification import LogReport, verify_logs

if TYPE_CHECKING:
    from ..settings import Settings


def as_utc(moment: datetime | None) -> datetime | None:
    """Return a time that a person typed, in UTC unless it says otherwise."""
    if moment is None:
        return None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Console:
    """What commands work with.

    Attributes:
        database: The database.
        keys: The service's keys.
        codec: Opens events.
    """

    database: Database
    keys: LogKeys
    codec: PayloadCodec

    def trail(self, tenant: str) -> TrailService:
        """Return what works for a tenant."""
        cursors = Cursors(self.keys.derived("cursors"))
        return TrailService(self.database, self.codec, cursors, witnessed=False, tenant=tenant)

    async def verify(self, tenant: str) -> list[LogReport]:
        """Return what is wrong with the log of a tenant, or of each."""
        return await verify_logs(self.database, self.keys, self.codec, tenant)

    async def drop_expired(self) -> dict[str, tuple[int, int]]:
        """Drop contents whose retention has ended."""
        return await drop_expired(self.database, datetime.now(UTC))

    async def place_hold(self, tenant: str, name: str, person: str | None, *, by: str) -> str:
        """Place a hold, and return the id of the person's key."""
        with as_tenant(tenant):
            async with self.database.transaction() as session:
                now = datetime.now(UTC)
                row = await self.trail(tenant).place_hold(session, name, person, by=by, now=now)
                return row.key

    async def release_hold(self, tenant: str, name: str, *, by: str) -> str:
        """Lift a hold, and return the id of the key that it was about."""
        with as_tenant(tenant):
            async with self.database.transaction() as session:
                row = await self.trail(tenant).release_hold(
                    session, name, by=by, now=datetime.now(UTC)
                )
                return row.key

    async def holds(self, tenant: str) -> list[str]:
        """Return a line for each hold in force."""
        with as_tenant(tenant):
            async with self.database.read() as session:
                rows = await EventRepository(session).holds()
        return [
            f"{row.name}\t{row.key or 'everything'}\tsince {row.placed_at.isoformat()}"
            for row in rows
        ]


@asynccontextmanager
async def open_console(settings: Settings) -> AsyncGenerator[Console]:
    """Open what the settings name.

    Raises:
        AuditKeyError: A key is malformed, or is not the one that is in use.
    """
    own = settings.audit_service
    keys = LogKeys.of(own)
    subjects = await asyncio.to_thread(open_subject_keys, own, keys.master)
    database = Database(settings.database)
    try:
        yield Console(database, keys, PayloadCodec(subjects, keys.master))
    finally:
        await database.aclose()
        subjects.close()
