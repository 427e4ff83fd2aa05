"""The grants: authorization code with PKCE, refresh token, client credentials."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from authlib.oauth2.rfc6749 import (
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    OAuth2Error,
)
from authlib.oauth2.rfc6749.grants import (
    AuthorizationCodeGrant,
    ClientCredentialsGrant,
    RefreshTokenGrant,
)
from authlib.oauth2.rfc7636 import CodeChallenge, create_s256_code_challenge

from ..actions import TOKEN_ISSUED
from ..models import CodeRow, FamilyRow, RefreshTokenRow
from ..sealing import digest, new_secret
from ..tokens import same
from .clients import Client
from .dpop import InvalidProofError
from .requests import OAuthRequest
from .store import Subject

CONFIDENTIAL_METHODS = ("client_secret_basic", "client_secret_post", "private_key_jwt")
CLIENT_METHODS = (*CONFIDENTIAL_METHODS, "none")


@dataclass(frozen=True, slots=True)
class Login:
    """A user who logged in and consented.

    Attributes:
        subject: The user.
        family: What the tokens will belong to; not kept yet.
    """

    subject: Subject
    family: FamilyRow


def _compare(verifier: str, challenge: str) -> bool:
    return same(create_s256_code_challenge(verifier), challenge)


class S256(CodeChallenge):  # type: ignore[misc]  # Authlib has no types
    """PKCE (RFC 7636): always, and S256 only (OAuth 2.1 section 4.1.1)."""

    DEFAULT_CODE_CHALLENGE_METHOD = "S256"
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)
    CODE_CHALLENGE_METHODS = {"S256": _compare}  # noqa: RUF012  # Authlib says it so

    def validate_code_challenge(self, grant: CodeGrant, redirect_uri: str) -> None:
        """Refuse a request without a challenge of this kind."""
        asked = grant.request.payload.data
        if not asked.get("code_challenge") or asked.get("code_challenge_method") != "S256":
            raise InvalidRequestError("code_challenge with the method S256 is required.")
        if len(asked["code_challenge"]) != 43:
            raise InvalidRequestError("code_challenge is no SHA-256 in base64url.")
        super().validate_code_challenge(grant, redirect_uri)

    def get_authorization_code_challenge_method(self, authorization_code: Code) -> str:
        """Return the only method."""
        del authorization_code
        return "S256"


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code as Authlib sees it."""

    row: CodeRow
    family: FamilyRow

    @property
    def code_challenge(self) -> str:
        """The PKCE challenge."""
        return self.row.code_challenge

    def get_redirect_uri(self) -> str:
        """Return where it was sent to."""
        return self.row.redirect_uri

    def get_scope(self) -> str:
        """Return what was consented to."""
        return self.family.scope


class TokenResponse:
    """What the grants of users have in common: they all answer with the tokens of a family."""

    request: Any
    server: Any
    GRANT_TYPE: str
    TOKEN_RESPONSE_HEADER: list[tuple[str, str]]

    def respond(
        self, subject: Subject, family: FamilyRow, scope: str, *, nonce: str | None
    ) -> dict[str, Any]:
        """Return the token response of a family's next generation."""
        call, client = self.server.call, self.request.client
        audiences = self._audiences(family, scope)
        cnf = self.server.bind(self.request, client)
        access = self.server.access_token(
            client, scope, audiences, subject=subject, family=family, more=cnf
        )
        token = {
            "access_token": access,
            "token_type": "DPoP" if cnf else "Bearer",
            "expires_in": call.settings.access_token_s,
            "scope": scope,
        }
        if client.check_grant_type("refresh_token"):
            token["refresh_token"] = self._next_refresh_token(family)
        if "openid" in scope.split():
            claims = id_claims(subject, client, family, call.settings.issuer, scope)
            issued = int(call.now.timestamp())
            claims |= {"iat": issued, "exp": issued + call.settings.access_token_s}
            claims |= {"nonce": nonce} if nonce else {}
            token["id_token"] = call.mint.id_token(
                client.row.id_token_alg, claims, access_token=access
            )
        call.note(
            TOKEN_ISSUED,
            f"authorization:{family.id}",
            {"client_id": client.client_id, "grant_type": self.GRANT_TYPE, "scope": scope},
            user_id=str(subject.user.id),
        )
        return token

    def _audiences(self, family: FamilyRow, scope: str) -> list[str]:
        """Return whom an access token is for: of what the user consented to, what is asked for."""
        wanted = self.request.resources or family.audiences
        if not set(family.audiences).issuperset(wanted):
            raise OAuth2Error("This resource was not authorized.", error="invalid_target")
        issuer = [self.server.call.settings.issuer] if "openid" in scope.split() else []
        return list(dict.fromkeys([*wanted, *issuer]))

    def _next_refresh_token(self, family: FamilyRow) -> str:
        call, plain = self.server.call, new_secret()
        family.generation += 1
        until = call.now + timedelta(seconds=call.settings.refresh_token_s)
        row = RefreshTokenRow(
            digest=digest(plain),
            family_id=family.id,
            generation=family.generation,
            expires_at=min(until, family.expires_at),
        )
        call.store.add(row)
        return plain


def require_key(request: OAuthRequest, family: FamilyRow) -> None:
    """Refuse a request without the key that a code or refresh token is bound to.

    Raises:
        InvalidProofError: When it proves another one, or none (RFC 9449 sections 5 and 10).
    """
    if family.jkt is not None and request.jkt != family.jkt:
        raise InvalidProofError("A DPoP proof by the key of this authorization is required.")


def id_claims(
    subject: Subject, client: Client, family: FamilyRow, issuer: str, scope: str
) -> dict[str, Any]:
    """Return the claims of an ID token but its times and nonce."""
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": str(subject.user.id),
        "aud": client.client_id,
        "azp": client.client_id,
        "auth_time": int(family.authenticated_at.timestamp()),
        "amr": ["pwd"],
        "org": subject.organisation,
    }
    if family.session_id:
        claims["sid"] = str(family.session_id)
    return {**claims, **profile(subject, scope)}


def profile(subject: Subject, scope: str) -> dict[str, Any]:
    """Return the claims that scopes ask for (OpenID Connect Core section 5.4)."""
    asked, claims = scope.split(), dict[str, Any]()
    if "email" in asked:
        claims |= {"email": subject.user.email, "email_verified": subject.user.email_verified}
    if "profile" in asked:
        claims |= {"name": subject.user.name}
    if "roles" in asked:
        claims |= {"roles": list(subject.roles), "permissions": list(subject.permissions)}
    return claims


class CodeGrant(TokenResponse, AuthorizationCodeGrant):  # type: ignore[misc]  # Authlib has no types
    """Authorization code with PKCE; a code that comes again revokes what it led to."""

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS

    def generate_authorization_code(self) -> str:
        """Return a new code."""
        return new_secret()

    def save_authorization_code(self, code: str, request: Any) -> None:  # noqa: ANN401  # Authlib's
        """Keep a code, and the family that its tokens will belong to."""
        call, login, asked = self.server.call, request.user, request.payload.data
        call.store.add(login.family)
        row = CodeRow(
            digest=digest(code),
            family_id=login.family.id,
            client_id=request.client.client_id,
            redirect_uri=request.payload.redirect_uri,
            nonce=asked.get("nonce"),
            code_challenge=asked["code_challenge"],
            expires_at=call.now + timedelta(seconds=call.settings.code_s),
        )
        call.store.add(row)

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        """Return a code that may be used."""
        store = self.server.call.store
        row = store.code(digest(code))
        if row is None or row.client_id != client.client_id:
            return None
        family = store.family(row.family_id, lock=True)
        if row.used_at is not None:
            self.server.call.burn(family, "code")
            return None
        if row.expires_at <= self.server.call.now or not store.is_alive(family):
            return None
        return Code(row, family)

    def authenticate_user(self, authorization_code: Code) -> Subject | None:
        """Return the user who consented."""
        subject: Subject | None = self.server.call.store.subject(authorization_code.family.user_id)
        return subject

    def validate_token_request(self) -> None:
        """Refuse a request without the redirect URI, which every code was sent to, as malformed."""
        if not self.request.form.get("redirect_uri"):
            raise InvalidRequestError("redirect_uri is missing.")
        super().validate_token_request()

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the tokens, and spend the code."""
        code = self.request.authorization_code
        subject = self.authenticate_user(code)
        if subject is None:
            raise InvalidGrantError("Invalid code in request.")
        require_key(self.request, code.family)
        code.row.used_at = self.server.call.now
        # Of a client that authenticates a refresh token is worth nothing to others anyway.
        code.family.jkt = self.request.jkt if self.request.auth_method == "none" else None
        token = self.respond(subject, code.family, code.family.scope, nonce=code.row.nonce)
        return 200, token, self.TOKEN_RESPONSE_HEADER


@dataclass(frozen=True, slots=True)
class RefreshCredential:
    """A refresh token as Authlib sees it; `replay` is the answer that it got already."""

    row: RefreshTokenRow
    family: FamilyRow
    replay: dict[str, Any] | None = None

    def check_client(self, client: Client) -> bool:
        """Whether it was issued to a client."""
        return self.family.client_id == client.client_id

    def get_scope(self) -> str:
        """Return what was consented to."""
        return self.family.scope


class RefreshGrant(TokenResponse, RefreshTokenGrant):  # type: ignore[misc]  # as above
    """Refresh tokens rotate; one that comes again, but for a short grace, burns its family.

    Within the grace, and while nobody used its successor, the token gets the answer that it got
    before, to the byte: a client that lost an answer or refreshed twice at once goes on, and there
    is still one new generation only.
    """

    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_METHODS
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> RefreshCredential | None:
        """Return a refresh token that may be used."""
        call = self.server.call
        found = call.store.refresh_token(digest(refresh_token))
        client = self.server.query_client(found[1].client_id) if found else None
        # A stranger who presents it must not be able to end the family.
        if not found or client is None or client.client_id != self.request.client.client_id:
            return None
        row, family = found
        if not call.store.is_alive(family) or row.expires_at <= call.now:
            return None
        # Before a stranger without the key could rotate the token, or have the family burnt.
        require_key(self.request, family)
        if row.used_at is None:
            return RefreshCredential(row, family)
        grace = timedelta(seconds=call.settings.refresh_grace_s)
        is_last = row.generation == family.generation - 1
        if row.replay and is_last and call.now - row.used_at <= grace:
            return RefreshCredential(
                row, family, self.server.open_replay(refresh_token, row.replay)
            )
        call.burn(family, "refresh_token")
        return None

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return the next generation, or the answer of before."""
        credential = self.request.refresh_token
        if credential.replay is not None:
            return 200, credential.replay, self.TOKEN_RESPONSE_HEADER
        call, family = self.server.call, credential.family
        subject = call.store.subject(family.user_id)
        if subject is None:
            raise InvalidGrantError("The user may not log in.")
        scope = self.request.payload.scope or family.scope
        token = self.respond(subject, family, scope, nonce=None)
        credential.row.used_at = call.now
        credential.row.replay = self.server.seal_replay(self.request.form["refresh_token"], token)
        before = call.store.generation(family.id, credential.row.generation - 1)
        if before is not None:
            before.replay = None  # its successor was used: its grace is over
        return 200, token, self.TOKEN_RESPONSE_HEADER


class ClientGrant(ClientCredentialsGrant):  # type: ignore[misc]  # as above
    """Client credentials: a token of the client's own."""

    TOKEN_ENDPOINT_AUTH_METHODS = CONFIDENTIAL_METHODS

    request: OAuthRequest
    server: Any

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Return a token with what of the client's scopes is asked for; by default all."""
        client, call = self.request.client, self.server.call
        allowed = [name for name in client.row.scopes if name not in _OF_USERS]
        asked = (self.request.parameters.get("scope") or "").split() or allowed
        if not set(allowed).issuperset(asked):
            raise InvalidScopeError("The client may not ask for this scope.")
        scope = " ".join(dict.fromkeys(asked))
        audiences = self.server.audiences(client, self.request, scope)
        cnf = self.server.bind(self.request, client)
        token = {
            "access_token": self.server.access_token(client, scope, audiences, more=cnf),
            "token_type": "DPoP" if cnf else "Bearer",
            "expires_in": call.settings.access_token_s,
            "scope": scope,
        }
        data = {"client_id": client.client_id, "grant_type": self.GRANT_TYPE, "scope": scope}
        call.note(TOKEN_ISSUED, f"client:{client.client_id}", data)
        return 200, token, self.TOKEN_RESPONSE_HEADER


_OF_USERS = frozenset({"openid", "profile", "email", "roles", "offline_access"})
"""Scopes that tell of a user: a client has no such thing of its own."""
