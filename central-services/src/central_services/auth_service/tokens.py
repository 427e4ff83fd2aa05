"""Access tokens (RFC 9068) and ID tokens (OpenID Connect Core section 2): made and verified."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError

from .keys import ALGORITHMS, KeyRing
from .sealing import decode, encode, new_secret
from .settings import AuthSettings

MAX_TOKEN_CHARACTERS = 8_192
_HEADERS = frozenset({"alg", "kid", "typ"})
_ACCESS_TYPES = frozenset({"at+jwt", "application/at+jwt"})


class InvalidTokenError(Exception):
    """The token is not one of ours that is valid now; the text is for tests and logs only."""


class UnknownKeyError(InvalidTokenError):
    """It names a key that we don't have, perhaps one that we had."""


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says.

    Attributes:
        subject: A user's id, or the client's own.
        client_id: Who it was issued to.
        scope: What for, separated by spaces.
        audiences: Who may accept it.
        jti: Its own id.
        family: The id of the authorization that it comes from; empty without a user.
        expires_at: Seconds since 1970.
        issued_at: The same.
        claims: All of it.
    """

    subject: str
    client_id: str
    scope: str
    audiences: tuple[str, ...]
    jti: str
    family: str
    expires_at: int
    issued_at: int
    claims: Mapping[str, Any]

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes one by one."""
        return frozenset(self.scope.split())


@dataclass(frozen=True, slots=True)
class TokenMint:
    """Makes and verifies tokens.

    Attributes:
        settings: The issuer, and how long tokens live.
        ring: The signing keys.
        clock: Returns the time.
    """

    settings: AuthSettings
    ring: KeyRing
    clock: Callable[[], datetime]

    def access_token(
        self,
        *,
        subject: str,
        client_id: str,
        scope: str,
        audiences: Sequence[str],
        now: datetime,
        more: Mapping[str, Any],
        until: int | None = None,
    ) -> str:
        """Return a signed access token.

        Args:
            subject: Whom it is about.
            client_id: Who gets it.
            scope: What for.
            audiences: Who may accept it.
            now: The time.
            more: Further claims, left out when empty.
            until: Seconds since 1970 that it lives no longer than.
        """
        issued = int(now.timestamp())
        ends = issued + self.settings.access_token_s
        claims = {
            "iss": self.settings.issuer,
            "sub": subject,
            "aud": list(audiences) if len(audiences) > 1 else audiences[0],
            "client_id": client_id,
            "iat": issued,
            "exp": ends if until is None else min(ends, until),
            "jti": new_secret(),
            "scope": scope,
            **{name: value for name, value in more.items() if value},
        }
        return self._signed("ES256", "at+jwt", claims)

    def id_token(self, alg: str, claims: Mapping[str, Any], *, access_token: str) -> str:
        """Return a signed ID token; `at_hash` ties the access token to it (section 3.1.3.6)."""
        key = self.ring.signing(alg)
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        return self._signed(key.alg, "JWT", {**claims, "at_hash": encode(half)})

    def verify_access_token(self, token: str, *, audience: str | None = None) -> AccessClaims:
        """Return what an access token says.

        Args:
            token: As it was presented.
            audience: Who must be meant by it; None when the caller checks that.

        Raises:
            InvalidTokenError: When it is not one of ours, is not valid now, or means others.
        """
        header, claims = self._verified(token)
        if str(header.get("typ", "")).lower() not in _ACCESS_TYPES:
            raise InvalidTokenError("typ is not at+jwt")
        found = _access_claims(claims)
        self._check_times(claims)
        if claims["iss"] != self.settings.issuer:
            raise InvalidTokenError("issued by another")
        if audience is not None and audience not in found.audiences:
            raise InvalidTokenError("meant for others")
        return found

    def verify_id_token_hint(self, token: str) -> Mapping[str, Any]:
        """Return the claims of an ID token of ours, expired or not (RP-Initiated Logout section 2).

        Raises:
            InvalidTokenError: When it is not one of ours.
        """
        header, claims = self._verified(token)
        if header.get("typ", "JWT") != "JWT" or claims.get("iss") != self.settings.issuer:
            raise InvalidTokenError("not an ID token of ours")
        if not isinstance(claims.get("sub"), str) or not isinstance(claims.get("aud"), str):
            raise InvalidTokenError("claims are missing")
        return claims

    def _signed(self, alg: str, type_: str, claims: Mapping[str, Any]) -> str:
        key = self.ring.signing(alg)
        header = {"alg": key.alg, "kid": key.kid, "typ": type_}
        return jwt.encode(header, dict(claims), key.key, algorithms=[key.alg])

    def _verified(self, token: str) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return header and claims of a token that one of our keys signed.

        Which key and algorithm verify is decided by our key ring: the header only names a key.
        """
        if len(token) > MAX_TOKEN_CHARACTERS or token.count(".") != 2 or not token.isascii():
            raise InvalidTokenError("not a compact JWS of a sane size")
        try:
            parts = [decode(part) for part in token.split(".")]
            header = strict_object(parts[0])
        except (ValueError, RecursionError) as error:
            raise InvalidTokenError("not a JWS") from error
        if not header.keys() <= _HEADERS:
            raise InvalidTokenError("the header says more than alg, kid and typ")
        kid = header.get("kid")
        key = self.ring.find(kid) if isinstance(kid, str) else None
        if isinstance(kid, str) and key is None:
            raise UnknownKeyError("no key of ours that is known any more")
        if key is None or key.alg not in ALGORITHMS or header.get("alg") != key.alg:
            raise InvalidTokenError("no key of ours")
        try:
            jws.deserialize_compact(token, key.key, algorithms=[key.alg])
            return header, strict_object(parts[1])
        except (JoseError, ValueError, RecursionError) as error:
            raise InvalidTokenError("the signature or the claims don't hold") from error

    def _check_times(self, claims: Mapping[str, Any]) -> None:
        now, skew = self.clock().timestamp(), self.settings.clock_skew_s
        # Our own clock made `exp`: there is no skew to allow for.
        if claims["exp"] <= now:
            raise InvalidTokenError("expired")
        if claims["iat"] > now + skew or _number(claims.get("nbf", 0)) > now + skew:
            raise InvalidTokenError("not valid yet")
        if claims["exp"] - claims["iat"] > self.settings.access_token_s:
            raise InvalidTokenError("lives longer than we let a token live")


def _access_claims(claims: Mapping[str, Any]) -> AccessClaims:
    """Return the claims that every access token has (RFC 9068 section 2.2), their types checked."""
    for name in ("iss", "sub", "client_id", "jti"):
        if not isinstance(claims.get(name), str) or not claims[name]:
            raise InvalidTokenError(f"{name} is missing")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(a, str) for a in audiences):
        raise InvalidTokenError("aud is missing")
    scope, family = claims.get("scope", ""), claims.get("authorization", "")
    if not isinstance(scope, str) or not isinstance(family, str):
        raise InvalidTokenError("a claim has another type")
    return AccessClaims(
        claims["sub"],
        claims["client_id"],
        scope,
        tuple(audiences),
        claims["jti"],
        family,
        _number(claims.get("exp")),
        _number(claims.get("iat")),
        claims,
    )


def _number(value: object) -> int:
    """Return a NumericDate; ours are whole, and a bool is an int to Python."""
    if type(value) is not int:
        raise InvalidTokenError("a time is no whole number")
    return value


def strict_object(plain: bytes) -> dict[str, Any]:
    """Return a JSON object whose names occur once (RFC 7519 section 4 leaves it to us to refuse)."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    value = json.loads(plain.decode("utf-8"), object_pairs_hook=once)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  # it is what the text says that is wrong
    return value


def same(one: str, other: str) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ."""
    return hmac.compare_digest(one.encode(), other.encode())
