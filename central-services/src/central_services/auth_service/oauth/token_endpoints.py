"""Introspection (RFC 7662) and revocation (RFC 7009)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7662 import IntrospectionEndpoint

from ..actions import TOKEN_REVOKED
from ..models import FamilyRow, RefreshTokenRow
from ..sealing import digest
from ..tokens import AccessClaims, InvalidTokenError
from .clients import Client
from .grants import CLIENT_METHODS
from .requests import OAuthRequest
from .server import AuthorizationServer, Call


@dataclass(frozen=True, slots=True)
class Presented:
    """A token of ours that somebody presents.

    Attributes:
        client_id: Who it was issued to.
        claims: What it says, when it is an access token.
        refresh: How it is kept, when it is a refresh token.
        family: The authorization that it comes from; None for a client's own token.
    """

    client_id: str
    claims: AccessClaims | None = None
    refresh: RefreshTokenRow | None = None
    family: FamilyRow | None = None

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
        # A token without a user is the client's own, or not one that we made.
        is_own = claims.subject == claims.client_id
        return Presented(claims.client_id, claims=claims) if is_own else None
    family = call.store.family(claims.family)
    if family is None or not call.store.is_alive(family):
        return None
    if (str(family.user_id), family.client_id) != (claims.subject, claims.client_id):
        return None
    return Presented(claims.client_id, claims=claims, family=family)


def _check_parameters(request: OAuthRequest) -> None:
    # RFC 7009 section 2.1 and RFC 7662 section 2.1: a hint that we don't know is no reason to fail.
    if not request.form.get("token"):
        raise InvalidRequestError("token is missing.")


class Introspection(IntrospectionEndpoint):  # type: ignore[misc]  # Authlib has no types
    """Tells a resource server whether a token is valid now."""

    CLIENT_AUTH_METHODS = ("client_secret_basic", "private_key_jwt")
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
        if not client.row.may_introspect or token.claims is None:
            return False
        known = client.row.audiences or [self.server.call.settings.audience]
        return bool(set(known) & set(token.claims.audiences))

    def introspect_token(self, token: Presented) -> dict[str, Any]:
        """Return what the token says."""
        issuer = self.server.call.settings.issuer
        if token.claims is not None:
            claims = dict(token.claims.claims)
            return {"active": True, **claims, "token_type": claims.get("token_type", "Bearer")}
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
