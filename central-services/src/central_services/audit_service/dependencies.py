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
from .ingest import Ingest
from .keys import LogKeys
from .pages import Pages
from .payloads import PayloadCodec
from .sealer import Sealer
from .service import TrailService
from .settings import AuditServiceSettings
from .witnessing import Witnesses

WRITE, READ, ADMIN = "audit:write", "audit:read", "audit:admin"

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


async def _get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.audit_service
    return parts


AuditParts = Annotated[Parts, Depends(_get_parts)]
"""The parts of the service."""


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

__all__ = [
    "ADMIN",
    "READ",
    "REFUSALS",
    "WRITE",
    "Administrator",
    "Audit",
    "AuditParts",
    "Parts",
    "Reader",
    "Writer",
    "WriterOrReader",
    "require",
]
