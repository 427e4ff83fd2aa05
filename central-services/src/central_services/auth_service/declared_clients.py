"""Clients that the settings declare: registered at the start, and brought to what is declared now."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ..audit import Action, AuditEvent, AuditLog
from ..core.database import Database
from .actions import CLIENT_CHANGED
from .client_metadata import check_client
from .errors import TakenError
from .schemas import ClientCreate, OrganisationCreate
from .service import IdentityService


class DeclaredClients:
    """Sees to declared clients; several processes may do so at once, and each at every start.

    Whoever disabled one finds it disabled afterwards, too.

    Args:
        database: Where they are.
        declared: Their metadata.
        audit: Records what is changed.
        clock: Returns the time.
    """

    def __init__(
        self,
        database: Database,
        declared: Sequence[Mapping[str, Any]],
        audit: AuditLog,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._waiting = [ClientCreate.model_validate(one) for one in declared]
        self._audit = audit
        self._clock = clock

    async def register(self) -> None:
        """Register those that are missing, and change those that differ; once they are there, do nothing.

        Raises:
            DatabaseUnavailableError: The rest is done by the next call.
            InvalidClientMetadataError: A declaration contradicts itself.
        """
        while self._waiting:
            await self._see_to(self._waiting[0])
            del self._waiting[0]

    async def _see_to(self, asked: ClientCreate) -> None:
        async with self._database.transaction() as session:

            async def record(action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
                return await self._audit.record(action, target=target, data=data, session=session)

            service = IdentityService(session, record, self._clock)
            if await service.repository.client(str(asked.id)) is None:
                await _see_to_organisation(service, asked.organisation)
                with contextlib.suppress(TakenError):  # another process was faster
                    await service.register_client(asked)
                    return
            await _change(service, asked)


async def _see_to_organisation(service: IdentityService, slug: str | None) -> None:
    if slug is not None and await service.repository.organisation(slug) is None:
        with contextlib.suppress(TakenError):  # another process was faster
            await service.create_organisation(OrganisationCreate(slug=slug, name=slug.title()))


async def _change(service: IdentityService, asked: ClientCreate) -> None:
    """Bring a client to what is declared; a field that is the same is not written."""
    check_client(asked)
    row = await service.client(str(asked.id))
    wanted = asked.model_dump(exclude={"id"})
    fields = [name for name, value in wanted.items() if getattr(row, name) != value]
    for name in fields:
        setattr(row, name, wanted[name])
    if "auth_method" in fields:
        row.secret_digest = None
    if fields:
        await service.record(CLIENT_CHANGED, target=f"client:{row.id}", data={"fields": fields})
