# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""This service's own tokens, for calls to other services (OAuth 2.0 client credentials).

A token is got once for however many ask, kept, and replaced ahead of its end while it still serves.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlsplit

import orjson

from ..core.errors import ServiceError
from ..utils.logging import get_logger
from .errors import HttpClientError

if TYPE_CHECKING:
    import httpx2
    from pydantic import SecretStr

    from ..core.config import HttpClientSettings
    from .http import HttpClient

TIMEOUT_S = 10.0
RETRY_S = 2.0
"""Seconds in which a failure is not tried again; who asks gets the same answer."""

BREAKER_RESET_S = 1.0
MIN_LIFETIME_S = 1.0
ASSERTION_S = 60

_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "Ed25519"}

_log = get_logger("service_tokens")


def reaching(http: HttpClientSettings, urls: Iterable[str | None]) -> HttpClientSettings:
    """Return the settings of a client that may also call the hosts of URLs which an operator named.

    Who asks through it paces itself (JWKS_REFETCH_S, RETRY_S, the forwarder): a breaker that stays open
    for longer would have good tokens refused after the other side is back.
    """
    hosts = [urlsplit(url).hostname or "" for url in urls if url is not None]
    changed = {
        "allowed_internal_hosts": (*http.allowed_internal_hosts, *hosts),
        "breaker_reset_s": min(http.breaker_reset_s, BREAKER_RESET_S),
    }
    return http.model_copy(update=changed)


class ServiceTokenError(ServiceError):
    """This service could not get a token for a call to another."""

    status: ClassVar[int] = 503
    title: ClassVar[str] = "Service Unavailable"


@dataclass(frozen=True, slots=True)
class Credentials:
    """How this service proves who it is.

    Attributes:
        client_id: Its id.
        secret: Its secret (`client_secret_basic`), unless there is a key.
        key: Its private JWK as JSON (`private_key_jwt`, RFC 7523).
        audience_parameter: Which parameter says whom a token is for.
        assertion_audience: Whom an assertion names; by default where tokens are got.
    """

    client_id: str
    secret: SecretStr | None = None
    key: SecretStr | None = None
    audience_parameter: str = "resource"
    assertion_audience: str | None = None

    def sign_in(self, token_url: str, now: float) -> tuple[dict[str, str], dict[str, str]]:
        """Return the headers and form fields that authenticate one request.

        Raises:
            ServiceTokenError: When there is neither a secret nor a usable key.
        """
        if self.key is not None:
            kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
            assertion = self._assertion(token_url, now)
            return {}, {"client_assertion_type": kind, "client_assertion": assertion}
        if self.secret is None:
            raise ServiceTokenError("This service has no credentials for calls to others.")
        # RFC 6749 section 2.3.1: each half is form-encoded before they are joined.
        halves = (quote(part, safe="") for part in (self.client_id, self.secret.get_secret_value()))
        basic = base64.b64encode(":".join(halves).encode()).decode()
        return {"authorization": f"Basic {basic}"}, {}

    def _assertion(self, token_url: str, now: float) -> str:
        from joserfc import jwk, jwt  # noqa: PLC0415  # heavy, and only for this kind of credentials
        from joserfc.errors import JoseError  # noqa: PLC0415  # the same

        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.assertion_audience or token_url,
            "jti": uuid.uuid4().hex,
            "iat": int(now),
            "exp": int(now) + ASSERTION_S,
        }
        try:
            known = orjson.loads(self.key.get_secret_value() if self.key else "")
            key = jwk.import_key(known)
            algorithm = known.get("alg") or _ALGORITHMS.get(known.get("crv", ""), "RS256")
            header = {"alg": algorithm, "kid": known.get("kid") or key.thumbprint(), "typ": "JWT"}
            return jwt.encode(header, claims, key, algorithms=[algorithm])
        except (JoseError, ValueError, TypeError, AttributeError):
            # Without the cause: its text may hold a part of the key.
            raise ServiceTokenError("This service's key is no private JWK.") from None


@dataclass(slots=True)
class _Kept:
    """A token, and when it is to be replaced and when it ends; monotonic seconds."""

    token: str
    refresh_at: float
    ends_at: float


class ServiceTokens:
    """Gets and keeps this service's tokens, one per audience.

    Args:
        credentials: How it authenticates; None raises at the first token that is asked for.
        http: Returns the client to ask with.
        token_url: Returns where tokens are got.
        clock: Monotonic seconds.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        http: Callable[[], HttpClient],
        token_url: Callable[[], Awaitable[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._credentials = credentials
        self._http = http
        self._token_url = token_url
        self._clock = clock
        self._now = now
        self._kept: dict[str, _Kept] = {}
        self._fetches: dict[str, asyncio.Task[str]] = {}
        self._failed: dict[str, tuple[float, ServiceTokenError]] = {}

    async def token(self, audience: str = "") -> str:
        """Return a token that is valid now.

        Args:
            audience: Whom it is for; empty leaves that to the issuer.

        Raises:
            ServiceTokenError: When there is none to be had.
        """
        kept, now = self._kept.get(audience), self._clock()
        if kept is not None and now < kept.ends_at:
            if now >= kept.refresh_at and not self._has_just_failed(audience):
                self._begin(audience)
            return kept.token
        if self._has_just_failed(audience):
            raise ServiceTokenError(self._failed[audience][1].detail)
        # Nobody's request owns the call: a caller that goes away must not cancel it for others.
        return await asyncio.shield(self._begin(audience))

    def forget(self, audience: str, token: str) -> None:
        """Drop a token that was refused, so that the next call gets another."""
        kept = self._kept.get(audience)
        if kept is not None and kept.token == token:
            del self._kept[audience]

    async def aclose(self) -> None:
        """Give up the calls that are under way."""
        for fetch in list(self._fetches.values()):
            fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError, ServiceTokenError):
                await fetch

    def _has_just_failed(self, audience: str) -> bool:
        failed = self._failed.get(audience)
        return failed is not None and self._clock() < failed[0] + RETRY_S

    def _begin(self, audience: str) -> asyncio.Task[str]:
        fetch = self._fetches.get(audience)
        if fetch is None:
            fetch = asyncio.create_task(self._fetch(audience), context=contextvars.Context())
            self._fetches[audience] = fetch
            fetch.add_done_callback(lambda done: done.cancelled() or done.exception())
        return fetch

    async def _fetch(self, audience: str) -> str:
        try:
            began = self._clock()
            answer = await self._ask(audience)
            token, lifetime = _read(answer)
            # With a fifth of its life left, but never so early that each call would ask again.
            margin = min(60.0, lifetime / 5)
            self._kept[audience] = _Kept(token, began + lifetime - margin, began + lifetime - 1.0)
            self._failed.pop(audience, None)
        except ServiceTokenError as error:
            self._failed[audience] = (self._clock(), error)
            _log.warning("service_token_not_issued", audience=audience, reason=error.detail)
            raise
        finally:
            del self._fetches[audience]
        return token

    async def _ask(self, audience: str) -> httpx2.Response:
        if self._credentials is None:
            raise ServiceTokenError("This service has no credentials for calls to others.")
        try:
            url = await self._token_url()
            headers, fields = self._credentials.sign_in(url, self._now())
            form = {"grant_type": "client_credentials", **fields}
            if audience:
                form[self._credentials.audience_parameter] = audience
            return await self._http().post(
                url,
                data=form,
                headers={"accept": "application/json", **headers},
                timeout_s=TIMEOUT_S,
                follow_redirects=False,
            )
        except HttpClientError as error:
            raise ServiceTokenError("The issuer of tokens can't be reached.") from error


def _read(answer: httpx2.Response) -> tuple[str, float]:
    """Return the token of an answer (RFC 6749 section 5.1) and its lifetime in seconds."""
    try:
        found = orjson.loads(answer.content)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, Mapping):
        raise ServiceTokenError("The issuer of tokens answered something that is no JSON object.")
    if answer.status_code != 200:
        code = str(found.get("error", answer.status_code))[:50]
        raise ServiceTokenError(f"The issuer of tokens refused: {code}.")
    token, lifetime = found.get("access_token"), found.get("expires_in", 60)
    usable = isinstance(token, str) and str(found.get("token_type")).lower() == "bearer"
    if not usable or isinstance(lifetime, bool) or not isinstance(lifetime, int | float):
        raise ServiceTokenError("The issuer of tokens answered something that is no bearer token.")
    return str(token), max(MIN_LIFETIME_S, float(lifetime))
