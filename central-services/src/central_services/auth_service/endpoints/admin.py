"""The admin API: organisations, users, roles and clients.

It takes access tokens of this service with the permission `auth:admin`, which reaches everything, or
`auth:org-admin`, which reaches the caller's own organisation only.
"""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Query, Response

from ...api.problems import problem_responses
from .. import schemas
from ..dependencies import AuthParts
from ..errors import InvalidClientMetadataError, PasswordPolicyError, TakenError
from ..models import ClientRow
from .identities import ERRORS, AllIdentities, Identities, Limit, user_of

router = APIRouter(prefix="/admin", tags=["admin"])

Slug = Annotated[str, Path(pattern=r"^[a-z0-9-]+$", max_length=63)]
ClientId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)]


def client_of(row: ClientRow) -> dict[str, Any]:
    """Return what is shown of a client."""
    return {name: getattr(row, name) for name in schemas.Client.model_fields}


@router.post(
    "/organisations",
    status_code=201,
    summary="Add an organisation",
    responses={**ERRORS, **problem_responses(TakenError)},
)
async def create_organisation(
    body: schemas.OrganisationCreate, service: AllIdentities
) -> schemas.Organisation:
    """Add an organisation."""
    row = await service.create_organisation(body)
    return schemas.Organisation(id=row.id, slug=row.slug, name=row.name)


@router.post(
    "/users",
    status_code=201,
    summary="Add a user",
    responses={**ERRORS, **problem_responses(TakenError, PasswordPolicyError)},
)
async def create_user(
    body: schemas.UserCreate, parts: AuthParts, service: Identities
) -> schemas.User:
    """Add a user to an organisation."""
    password = body.password.get_secret_value()
    parts.passwords.require_good(password, about=(body.email, body.name))
    row = await service.create_user(body, await parts.passwords.hash(password))
    return await user_of(service, row)


@router.get("/users", summary="List users", responses=ERRORS)
async def list_users(
    service: Identities, limit: Limit = 20, cursor: UUID | None = None
) -> schemas.UserPage:
    """List users by id: all, or those of the caller's organisation."""
    rows = await service.repository.users(
        organisation=service.organisation_id, after=cursor, limit=limit + 1
    )
    items = [await user_of(service, row) for row in rows[:limit]]
    more = len(rows) > limit
    return schemas.UserPage(items=items, next_cursor=str(items[-1].id) if more else None)


@router.get("/users/{user_id}", summary="Look up a user", responses=ERRORS)
async def get_user(user_id: UUID, service: Identities) -> schemas.User:
    """Return a user."""
    return await user_of(service, await service.user(user_id))


@router.put("/users/{user_id}/status", summary="Enable or disable a user", responses=ERRORS)
async def set_user_status(
    user_id: UUID, body: schemas.UserStatus, service: Identities
) -> schemas.User:
    """Let a user log in or not; disabling ends every session and token at once."""
    return await user_of(service, await service.set_status(user_id, body.status))


@router.put("/users/{user_id}/roles", summary="Assign roles", responses=ERRORS)
async def set_user_roles(
    user_id: UUID, body: schemas.RoleNames, service: Identities
) -> schemas.RoleNames:
    """Give a user these roles of their organisation, and no others."""
    roles = await service.assign(user_id, body.roles)
    return schemas.RoleNames(roles=[role.name for role in roles])


@router.put("/organisations/{slug}/roles/{name}", summary="Define a role", responses=ERRORS)
async def put_role(
    slug: Slug, name: Slug, body: schemas.RolePut, service: Identities
) -> schemas.Role:
    """Add a role, or change what it permits; tokens tell it from the next refresh on."""
    row = await service.put_role(slug, name, body.permissions)
    return schemas.Role(name=row.name, permissions=row.permissions)


@router.get("/organisations/{slug}/roles", summary="List roles", responses=ERRORS)
async def list_roles(slug: Slug, service: Identities) -> list[schemas.Role]:
    """List the roles of an organisation."""
    organisation = await service.organisation(slug)
    rows = await service.repository.roles(organisation.id)
    return [schemas.Role(name=row.name, permissions=row.permissions) for row in rows]


@router.post(
    "/clients",
    status_code=201,
    summary="Register a client",
    responses={**ERRORS, **problem_responses(TakenError, InvalidClientMetadataError)},
)
async def register_client(
    body: schemas.ClientCreate, service: AllIdentities, response: Response
) -> schemas.RegisteredClient:
    """Register a client. Its secret is shown this once."""
    response.headers["Cache-Control"] = "no-store"
    row, secret = await service.register_client(body)
    return schemas.RegisteredClient(**client_of(row), secret=secret)


@router.get("/clients", summary="List clients", responses=ERRORS)
async def list_clients(
    service: AllIdentities,
    limit: Limit = 20,
    cursor: Annotated[str | None, Query(pattern=r"^[A-Za-z0-9_-]+$", max_length=64)] = None,
) -> schemas.ClientPage:
    """List clients by id."""
    rows = await service.repository.clients(after=cursor, limit=limit + 1)
    items = [schemas.Client(**client_of(row)) for row in rows[:limit]]
    return schemas.ClientPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


@router.post(
    "/clients/{client_id}/secret",
    summary="Renew a client's secret",
    responses={**ERRORS, **problem_responses(InvalidClientMetadataError)},
)
async def renew_secret(
    client_id: ClientId, service: AllIdentities, response: Response
) -> schemas.RegisteredClient:
    """Give a client another secret, which is shown this once; the old one is refused from now on."""
    response.headers["Cache-Control"] = "no-store"
    row, secret = await service.renew_secret(client_id)
    return schemas.RegisteredClient(**client_of(row), secret=secret)


@router.post("/clients/{client_id}/disable", summary="Disable a client", responses=ERRORS)
async def disable_client(client_id: ClientId, service: AllIdentities) -> schemas.Client:
    """Refuse a client from now on."""
    return schemas.Client(**client_of(await service.disable_client(client_id)))
