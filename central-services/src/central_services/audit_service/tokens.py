"""Access tokens of the auth service (RFC 9068), checked here against its key set: no call per request."""

from __future__ import annotations

import asyncio
import json
import re
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import orjson
from joserfc import jwk, jws
from joserfc.errors import JoseError

from ..clients.errors import HttpClientError
from ..clients.http import HttpClient
from ..utils.logging import get_logger
from .errors import IssuerUnavailableError, TokenError

ALGORITHMS = ("ES256", "RS256")
MAX_TOKEN_CHARACTERS = 8_192
REFETCH_S = 5.0
"""Seconds between two looks for a key that nobody knows: a made-up key id must not cost a call each."""

_HEADERS = frozenset({"alg", "kid", "typ"})
_TYPES = frozenset({"at+jwt", "application/at+jwt"})
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch

_log = get_logger(__name__)


class KeySource(Protocol):
    """Knows the issuer's public keys."""

    async def find(self, kid: str) -> jwk.Key | None:
        """Return a key, or None when the issuer has none of that id.

        Raises:
            IssuerUnavailableError: The keys are not known, and the issuer can't be asked.
        """
        ...


@dataclass(frozen=True, slots=True)
class Principal:
    """Who calls.

    Attributes:
        subject: A user's id, or the client's own.
        tenant: Their organisation.
        permissions: What they may do.
        is_user: Whether it is a person.
        token_id: The id of the token.
        expires_at: When it ends, in seconds since 1970.
    """

    subject: str
    tenant: str
    permissions: frozenset[str]
    is_user: bool
    token_id: str
    expires_at: int


class RemoteKeys:
    """The key set at a URL: fetched once, again when it is old, and when a key is missing.

    While the issuer is away the keys that were fetched go on being used.
    """

    def __init__(
        self,
        url: str,
        http: HttpClient,
        *,
        max_age_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = url
        self._http = http
        self._max_age_s = max_age_s
        self._clock = clock
        self._keys: dict[str, jwk.Key] = {}
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._fetching = asyncio.Lock()

    async def find(self, kid: str) -> jwk.Key | None:
        """Return a key; see `KeySource`."""
        now = self._clock()
        is_old = self._fetched_at is None or now - self._fetched_at > self._max_age_s
        if is_old or kid not in self._keys:
            await self._refresh(self._tried_at)
        if self._fetched_at is None:
            raise IssuerUnavailableError(headers={"Retry-After": "2"})
        return self._keys.get(kid)

    async def _refresh(self, seen: float | None) -> None:
        """Fetch the key set, unless somebody else just did."""
        async with self._fetching:
            now = self._clock()
            if self._tried_at != seen:
                return
            # Without any key each request may try: nothing else can help it.
            if self._fetched_at is not None and seen is not None and now - seen < REFETCH_S:
                return
            self._tried_at = now
            try:
                answer = await self._http.get(self._url)
                if answer.status_code == 200:
                    self._keys = dict(_usable(orjson.loads(answer.content)))
                    self._fetched_at = now
            except (HttpClientError, JoseError, ValueError, KeyError, TypeError):
                _log.warning("issuer_keys_unavailable", exc_info=True)


def _usable(document: Mapping[str, Any]) -> list[tuple[str, jwk.Key]]:
    """Return the keys of a set that verify tokens, by id."""
    found = []
    for entry in document["keys"]:
        if entry.get("alg") in ALGORITHMS and isinstance(entry.get("kid"), str):
            public = {name: value for name, value in entry.items() if name != "d"}
            found.append((entry["kid"], jwk.import_key(public)))
    return found


class TokenVerifier:
    """Says who a token is about, or refuses it.

    Args:
        keys: The issuer's keys.
        issuer: Who has to have issued it.
        audience: Whom it has to be meant for.
        skew_s: Seconds that the issuer's clock may be ahead.
        clock: Tells the time.
    """

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str,
        audience: str,
        skew_s: int,
        clock: Callable[[], datetime],
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._skew_s = skew_s
        self._clock = clock

    async def verify(self, token: str) -> Principal:
        """Return who a token is about.

        Raises:
            TokenError: It is not valid here and now; the text never says why.
            IssuerUnavailableError: The issuer's keys can't be had.
        """
        claims = await self._signed_claims(token)
        now = self._clock().timestamp()
        audience = claims.get("aud")
        audiences = [audience] if isinstance(audience, str) else audience
        ends, *begins = (_number(claims.get(name, 0)) for name in ("exp", "iat", "nbf"))
        texts = [claims.get(name) for name in ("sub", "client_id", "jti")]
        if (
            claims.get("iss") != self._issuer
            or not isinstance(audiences, list)
            or self._audience not in audiences
            or not all(isinstance(text, str) and text for text in texts)
            or ends <= now - self._skew_s
            or max(begins) > now + self._skew_s
        ):
            raise invalid()
        return _principal(claims)

    async def _signed_claims(self, token: str) -> Mapping[str, Any]:
        """Return the claims of a token that a key of the issuer signed; the header only names one."""
        if len(token) > MAX_TOKEN_CHARACTERS or token.count(".") != 2 or not token.isascii():
            raise invalid()
        try:
            first, second, _ = token.split(".")
            header = _object(first)
            kid, alg = header.get("kid"), header.get("alg")
            if not header.keys() <= _HEADERS or str(header.get("typ", "")).lower() not in _TYPES:
                raise invalid()
            key = await self._keys.find(kid) if isinstance(kid, str) else None
            if key is None or alg not in ALGORITHMS or key.get("alg") != alg:
                raise invalid()
            jws.deserialize_compact(token, key, algorithms=[alg])
            return _object(second)
        except (JoseError, ValueError, RecursionError):
            raise invalid() from None


def invalid() -> TokenError:
    """Return the one answer to every token that does not hold."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return TokenError("The access token is not valid here.", headers=challenge)


def _number(value: object) -> int:
    """Return a NumericDate; those of the auth service are whole, and a bool is an int to Python."""
    if type(value) is not int:
        raise invalid()
    return value


def _principal(claims: Mapping[str, Any]) -> Principal:
    tenant, permissions = claims.get("org"), claims.get("permissions", [])
    if not isinstance(tenant, str) or not _TENANT(tenant):
        tenant = ""
    if not isinstance(permissions, list):
        raise invalid()
    return Principal(
        claims["sub"],
        tenant,
        frozenset(name for name in permissions if isinstance(name, str)),
        claims["sub"] != claims["client_id"],
        claims["jti"],
        claims["exp"],
    )


def _object(part: str) -> dict[str, Any]:
    """Return a part of a token: a JSON object whose names occur once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a name occurs twice")
        return found

    plain = urlsafe_b64decode(part + "=" * (-len(part) % 4))
    value = json.loads(plain.decode("utf-8"), object_pairs_hook=once)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004  # it is what the text says that is wrong
    return value
