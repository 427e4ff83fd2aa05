"""Introspection (RFC 7662) and revocation (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from ..actions import TOKEN_REVOKED
from ..api_keys import PREFIX, is_api_key
from ..models import FamilyRow, RefreshTokenRow
from ..sealing import digest
from ..tokens import AccessClaims, InvalidTokenError
from .clients import Client
from .grants import CLIENT_METHODS, CONFIDENTIAL_METHODS
from .requests import OAuthRequest
from .server import AuthorizationServer, Call
from .store import KeyHolder


@dataclass(frozen=True, slots=True)
class Presented:
    """A token of ours that somebody presents.

    Attributes:
        client_id: Who it was issued to.
        claims: What it says, when it is an access token.
        refresh: How it is kept, when it is a refresh token.
        family: The authorization that it comes from; None for a client's own token.
        holder: Whom it stands for, when it is an API key.
        origin: Whom the API key stands for that an access token was exchanged for.
    """

    client_id: str
    claims: AccessClaims | None = None
    refresh: RefreshTokenRow | None = None
    family: FamilyRow | None = None
    holder: KeyHolder | None = None
    origin: KeyHolder | None = None

    @property
    def jkt(self) -> str | None:
        """The thumbprint of the key that it is bound to (RFC 9449 section 6)."""
        found = self.claims.claims.get("cnf") if self.claims else None
        return str(found.get("jkt", "")) if isinstance(found, dict) else None

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to a client."""
        return self.client_id == client.client_id

    def is_expired(self) -> bool:
        """Return no: `find_active` finds no such token."""
        return False

    def is_revoked(self) -> bool:
        """Return no: the same."""
        return False


def find_active(call: Call, token: str) -> Presented | None:
    """Return a token that is valid now, or None."""
    if token.count(".") == 2:
        return _access(call, token)
    if token.startswith(PREFIX):
        holder = call.store.use_api_key(digest(token)) if is_api_key(token) else None
        return Presented("", holder=holder) if holder else None
    found = call.store.refresh_token(digest(token))
    if found is None:
        return None
    row, family = found
    if row.used_at is not None or row.expires_at <= call.now or not call.store.is_alive(family):
        return None
    return Presented(family.client_id, refresh=row, family=family)


def _access(call: Call, token: str) -> Presented | None:
    try:
        claims = call.mint.verify_access_token(token)
    except InvalidTokenError:
        return None
    client = call.store.client(claims.client_id)
    if client is None or call.store.is_revoked(claims.jti):
        return None
    if not claims.family:
        return _without_login(call, claims)
    family = call.store.family(claims.family)
    if family is None or not call.store.is_alive(family) or str(family.user_id) != claims.subject:
        return None
    if family.client_id != claims.client_id and (
        "act" not in claims.claims or call.store.client(family.client_id) is None
    ):
        return None
    return Presented(claims.client_id, claims=claims, family=family)


def _without_login(call: Call, claims: AccessClaims) -> Presented | None:
    """Return a client's own token, one of an API key, or one that was exchanged for either."""
    key = claims.claims.get("api_key")
    if key is not None:
        origin = call.store.holder_of(str(key))
        is_right = origin is not None and origin.subject == claims.subject
        return Presented(claims.client_id, claims=claims, origin=origin) if is_right else None
    if claims.subject == claims.client_id:
        return Presented(claims.client_id, claims=claims)
    # Without anybody acting it would be a token without a user that is not the client's own.
    is_delegated = "act" in claims.claims and call.store.client(claims.subject) is not None
    return Presented(claims.client_id, claims=claims) if is_delegated else None


def _check_parameters(request: OAuthRequest) -> None:
    # RFC 7009 section 2.1 and RFC 7662 section 2.1: a hint that we don't know is no reason to fail.
    if not request.form.get("token"):
        raise InvalidRequestError("token is missing.")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Tells a resource server whether a token is valid now."""

    CLIENT_AUTH_METHODS = CONFIDENTIAL_METHODS
    server: AuthorizationServer

    def check_params(self, request: OAuthRequest, client: Client) -> None:
        """Refuse a request without a token."""
        del client
        _check_parameters(request)

    def query_token(self, token_string: str, token_type_hint: str | None) -> Presented | None:
        """Return a token that is valid now."""
        del token_type_hint  # the two kinds look different
        return find_active(self.server.call, token_string)

    def check_permission(self, token: Presented, client: Client, request: OAuthRequest) -> bool:
        """Whether the client may know: it got the token, or the token is meant for it."""
        del request
        if token.check_client(client):
            return True
        if not client.row.may_introspect:
            return False
        if token.holder is not None:
            return True  # a key is for no audience: who accepts keys asks
        if token.claims is None:
            return False
        known = client.row.audiences or [self.server.call.settings.audience]
        return bool(set(known) & set(token.claims.audiences))

    def introspect_token(self, token: Presented) -> dict[str, Any]:
        """Return what the token says."""
        issuer = self.server.call.settings.issuer
        if token.holder is not None:
            return {"active": True, "iss": issuer, **_key_payload(token.holder)}
        if token.claims is not None:
            claims = dict(token.claims.claims)
            return {"active": True, **claims, "token_type": "DPoP" if token.jkt else "Bearer"}
        row, family = token.refresh, token.family
        if row is None or family is None:
            return {"active": False}
        return {
            "active": True,
            "iss": issuer,
            "sub": str(family.user_id),
            "client_id": family.client_id,
            "scope": family.scope,
            "exp": int(row.expires_at.timestamp()),
            "token_type": "refresh_token",
        }


def _key_payload(holder: KeyHolder) -> dict[str, Any]:
    return {
        "sub": holder.subject,
        "org": holder.organisation,
        "permissions": list(holder.permissions),
        "api_key": str(holder.key.id),
        "iat": int(holder.key.created_at.timestamp()),
        "exp": int(holder.key.expires_at.timestamp()),
        "token_type": "api_key",
    }


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Ends a token: a refresh token with its whole family, an access token by itself."""

    CLIENT_AUTH_METHODS = CLIENT_METHODS
    server: AuthorizationServer

    def authenticate_token(self, request: OAuthRequest, client: Client) -> Presented | None:
        """Return the client's token; what is not its own is answered like what is unknown."""
        _check_parameters(request)
        call, plain = self.server.call, request.form["token"]
        found = find_active(call, plain) or _spent(call, plain)
        return found if found and found.check_client(client) else None

    def revoke_token(self, token: Presented, request: OAuthRequest) -> None:
        """Revoke a token."""
        del request
        call = self.server.call
        if token.claims is not None:
            expires = datetime.fromtimestamp(token.claims.expires_at, UTC)
            call.store.revoke_access_token(token.claims.jti, expires)
        elif token.family is not None:
            call.store.burn(token.family, "revoked")
        family = token.family
        target = f"authorization:{family.id}" if family else f"client:{token.client_id}"
        call.note(TOKEN_REVOKED, target, {"client_id": token.client_id})


def _spent(call: Call, token: str) -> Presented | None:
    """Return a refresh token that was used: who revokes it means its family all the same."""
    found = call.store.refresh_token(digest(token)) if token.count(".") != 2 else None
    if found is None or not call.store.is_alive(found[1]):
        return None
    return Presented(found[1].client_id, refresh=found[0], family=found[1])
