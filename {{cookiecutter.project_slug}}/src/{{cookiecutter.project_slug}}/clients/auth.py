# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who calls, and what they may: dependencies that check the issuer's tokens locally.

    User = Annotated[CurrentUser, Depends(require_auth)]
    Clerk = Annotated[CurrentUser, Depends(require("orders:write"))]

    @router.post("/orders")
    async def place_order(body: OrderCreate, user: Clerk) -> Order: ...

No request costs a call to the issuer: its keys are fetched at first use and kept (`_key_set.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security.base import SecurityBase

from ..core.sentry import set_user_context
from ._central_auth import (
    AuthUnavailableError,
    CentralAuth,
    CurrentUser,
    PermissionDeniedError,
    UnauthenticatedError,
)
from .credentials import ServiceTokenError

if TYPE_CHECKING:
    from .dpop import ProvenRequest

__all__ = [
    "AuthUnavailableError",
    "CentralAuth",
    "CurrentUser",
    "PermissionDeniedError",
    "ServiceTokenError",
    "UnauthenticatedError",
    "require",
    "require_any",
    "require_auth",
    "require_role",
    "require_tenant",
    "service_token",
]


class _AccessToken(SecurityBase):
    """The token of a request (RFC 6750 section 2.1), and its entry in the API description.

    One that is bound to a key comes as `Authorization: DPoP`, with a proof (RFC 9449 section 7.1).
    """

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="An access token of the issuer.")
        self.scheme_name = "bearer"

    async def __call__(self, request: Request) -> tuple[str, bool]:
        values = request.headers.getlist("authorization")
        auth = _auth_of(request)
        if not values:
            raise auth.unauthenticated("Send an access token: Authorization: Bearer ...")
        scheme, _, token = values[0].partition(" ")
        if len(values) > 1 or scheme.lower() not in {"bearer", "dpop"} or not token.strip():
            raise auth.unauthenticated(
                "Send one access token, as a bearer token.", "invalid_request"
            )
        return token.strip(), scheme.lower() == "bearer"


def _auth_of(request: Request) -> CentralAuth:
    auth: CentralAuth = request.app.state.central_auth
    return auth


async def require_auth(
    request: Request, sent: Annotated[tuple[str, bool], Depends(_AccessToken())]
) -> CurrentUser:
    """Return who calls, for a parameter of an endpoint; without a valid token the answer is 401.

    Raises:
        UnauthenticatedError: When there is no valid token.
        AuthUnavailableError: When nobody can tell.
    """
    auth = _auth_of(request)
    token, is_bearer = sent
    user = await auth.current_user(token, None if is_bearer else _proven(request))
    set_user_context(user_id=user.subject)
    for observe in auth.observers:
        observe(request, user)
    return user


def _proven(request: Request) -> ProvenRequest:
    """Return what a proof has to name of a request."""
    from .dpop import ProvenRequest  # noqa: PLC0415  # imports the JOSE library

    scope, root = request.scope, request.scope.get("root_path", "")
    paths = {scope["path"], root + scope["path"]}
    proofs = request.headers.getlist("dpop")
    return ProvenRequest(request.method, request.headers.get("host", ""), paths, proofs)


_User = Annotated[CurrentUser, Depends(require_auth)]
Dependency = Callable[[Request, CurrentUser], Awaitable[CurrentUser]]


def require(*permissions: str) -> Dependency:
    """Return a dependency that lets only those pass who have all of these permissions.

    Args:
        *permissions: As the issuer spells them, such as `orders:write`.
    """

    async def permitted(request: Request, user: _User) -> CurrentUser:
        if not user.permissions.issuperset(permissions):
            raise _auth_of(request).denied("You may not do this.", permissions)
        return user

    return permitted


def require_any(*permissions: str) -> Dependency:
    """Return a dependency that lets only those pass who have at least one of these permissions."""

    async def permitted(request: Request, user: _User) -> CurrentUser:
        if user.permissions.isdisjoint(permissions):
            raise _auth_of(request).denied("You may not do this.", permissions)
        return user

    return permitted


async def require_tenant(request: Request, user: _User) -> CurrentUser:
    """Return who calls and is of an organisation, `user.tenant`; without one the answer is 403.

    Raises:
        PermissionDeniedError: When the token names none.
    """
    try:
        _ = user.tenant
    except PermissionDeniedError as error:
        raise _auth_of(request).denied(str(error)) from None
    return user


def require_role(*roles: str) -> Dependency:
    """Return a dependency that lets only those pass who have one of these roles.

    Prefer `require`: what a role may do is for the issuer's administrators to say.
    """

    async def in_role(request: Request, user: _User) -> CurrentUser:
        if user.roles.isdisjoint(roles):
            raise _auth_of(request).denied("You may not do this.")
        return user

    return in_role


def service_token(*, audience: str) -> Callable[[Request], Awaitable[str]]:
    """Return a dependency that gives a token of this service's own, for a call to another.

        StockToken = Annotated[str, Depends(service_token(audience="urn:slipway:stock"))]

    Outside of requests: `await app.state.central_auth.service_token(audience=...)`.
    """

    async def token(request: Request) -> str:
        return await _auth_of(request).service_token(audience=audience)

    return token
