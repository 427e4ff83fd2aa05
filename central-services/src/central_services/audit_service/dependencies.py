"""What the endpoints of the audit service ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from ..audit import Actor, Audit
from ..audit.events import ActorKind
from ..clients.http import HttpClient
from ..core.database import Database
from ..kit.cursors import Cursors
from .errors import ForbiddenError, TokenError
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
from .tokens import Principal, TokenVerifier
from .witnessing import Witnesses

WRITE, READ, ADMIN = "audit:write", "audit:read", "audit:admin"
LEDGER_WRITE, LEDGER_READ, LEDGER_APPROVE = "ledger:write", "ledger:read", "ledger:approve"


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
    verifier: TokenVerifier
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

# For the API description; the endpoint reads the header itself, to answer as RFC 6750 wants.
_SCHEME = HTTPBearer(auto_error=False, description="An access token of the auth service.")


async def _get_caller(
    request: Request, parts: AuditParts, _: Annotated[object, Depends(_SCHEME)]
) -> Principal:
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise TokenError("Send an access token.", headers={"WWW-Authenticate": "Bearer"})
    found = await parts.verifier.verify(token.strip())
    request.state.actor = actor_of(found)
    if not found.tenant:
        raise ForbiddenError(
            "The token names no organisation.", headers=_challenge("audit:write audit:read")
        )
    return found


def actor_of(principal: Principal) -> Actor:
    """Return who calls, for the service's own trail."""
    kind: ActorKind = "user" if principal.is_user else "service"
    return Actor(kind, principal.subject, session=principal.token_id)


def party_of(principal: Principal) -> Party:
    """Return who calls, for the ledger."""
    return Party(principal.subject, principal.is_user, principal.token_id)


Caller = Annotated[Principal, Depends(_get_caller)]
"""Whoever sent a token that is valid here."""


def require(*permissions: str) -> Any:  # noqa: ANN401  # what Depends returns
    """Return a dependency: the caller, who has one of these permissions."""

    async def check(caller: Caller) -> Principal:
        if not caller.permissions & set(permissions):
            wanted = " or ".join(permissions)
            challenge = _challenge(" ".join(permissions))
            raise ForbiddenError(f"This needs the permission {wanted}.", headers=challenge)
        return caller

    return Depends(check)


def _challenge(scope: str) -> dict[str, str]:
    return {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}


Writer = Annotated[Principal, require(WRITE)]
Reader = Annotated[Principal, require(READ, ADMIN)]
WriterOrReader = Annotated[Principal, require(WRITE, READ, ADMIN)]
Administrator = Annotated[Principal, require(ADMIN)]
LedgerWriter = Annotated[Principal, require(LEDGER_WRITE)]
LedgerReads = Annotated[Principal, require(LEDGER_READ, LEDGER_WRITE, LEDGER_APPROVE)]
LedgerApprover = Annotated[Principal, require(LEDGER_APPROVE)]

__all__ = [
    "ADMIN",
    "READ",
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
    "actor_of",
    "party_of",
]
