"""Users and their sessions and roles, by the paths that projects' front ends use.

The rules are those of `/admin`: an organisation's admin sees nothing of other organisations. In the
first-party client users see themselves and their own sessions too.
"""

from __future__ import annotations

from uuid import UUID

from fastapi import APIRouter

from ...api.problems import problem_responses
from .. import schemas
from ..errors import PasswordPolicyError, TakenError
from .admin import create_user, list_users
from .identities import ERRORS, Identities, OwnIdentities, user_of

router = APIRouter(prefix="/users", tags=["users"])

router.get("", summary="List users", responses=ERRORS)(list_users)
router.post(
    "",
    status_code=201,
    summary="Add a user",
    responses={**ERRORS, **problem_responses(TakenError, PasswordPolicyError)},
)(create_user)


@router.get("/{user_id}", summary="Look up a user", responses=ERRORS)
async def get_user(user_id: UUID, service: OwnIdentities) -> schemas.User:
    """Return a user."""
    return await user_of(service, await service.user(user_id))


@router.put(
    "/{user_id}",
    summary="Change a user",
    responses={**ERRORS, **problem_responses(TakenError)},
)
async def change_user(user_id: UUID, body: schemas.UserPut, service: Identities) -> schemas.User:
    """Change a user's address, name and status. Another address is not verified."""
    return await user_of(service, await service.change_user(user_id, body))


@router.delete("/{user_id}", status_code=204, summary="Delete a user", responses=ERRORS)
async def delete_user(user_id: UUID, service: Identities) -> None:
    """Delete a user; every session and token of theirs ends. The audit trail stays."""
    await service.delete_user(user_id)


@router.get("/{user_id}/sessions", summary="List a user's sessions", responses=ERRORS)
async def list_sessions(user_id: UUID, service: OwnIdentities) -> list[schemas.Session]:
    """List the logins of a user that are open, the latest first."""
    user = await service.user(user_id)
    rows = await service.repository.logins(user.id, service.clock())
    names = schemas.Session.model_fields
    return [schemas.Session(**{name: getattr(row, name) for name in names}) for row in rows]


@router.delete(
    "/{user_id}/sessions", status_code=204, summary="Log a user out everywhere", responses=ERRORS
)
async def end_sessions(user_id: UUID, service: OwnIdentities) -> None:
    """End every session and token of a user."""
    await service.end_sessions(user_id)


@router.post("/{user_id}/roles", summary="Give a user a role", responses=ERRORS)
async def give_role(user_id: UUID, body: schemas.RoleId, service: Identities) -> schemas.RoleNames:
    """Give a user a role of their organisation; answers with all that they have then."""
    roles = await service.give_role(user_id, body.role_id)
    return schemas.RoleNames(roles=[role.name for role in roles])


@router.delete(
    "/{user_id}/roles/{role_id}", status_code=204, summary="Take a user's role", responses=ERRORS
)
async def take_role(user_id: UUID, role_id: UUID, service: Identities) -> None:
    """Take a role from a user."""
    await service.take_role(user_id, role_id)
