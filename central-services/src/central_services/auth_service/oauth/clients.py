"""Clients as Authlib sees them, and how they prove who they are."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from authlib.oauth2.rfc6749 import ClientMixin, InvalidClientError, InvalidRequestError
from authlib.oauth2.rfc6749.util import extract_basic_authorization
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from joserfc import jwk, jwt
from joserfc.errors import JoseError

from ..models import ClientRow
from ..sealing import digest, new_secret
from ..tokens import MAX_TOKEN_CHARACTERS, same

if TYPE_CHECKING:
    from .requests import OAuthRequest
    from .server import AuthorizationServer

ASSERTION_ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA", "Ed25519")
"""What a client may sign assertions with; no HMAC: there the key would be ours to leak."""

# Scopes of OpenID Connect Core section 5.4 for what is not known of users here: "scope values used that are not
# understood by an implementation SHOULD be ignored" (section 3.1.2.1), and many libraries ask for them all.
_WITHOUT_CLAIMS = frozenset({"address", "phone"})
# Authlib's client and others make assertions that live an hour; each is remembered for as long.
_MAX_ASSERTION_S = 3_600
_NOBODY = digest(new_secret())


@dataclass(frozen=True, slots=True)
class Client(ClientMixin):  # type: ignore[misc]  # Authlib has no types
    """A registered client.

    Attributes:
        row: How it is kept.
    """

    row: ClientRow

    @property
    def client_id(self) -> str:
        """Its id."""
        return self.row.id

    def get_client_id(self) -> str:
        """Return its id."""
        return self.row.id

    def get_default_redirect_uri(self) -> None:
        """Return nothing: every request names its redirect URI."""

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """Return what of a scope the client may ask for; None when that is less than all."""
        asked = (scope or "").split() or ["openid"]
        asked = [name for name in asked if name not in _WITHOUT_CLAIMS]
        allowed = set(self.row.scopes)
        return " ".join(dict.fromkeys(asked)) if allowed.issuperset(asked) else None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether a redirect URI is registered, compared as text (RFC 9700 section 2.1).

        The port of a loopback address may differ: native apps get one from the system
        (RFC 8252 section 7.3).
        """
        return any(
            same(known, redirect_uri) or _same_loopback(known, redirect_uri)
            for known in self.row.redirect_uris
        )

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether a secret is the client's."""
        return same(self.row.secret_digest or _NOBODY, digest(client_secret))

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether this is how the client authenticates."""
        del endpoint  # it does so in the same way everywhere
        return method == self.row.auth_method

    def check_response_type(self, response_type: str) -> bool:
        """Whether the client may send users here."""
        return response_type == "code" and "authorization_code" in self.row.grant_types

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the client may use a grant."""
        return grant_type in self.row.grant_types


def _same_loopback(known: str, asked: str) -> bool:
    for host in ("http://127.0.0.1", "http://[::1]"):
        if known.startswith((f"{host}:", f"{host}/")) and asked.startswith(f"{host}:"):
            port, _, path = asked.removeprefix(f"{host}:").partition("/")
            wanted = known.removeprefix(host).partition("/")[2]
            return port.isascii() and port.isdigit() and int(port) < 65536 and path == wanted
    return False


class PrivateKeyJwt(JWTBearerClientAssertion):  # type: ignore[misc]  # Authlib has no types
    """`private_key_jwt` (RFC 7523): a JWT that the client signed, good for one use."""

    CLIENT_AUTH_METHOD = "private_key_jwt"

    def __init__(self, server: AuthorizationServer) -> None:
        super().__init__(leeway=server.call.settings.clock_skew_s)
        self._server = server

    def get_audiences(self) -> list[str]:
        """Return what may stand in `aud`: the issuer, or the token endpoint."""
        settings = self._server.call.settings
        return [settings.issuer, settings.url("/oauth2/token")]

    def process_assertion_claims(self, assertion: str, resolve_key: jwk.Key | jwk.KeySet) -> Any:  # noqa: ANN401  # Authlib's
        """Verify an assertion, with the algorithms that are allowed and the client's keys only.

        Raises:
            InvalidClientError: When it does not hold.
        """
        try:
            token = jwt.decode(assertion, resolve_key, algorithms=list(ASSERTION_ALGORITHMS))
        except (JoseError, ValueError, TypeError) as error:
            raise InvalidClientError(description="The assertion does not hold.") from error
        self._require_short_lived(token.claims)
        self.verify_claims(token.claims)
        return token.claims

    def _require_short_lived(self, claims: dict[str, Any]) -> None:
        """Refuse an assertion that would have to be remembered for long."""
        expires = claims.get("exp")
        soon = self._server.call.now.timestamp() + _MAX_ASSERTION_S + self.leeway
        # A bool is an int to Python.
        if type(expires) is not int or expires > soon or not isinstance(claims.get("jti"), str):
            raise InvalidClientError(
                description=f"The assertion needs jti, and exp within {_MAX_ASSERTION_S} s."
            )

    def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
        """Whether an assertion comes for the first time; from now on it does not."""
        mark = hashlib.sha256(f"client-assertion\n{claims['sub']}\n{jti}".encode()).hexdigest()
        # For as long as it would be taken, the other clock's error included.
        until = datetime.fromtimestamp(claims["exp"] + self.leeway + 1, UTC)
        return self._server.call.store.is_first(mark, until)

    def resolve_client_public_key(self, client: Client) -> jwk.KeySet:
        """Return the keys that the client registered.

        Raises:
            InvalidClientError: When it has none.
        """
        if not client.row.jwks:
            raise InvalidClientError(description="The client has no keys.")
        return import_keys(client.row.jwks)


def import_keys(jwks: Mapping[str, Any]) -> jwk.KeySet:
    """Return a key set (RFC 7517) that a client registered.

    Raises:
        JoseError: When it is none; ValueError, KeyError or TypeError for stranger things.
    """
    return jwk.KeySet.import_key_set(cast("jwk.KeySetSerialization", jwks))


def authenticate(
    server: AuthorizationServer, request: OAuthRequest, methods: Collection[str]
) -> Client:
    """Return the client that sends a request, which it proves in exactly one way.

    Raises:
        InvalidRequestError: When it uses more than one way (RFC 6749 section 2.3), or also names another.
        InvalidClientError: When it does not prove it.
    """
    form = request.form
    ways = {
        "client_secret_basic": "Authorization" in request.headers,
        "private_key_jwt": "client_assertion" in form or "client_assertion_type" in form,
        "client_secret_post": "client_secret" in form,
    }
    used = [name for name, is_used in ways.items() if is_used] or ["none"]
    if len(used) > 1:
        raise InvalidRequestError("The client authenticates in more than one way.")
    method, named = used[0], form.get("client_id")
    client = _proved(server, request, method)
    if (
        client is None
        or not client.check_endpoint_auth_method(method, "token")
        or method not in methods
    ):
        raise InvalidClientError(status_code=401, description="The client is not authenticated.")
    if named is not None and named != client.client_id:
        raise InvalidRequestError("client_id names another client.")
    request.auth_method = method
    request.client = client
    return client


def _proved(server: AuthorizationServer, request: OAuthRequest, method: str) -> Client | None:
    """Return the client that a request proves to be in one way, or None."""
    form = request.form
    if method == "client_secret_basic":
        return _by_header(server, request)
    if method == "client_secret_post":
        return _by_secret(server, form.get("client_id", ""), form["client_secret"])
    if method == "none":
        return server.query_client(form.get("client_id", ""))
    if len(form.get("client_assertion", "")) > MAX_TOKEN_CHARACTERS:
        return None
    found: Client | None = PrivateKeyJwt(server)(server.query_client, request)
    return found


def _by_header(server: AuthorizationServer, request: OAuthRequest) -> Client | None:
    """Return the client of `client_secret_basic`."""
    try:
        client_id, secret = extract_basic_authorization(request.headers)
    except ValueError:  # bytes that are no text
        return None
    return _by_secret(server, client_id, secret) if client_id and secret else None


def _by_secret(server: AuthorizationServer, client_id: str, secret: str) -> Client | None:
    """Return the client whose secret it is; for an unknown one it takes as long."""
    client = server.query_client(client_id)
    is_right = client.check_client_secret(secret) if client else same(_NOBODY, digest(secret))
    return client if is_right else None
