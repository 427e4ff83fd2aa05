"""What the endpoints of the audit service ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request

from ..audit import Audit
from ..clients.auth import (
    AuthUnavailableError,
    CentralAuth,
    CurrentUser,
    PermissionDeniedError,
    UnauthenticatedError,
    require_any,
    require_tenant,
)
from ..clients.http import HttpClient
from ..core.database import Database
from ..kit.cursors import Cursors
from .event_schemas.service import SchemaGuard
from .ingest import Ingest
from .keys import LogKeys
from .ledger.approvals import Approvals
from .ledger.policy import FourEyes
from .ledger.reading import LedgerReader
from .ledger.records import Party
from .ledger.service import LedgerService
from .pages import Pages
from .payloads import PayloadCodec
from .sealer import Sealer
from .service import TrailService
from .settings import AuditServiceSettings
from .witnessing import Witnesses

WRITE, READ, ADMIN = "audit:write", "audit:read", "audit:admin"
LEDGER_WRITE, LEDGER_READ, LEDGER_APPROVE = "ledger:write", "ledger:read", "ledger:approve"

REFUSALS = (UnauthenticatedError, PermissionDeniedError, AuthUnavailableError)
"""What a caller without a valid token, without the permission, or without an issuer that answers gets."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; `app` puts it together."""

    settings: AuditServiceSettings
    database: Database
    keys: LogKeys
    codec: PayloadCodec
    ingest: Ingest
    schemas: SchemaGuard
    sealer: Sealer
    witnesses: Witnesses
    auth: CentralAuth
    cursors: Cursors
    pages: Pages
    http: HttpClient
    clock: Callable[[], datetime]

    def trail(self, tenant: str) -> TrailService:
        """Return what works for a tenant."""
        asked = self.witnesses.are_asked
        return TrailService(self.database, self.codec, self.cursors, asked, tenant)

    def ledger(self, tenant: str) -> LedgerService:
        """Return what makes accounts and transfers of a tenant."""
        above, valid_s = self.settings.four_eyes_above, self.settings.four_eyes_s
        return LedgerService(
            self.database,
            self.ingest,
            self.codec,
            FourEyes(above, valid_s),
            self.clock,
            self.sealer.wake,
            tenant,
        )

    def ledger_reader(self, tenant: str) -> LedgerReader:
        """Return what reads accounts and transfers of a tenant."""
        return LedgerReader(self.ledger(tenant))

    def approvals(self, tenant: str) -> Approvals:
        """Return what decides on transfers of a tenant that wait for a second person."""
        return Approvals(self.ledger(tenant))


async def _get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.audit_service
    return parts


AuditParts = Annotated[Parts, Depends(_get_parts)]
"""The parts of the service."""


def party_of(caller: CurrentUser) -> Party:
    """Return who calls, for the ledger."""
    token = caller.claims.get("jti")
    return Party(caller.subject, not caller.is_service, token if isinstance(token, str) else "")


def require(*permissions: str) -> Any:  # noqa: ANN401  # what Depends returns
    """Return a dependency: the caller, who is of an organisation and has one of these permissions."""
    check = require_any(*permissions)

    async def allowed(
        request: Request, caller: Annotated[CurrentUser, Depends(require_tenant)]
    ) -> CurrentUser:
        return await check(request, caller)

    return Depends(allowed)


Writer = Annotated[CurrentUser, require(WRITE)]
Reader = Annotated[CurrentUser, require(READ, ADMIN)]
WriterOrReader = Annotated[CurrentUser, require(WRITE, READ, ADMIN)]
Administrator = Annotated[CurrentUser, require(ADMIN)]
LedgerWriter = Annotated[CurrentUser, require(LEDGER_WRITE)]
LedgerReads = Annotated[CurrentUser, require(LEDGER_READ, LEDGER_WRITE, LEDGER_APPROVE)]
LedgerApprover = Annotated[CurrentUser, require(LEDGER_APPROVE)]

__all__ = [
    "ADMIN",
    "READ",
    "REFUSALS",
    "WRITE",
    "Administrator",
    "Audit",
    "AuditParts",
    "LedgerApprover",
    "LedgerReads",
    "LedgerWriter",
    "Parts",
    "Reader",
    "Writer",
    "WriterOrReader",
    "party_of",
    "require",
]
