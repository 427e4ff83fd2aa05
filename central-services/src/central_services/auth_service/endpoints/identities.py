"""Who calls the API about users and roles, and what of it they may touch."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, Query

from ...api.problems import problem_responses
from ...audit import Action, AuditEvent
from .. import schemas
from ..api_keys import ApiKeyService
from ..dependencies import Audit, AuthParts, Caller, DbSession
from ..errors import CredentialsError, ForbiddenError, UnknownError
from ..models import UserRow
from ..service import ORGANISATION, PLATFORM, IdentityService, Record

Limit = Annotated[int, Query(ge=1, le=100, description="Items per page.")]
ERRORS = problem_responses(CredentialsError, ForbiddenError, UnknownError, 422, 503)


def recorder(audit: Audit, session: DbSession) -> Record:
    """Return what records events in the request's transaction."""
    recording = audit.within(session)

    async def record(action: Action, *, target: str, data: dict[str, Any]) -> AuditEvent:
        return await recording.record(action, target=target, data=data)

    return record


async def _service(
    session: DbSession, parts: AuthParts, caller: Caller, audit: Audit
) -> IdentityService:
    """Return the service in the request's transaction, confined to what the caller may touch."""
    service = IdentityService(session, recorder(audit, session), parts.clock)
    if caller.claims is None:
        raise ForbiddenError("Send an access token.")
    if "act" in caller.claims.claims:
        raise ForbiddenError("Who acts for somebody else administers nothing.")
    held = caller.claims.claims.get("permissions") or []
    if PLATFORM in held:
        return service
    if ORGANISATION not in held or caller.family is None:
        raise ForbiddenError(f"This needs the permission {PLATFORM}.")
    organisation = await service.organisation(str(caller.claims.claims.get("org", "")))
    return dataclasses.replace(service, organisation_id=organisation.id)


async def _service_for(
    user_id: UUID, session: DbSession, parts: AuthParts, caller: Caller, audit: Audit
) -> IdentityService:
    """Return the service for what users see of themselves in the application of the house."""
    first_party = parts.settings.first_party_client
    family = caller.family
    if family and family.user_id == user_id and first_party == caller.client_id:
        row = await session.get(UserRow, user_id)
        if row is not None:
            record = recorder(audit, session)
            return IdentityService(session, record, parts.clock, row.organisation_id)
    return await _service(session, parts, caller, audit)


OwnIdentities = Annotated[IdentityService, Depends(_service_for, scope="function")]
"""The service of an admin, or of users for what is their own."""
Identities = Annotated[IdentityService, Depends(_service, scope="function")]


async def _platform_service(service: Identities) -> IdentityService:
    """Return the service for what belongs to no organisation."""
    if service.organisation_id is not None:
        raise ForbiddenError(f"This needs the permission {PLATFORM}.")
    return service


async def _api_keys(
    session: DbSession, parts: AuthParts, caller: Caller, audit: Audit
) -> ApiKeyService:
    """Return the service for API keys: an admin's, or that of a user in the house's application."""
    family, first_party = caller.family, parts.settings.first_party_client
    user_id = family.user_id if family and first_party == caller.client_id else None
    try:
        admin = await _service(session, parts, caller, audit)
    except ForbiddenError:
        if user_id is None:
            raise
        admin = None
    return ApiKeyService(session, recorder(audit, session), parts.clock, admin, user_id)


ApiKeys = Annotated[ApiKeyService, Depends(_api_keys, scope="function")]
AllIdentities = Annotated[IdentityService, Depends(_platform_service, scope="function")]


async def user_of(service: IdentityService, row: UserRow) -> schemas.User:
    """Return a user as it is shown."""
    organisation = await service.repository.organisation_by_id(row.organisation_id)
    roles = await service.repository.roles_of(row.id)
    return schemas.User(
        id=row.id,
        organisation=organisation.slug if organisation else "",
        email=row.email,
        email_verified=row.email_verified,
        name=row.name,
        status="active" if row.status == "active" else "disabled",
        roles=[role.name for role in roles],
        created_at=row.created_at,
    )
