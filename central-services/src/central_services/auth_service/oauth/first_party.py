"""Tokens for the application of the house, after a login without a browser's redirect.

OAuth 2.1 has no password grant, and this is none: there is no grant type for it, one client that the
settings name may use it, and that one belongs to who runs the service, so that no other party ever
sees a password. What it gets are the tokens of every other authorization.
"""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidScopeError, OAuth2Error

from ..logins import Login
from ..models import FamilyRow
from .clients import Client
from .grants import CLIENT_METHODS, TokenResponse
from .requests import OAuthAnswer, OAuthRequest
from .server import AuthorizationServer


class _PasswordLogin(TokenResponse):
    """The response to a login; never registered as a grant."""

    GRANT_TYPE = "first_party_login"

    def __init__(self, request: OAuthRequest, server: AuthorizationServer) -> None:
        self.request, self.server = request, server


def authenticate_first_party(server: AuthorizationServer, request: OAuthRequest) -> OAuthAnswer:
    """Return an empty answer when the client of the house sends a request, else an error."""
    try:
        request.require_well_formed()
        server.authenticate_client(request, CLIENT_METHODS)
    except OAuth2Error as error:
        return server.refuse(request, error)
    return OAuthAnswer(200)


def issue(
    server: AuthorizationServer, request: OAuthRequest, client_id: str, login: Login
) -> OAuthAnswer:
    """Return the tokens of a user who has just logged in."""
    call, client = server.call, server.query_client(client_id)
    try:
        subject = call.store.subject(login.user_id)
        if client is None or subject is None:
            raise InvalidGrantError("Neither client nor user may be disabled.")
        request.client = client
        scope = _scope(client, request)
        family = FamilyRow(
            id=uuid4(),
            client_id=client.client_id,
            user_id=login.user_id,
            session_id=login.session_id,
            scope=scope,
            audiences=server.audiences(client, request, ""),
            generation=0,
            authenticated_at=login.authenticated_at,
            created_at=call.now,
            expires_at=call.now + timedelta(seconds=call.settings.refresh_family_s),
        )
        call.store.add(family)
        token = _PasswordLogin(request, server).respond(subject, family, scope, nonce=None)
    except OAuth2Error as error:
        return server.refuse(request, error)
    return OAuthAnswer(200, token)


def _scope(client: Client, request: OAuthRequest) -> str:
    """Return what is asked for; by default all that the client may, but for offline access."""
    default = [name for name in client.row.scopes if name != "offline_access"]
    asked = (request.form.get("scope") or "").split() or default
    allowed = client.get_allowed_scope(" ".join(asked))
    if allowed is None or "offline_access" in asked:
        # What outlives a login takes the user's consent on a page.
        raise InvalidScopeError("The client may not ask for this scope.")
    return allowed
