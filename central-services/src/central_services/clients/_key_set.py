# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The issuer's keys, cached: fetched once for however many ask, and kept while the issuer is down.

Fresh keys are used as they are; older ones too, while others are being fetched (RFC 5861), up to a limit.
A token that names an unknown key makes the keys be fetched anew, but not more often than
`jwks_refetch_s`: otherwise a caller with made-up tokens would make this service attack the issuer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import contextvars
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joserfc import jwk
from joserfc.errors import JoseError

from ..utils.logging import get_logger
from .errors import HttpClientError

if TYPE_CHECKING:
    from ..core.central_auth_settings import CentralAuthSettings
    from ._issuer import Issuer

MAX_KEYS = 100
MIN_RSA_BITS = 2_048

_CURVES: dict[str, tuple[str, ...]] = {
    "P-256": ("ES256",),
    "P-384": ("ES384",),
    "P-521": ("ES512",),
    "Ed25519": ("EdDSA", "Ed25519"),
}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")

_log = get_logger("central_auth")


class KeysUnavailableError(Exception):
    """The issuer's keys are not known: it was never reached, or not for too long.

    Attributes:
        retry_after_s: Seconds after which it is worth another try.
    """

    def __init__(self, retry_after_s: float, reason: str = "") -> None:
        super().__init__(f"the keys of the issuer are not available{reason and ': '}{reason}")
        self.retry_after_s = retry_after_s


class IssuerError(Exception):
    """What the issuer publishes can't be used; the text says why."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key, and what it may verify.

    Attributes:
        kid: Its name; None in a set of one.
        algorithms: The algorithms that fit it.
        key: The key, as the library has it.
    """

    kid: str | None
    algorithms: frozenset[str]
    key: jwk.Key


def read_keys(document: object) -> tuple[VerificationKey, ...]:
    """Return the keys of a JWK set (RFC 7517 section 5) that can verify signatures.

    Others (for encryption, shared secrets, of unknown kinds, too weak) are passed over.

    Raises:
        IssuerError: When it is none, or has no such key.
    """
    entries = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(entries, list) or len(entries) > MAX_KEYS:
        raise IssuerError("no JWK set of a sane size")
    found = tuple(key for key in map(_read_key, entries) if key is not None)
    if not found:
        raise IssuerError("no key in the JWK set can verify a signature")
    return found


def _read_key(entry: object) -> VerificationKey | None:
    if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
        return None
    if "verify" not in entry.get("key_ops", ["verify"]):
        return None
    kind, kid = entry.get("kty"), entry.get("kid")
    fitting = _RSA if kind == "RSA" else _CURVES.get(str(entry.get("crv")), ())
    if kind not in {"EC", "OKP", "RSA"} or not (kid is None or isinstance(kid, str)):
        return None
    named = entry.get("alg")
    algorithms = frozenset(fitting) if named is None else frozenset(fitting) & {named}
    if {"EdDSA", "Ed25519"} & algorithms:
        algorithms = frozenset({"EdDSA", "Ed25519"})  # two names of one algorithm (RFC 9864)
    public = {name: entry[name] for name in ("kty", "crv", "x", "y", "n", "e") if name in entry}
    try:
        if not algorithms or (kind == "RSA" and _bits(str(public.get("n"))) < MIN_RSA_BITS):
            return None
        return VerificationKey(kid, algorithms, jwk.import_key(public))
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _bits(text: str) -> int:
    """Return the length of a number in base64url (RFC 7518 section 6.3.1)."""
    raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    return int.from_bytes(raw, "big").bit_length()


class KeySource:
    """The keys of the issuer.

    Args:
        settings: How long they are kept.
        issuer: Where they come from.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        settings: CentralAuthSettings,
        issuer: Issuer,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._issuer = issuer
        self._clock = clock
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched_at = 0.0
        self._tried_at: float | None = None
        self._fetch: asyncio.Task[None] | None = None
        self._problem = ""

    @property
    def age_s(self) -> float | None:
        """Seconds since the keys were fetched; None before they ever were."""
        return self._clock() - self._fetched_at if self._keys else None

    async def find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        """Return the keys that a token of this header may be signed with; mostly one or none.

        Raises:
            KeysUnavailableError: When there are no keys to look in.
        """
        await self.require()
        found = self._find(kid, algorithm)
        if not found and self._may_fetch():
            await self._fetched()
            found = self._find(kid, algorithm)
        return found

    async def require(self) -> Sequence[VerificationKey]:
        """Return the keys, and have old ones fetched again.

        Raises:
            KeysUnavailableError: When there are none.
        """
        if not self._is_usable():
            if self._may_fetch():
                await self._fetched()
            if not self._is_usable():
                raise KeysUnavailableError(self._wait_s(), self._problem)
        elif (self.age_s or 0.0) > self._settings.jwks_max_age_s and self._may_fetch():
            self._begin()
        return self._keys

    async def aclose(self) -> None:
        """Give up a fetch that is under way."""
        if self._fetch is not None:
            self._fetch.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._fetch

    def _find(self, kid: str | None, algorithm: str) -> Sequence[VerificationKey]:
        if kid is None:
            # OpenID Connect Core section 10.1: it may be left out where there is only one key.
            return [
                key for key in self._keys if algorithm in key.algorithms and len(self._keys) == 1
            ]
        return [key for key in self._keys if key.kid == kid and algorithm in key.algorithms]

    def _is_usable(self) -> bool:
        limit = self._settings.jwks_max_age_s + self._settings.jwks_max_stale_s
        return bool(self._keys) and (self.age_s or 0.0) <= limit

    def _wait_s(self) -> float:
        """Return the seconds until the keys may be fetched again."""
        if self._tried_at is None:
            return 0.0
        return max(0.0, self._tried_at + self._settings.jwks_refetch_s - self._clock())

    def _may_fetch(self) -> bool:
        return self._fetch is not None or not self._wait_s()

    def _begin(self) -> asyncio.Task[None]:
        """Return the fetch that is under way, or begin one."""
        if self._fetch is None:
            self._tried_at = self._clock()
            self._fetch = asyncio.create_task(self._refresh(), context=contextvars.Context())
        return self._fetch

    async def _fetched(self) -> None:
        # Nobody's request owns the fetch: a caller that goes away must not cancel it for others.
        await asyncio.shield(self._begin())

    async def _refresh(self) -> None:
        try:
            keys = read_keys(await self._issuer.jwks())
        except (HttpClientError, IssuerError) as error:
            self._problem = str(error)
            _log.warning(
                "issuer_keys_not_fetched",
                issuer=self._settings.issuer,
                reason=self._problem,
                keys=len(self._keys),
            )
        else:
            self._keys, self._fetched_at = keys, self._clock()
        finally:
            self._fetch = None
