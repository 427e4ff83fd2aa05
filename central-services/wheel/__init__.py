"""Clients of the central services, for projects that were not made from the template.

    app = FastAPI()
    connect(app, CentralAuthSettings(issuer="https://auth.example.com", audience="urn:acme:shop"))
    Clerk = Annotated[CurrentUser, Depends(require("orders:write"))]

The modules are the template's own; this one only puts them together.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import cast

from fastapi import FastAPI, Request, Response

from .clients.audit import (
    AuditServiceClient,
    AuditServiceUnavailableError,
    BatchRefusedError,
    Receipts,
    verify_receipt,
)
from .clients.auth import (
    AuthUnavailableError,
    CentralAuth,
    CurrentUser,
    PermissionDeniedError,
    ServiceTokenError,
    UnauthenticatedError,
    require,
    require_auth,
    require_role,
    service_token,
)
from .core.central_audit_settings import CentralAuditSettings
from .core.central_auth_settings import CentralAuthSettings
from .core.config import HttpClientSettings
from .core.errors import ServiceError, problem_response

__all__ = [
    "AuditServiceClient",
    "AuditServiceUnavailableError",
    "AuthUnavailableError",
    "BatchRefusedError",
    "CentralAuditSettings",
    "CentralAuth",
    "CentralAuthSettings",
    "CurrentUser",
    "HttpClientSettings",
    "PermissionDeniedError",
    "Receipts",
    "ServiceError",
    "ServiceTokenError",
    "UnauthenticatedError",
    "connect",
    "require",
    "require_auth",
    "require_role",
    "service_token",
    "verify_receipt",
]


def connect(
    app: FastAPI,
    settings: CentralAuthSettings,
    *,
    http: HttpClientSettings | None = None,
    realm: str = "service",
) -> CentralAuth:
    """Let an application check tokens; call it before the application starts.

    401, 403 and 503 are answered with problem documents (RFC 9457) and the challenge of RFC 6750.

    Args:
        app: The application; `app.state.central_auth` is what is returned.
        settings: Whose tokens are accepted, and as whom the application gets its own.
        http: How the issuer is called.
        realm: Names the application in `WWW-Authenticate`.
    """
    auth = CentralAuth(settings, http or HttpClientSettings(), realm=realm)
    app.state.central_auth = auth
    app.add_exception_handler(ServiceError, _answer)
    before = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: FastAPI) -> AsyncGenerator[object]:
        async with auth.lifespan(started), before(started) as state:
            yield state

    app.router.lifespan_context = lifespan
    return auth


async def _answer(_request: Request, error: Exception) -> Response:
    known = cast("ServiceError", error)
    return problem_response(
        known.status, detail=known.detail, headers=known.headers, extensions=known.extensions
    )
