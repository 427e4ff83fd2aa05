"""Roles by their id."""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from ...api.problems import problem_responses
from .. import schemas
from ..errors import TakenError
from ..models import RoleRow
from ..service import IdentityService
from .identities import ERRORS, Identities, Limit

router = APIRouter(prefix="/roles", tags=["roles"])


def _shown(row: RoleRow, slug: str) -> schemas.TenantRole:
    return schemas.TenantRole(
        id=row.id, organisation=slug, name=row.name, permissions=row.permissions
    )


async def _role_of(service: IdentityService, row: RoleRow) -> schemas.TenantRole:
    organisation = await service.repository.organisation_by_id(row.organisation_id)
    return _shown(row, organisation.slug if organisation else "")


@router.get("", summary="List roles", responses=ERRORS)
async def list_roles(
    service: Identities, limit: Limit = 20, cursor: UUID | None = None
) -> schemas.RolePage:
    """List roles by id: all, or those of the caller's organisation."""
    found = await service.repository.roles_after(
        organisation=service.organisation_id, after=cursor, limit=limit + 1
    )
    items = [_shown(row, slug) for row, slug in found[:limit]]
    more = len(found) > limit
    return schemas.RolePage(items=items, next_cursor=str(items[-1].id) if more else None)


@router.post(
    "",
    status_code=201,
    summary="Add a role",
    responses={**ERRORS, **problem_responses(TakenError)},
)
async def create_role(body: schemas.RoleCreate, service: Identities) -> schemas.TenantRole:
    """Add a role to an organisation."""
    row = await service.create_role(body.organisation, body.name, body.permissions)
    return _shown(row, body.organisation)


@router.get("/{role_id}", summary="Look up a role", responses=ERRORS)
async def get_role(role_id: UUID, service: Identities) -> schemas.TenantRole:
    """Return a role."""
    return await _role_of(service, await service.role(role_id))


@router.put("/{role_id}", summary="Change what a role permits", responses=ERRORS)
async def change_role(
    role_id: UUID, body: schemas.RolePut, service: Identities
) -> schemas.TenantRole:
    """Change what a role permits; tokens tell it from the next refresh on."""
    return await _role_of(service, await service.change_role(role_id, body.permissions))


@router.delete("/{role_id}", status_code=204, summary="Delete a role", responses=ERRORS)
async def delete_role(role_id: UUID, service: Identities) -> None:
    """Delete a role; who had it has it no more from the next refresh on."""
    await service.delete_role(role_id)
