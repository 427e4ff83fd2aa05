"""Who this is and which keys it signs with (OpenID Connect Discovery 1.0, RFC 8414, RFC 7517)."""

from __future__ import annotations

from typing import Any, get_args

import orjson
from fastapi import APIRouter, Request, Response

from ...clients.dpop import ALGORITHMS
from ..dependencies import AuthParts
from ..oauth.authorization import PROMPTS
from ..oauth.clients import ASSERTION_ALGORITHMS
from ..oauth.grants import CLIENT_METHODS, CONFIDENTIAL_METHODS
from ..oauth.interaction import SCOPES
from ..schemas import GrantType
from ..settings import AuthSettings

router = APIRouter(tags=["discovery"])

_METADATA_AGE_S = 3600
_CLAIMS = (
    "sub iss aud azp exp iat auth_time nonce amr sid at_hash"
    " org email email_verified name roles permissions act cnf api_key"
)


def metadata(settings: AuthSettings) -> dict[str, Any]:
    """Return what clients have to know; the same for both documents."""
    return {
        "issuer": settings.issuer,
        "authorization_endpoint": settings.url("/oauth2/authorize"),
        "token_endpoint": settings.url("/oauth2/token"),
        "userinfo_endpoint": settings.url("/oauth2/userinfo"),
        "jwks_uri": settings.url("/oauth2/jwks"),
        "introspection_endpoint": settings.url("/oauth2/introspect"),
        "revocation_endpoint": settings.url("/oauth2/revoke"),
        "pushed_authorization_request_endpoint": settings.url("/oauth2/par"),
        "end_session_endpoint": settings.url("/logout"),
        "scopes_supported": list(SCOPES),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(get_args(GrantType)),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256", "RS256"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": sorted(CLIENT_METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "introspection_endpoint_auth_methods_supported": sorted(CONFIDENTIAL_METHODS),
        "introspection_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "revocation_endpoint_auth_methods_supported": sorted(CLIENT_METHODS),
        "revocation_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        "authorization_response_iss_parameter_supported": True,
        "claims_supported": _CLAIMS.split(),
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": list(PROMPTS),
    }


def _document(settings: AuthSettings) -> Response:
    headers = {"Cache-Control": f"public, max-age={_METADATA_AGE_S}"}
    return Response(orjson.dumps(metadata(settings)), 200, headers, "application/json")


@router.get("/.well-known/openid-configuration", summary="OpenID provider metadata")
async def openid_configuration(parts: AuthParts) -> Response:
    """Return the provider's metadata (OpenID Connect Discovery 1.0 section 4)."""
    return _document(parts.settings)


@router.get("/.well-known/oauth-authorization-server", summary="Authorization server metadata")
async def authorization_server(parts: AuthParts) -> Response:
    """Return the same for plain OAuth clients (RFC 8414 section 3)."""
    return _document(parts.settings)


@router.get(
    "/oauth2/jwks",
    summary="Key set",
    response_class=Response,
    responses={
        200: {"content": {"application/jwk-set+json": {"schema": {"type": "object"}}}},
        304: {"description": "What `If-None-Match` names is the newest."},
    },
)
async def jwks(request: Request, parts: AuthParts) -> Response:
    """Return the public keys: those that sign, the next ones, and those that signed lately."""
    document, tag = parts.ring.document
    headers = {"Cache-Control": f"public, max-age={parts.settings.jwks_max_age_s}", "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(document, 200, headers, "application/jwk-set+json")
