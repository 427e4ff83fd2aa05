# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Access tokens (RFC 9068), verified without asking anybody.

Which key and which algorithm verify a token is decided by the issuer's key set and the settings; the
token's header only names a key. What a header may say beyond that (`jwk`, `jku`, `x5u`, `crit`, ...)
is refused, because a verifier that follows it lets the caller choose the key.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

from ._key_set import KeySource

if TYPE_CHECKING:
    from ..core.central_auth_settings import CentralAuthSettings

MAX_TOKEN_CHARACTERS = 8_192
_HEADERS = frozenset({"alg", "kid", "typ", "x5t", "x5t#S256"})
_ACCESS_TOKEN = frozenset({"at+jwt", "application/at+jwt"})
_PLAIN_JWT = frozenset({"", "jwt", "application/jwt"})
# What an ID token or a logout token has and an access token has not, in the words of OpenID Connect
# Core, of Keycloak (typ) and of Amazon Cognito (token_use).
_NOT_OF_ACCESS = frozenset({"nonce", "at_hash", "c_hash", "s_hash", "events"})

Claims = Mapping[str, object]


class InvalidTokenError(Exception):
    """The token is not accepted; the text is for logs and tests, a caller is told less."""


@dataclass(frozen=True, slots=True)
class AccessTokens:
    """Verifies the tokens of one issuer for one audience.

    Attributes:
        settings: What a token must say.
        keys: The issuer's keys.
        clock: Seconds since 1970.
    """

    settings: CentralAuthSettings
    keys: KeySource
    clock: Callable[[], float]

    async def verify(self, token: str, *, bearer: bool = True) -> Claims:
        """Return the claims of a token that is valid now, and meant for this service.

        Args:
            token: The token.
            bearer: Whether it is used as a bearer token, so must not be bound to a key; of others the
                caller has to ask for the key.

        Raises:
            InvalidTokenError: When it is not.
            KeysUnavailableError: When nobody can tell, because the issuer's keys were never had.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or token.count(".") != 2 or not token.isascii():
            raise InvalidTokenError("not a compact JWS of a sane size")
        signed, _, third = token.rpartition(".")
        first, second = signed.split(".")
        header = json_object(decoded(first))
        algorithm, kid = self._read(header)
        signature = decoded(third)
        for key in await self.keys.find(kid, algorithm):
            if holds(algorithm, signed.encode(), signature, key.key):
                break
        else:
            raise InvalidTokenError("no key of the issuer made the signature")
        claims = json_object(decoded(second))
        self._check_purpose(header, claims)
        self._check_times(claims)
        if bearer and "cnf" in claims:
            # RFC 9449 section 7.1, RFC 8705: whoever stole it has not the key, and is not asked for it.
            raise InvalidTokenError("bound to a key, so not a bearer token")
        return claims

    def _read(self, header: Claims) -> tuple[str, str | None]:
        """Return the algorithm and the name of the key."""
        if not header.keys() <= _HEADERS:
            raise InvalidTokenError("the header says more than which key it is")
        algorithm, kid = header.get("alg"), header.get("kid")
        if not isinstance(algorithm, str) or algorithm not in self.settings.algorithms:
            raise InvalidTokenError("the algorithm is not one that is accepted")
        if not (kid is None or isinstance(kid, str)):
            raise InvalidTokenError("kid is no text")
        kind = header.get("typ", "")
        known = _ACCESS_TOKEN if self.settings.require_at_jwt else _ACCESS_TOKEN | _PLAIN_JWT
        if not isinstance(kind, str) or kind.lower() not in known:
            raise InvalidTokenError("typ is not that of an access token")
        return algorithm, kid

    def _check_purpose(self, header: Claims, claims: Claims) -> None:
        """Refuse what another issued, what is for others, and what is no access token."""
        if claims.get("iss") != self.settings.issuer:
            raise InvalidTokenError("issued by another")
        audience = claims.get("aud")
        audiences = audience if isinstance(audience, list) else [audience]
        if not all(isinstance(one, str) for one in audiences):
            raise InvalidTokenError("aud is missing or has another type")
        if self.settings.audience not in audiences:
            raise InvalidTokenError("meant for others")
        for name in ("sub", "client_id", "azp", "scope", "jti"):
            if not isinstance(claims.get(name, "" if name != "sub" else None), str):
                raise InvalidTokenError(f"{name} is missing or has another type")
        if not claims["sub"]:
            raise InvalidTokenError("sub is empty")
        if str(header.get("typ", "")).lower() in _ACCESS_TOKEN:
            if self.settings.require_at_jwt and not (claims.get("client_id") and claims.get("jti")):
                raise InvalidTokenError("client_id or jti is missing (RFC 9068 section 2.2)")
            return
        if claims.keys() & _NOT_OF_ACCESS or claims.get("token_use", "access") != "access":
            raise InvalidTokenError("an ID or logout token")
        if claims.get("typ", "Bearer") not in {"Bearer", "at+jwt", "JWT"}:
            raise InvalidTokenError("an ID or refresh token")

    def _check_times(self, claims: Claims) -> None:
        now, leeway = self.clock(), self.settings.leeway_s
        if moment(claims, "exp") + leeway <= now:
            raise InvalidTokenError("expired")
        if moment(claims, "iat") > now + leeway:
            raise InvalidTokenError("issued in the future")
        if "nbf" in claims and moment(claims, "nbf") > now + leeway:
            raise InvalidTokenError("not valid yet")


def holds(algorithm: str, signed: bytes, signature: bytes, key: object) -> bool:
    """Whether a key made a signature."""
    # The two names of one algorithm (RFC 9864); the library warns of the older one.
    name = "Ed25519" if algorithm == "EdDSA" else algorithm
    model = JWSRegistry.algorithms[name]
    try:
        return bool(model.verify(signed, signature, key))
    except (JoseError, ValueError, TypeError):
        return False


def decoded(part: str) -> bytes:
    """Return what unpadded base64url stands for, in its one canonical spelling (RFC 7515).

    Raises:
        InvalidTokenError: When it is none.
    """
    try:
        plain = base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidTokenError("not base64url") from error
    if base64.urlsafe_b64encode(plain).rstrip(b"=").decode() != part:
        raise InvalidTokenError("not base64url")
    return plain


def json_object(plain: bytes) -> dict[str, object]:
    """Return a JSON object in which each name occurs once (RFC 7519 section 4).

    Raises:
        InvalidTokenError: When it is none.
    """

    def once(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise InvalidTokenError("a name occurs twice")
        return found

    try:
        value = json.loads(plain.decode("utf-8"), object_pairs_hook=once)
    except (ValueError, RecursionError) as error:
        raise InvalidTokenError("not JSON") from error
    if not isinstance(value, dict):
        raise InvalidTokenError("not a JSON object")
    return value


def moment(claims: Claims, name: str) -> float:
    """Return a NumericDate (RFC 7519 section 2); a bool is an int to Python.

    Raises:
        InvalidTokenError: When there is none.
    """
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidTokenError(f"{name} is missing or no number")
    if not math.isfinite(value):
        raise InvalidTokenError(f"{name} is no moment")
    return value
