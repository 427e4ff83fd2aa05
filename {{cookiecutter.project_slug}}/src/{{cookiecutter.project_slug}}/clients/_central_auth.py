# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The issuer as this service knows it: checks tokens against its keys, and gets tokens of its own."""

from __future__ import annotations

import math
import re
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from fastapi import FastAPI, Request

from ..api.readiness import HealthCheck
from ..core.errors import ServiceError
from ..utils.logging import get_logger
from .credentials import Credentials, ServiceTokenError, ServiceTokens, reaching

if TYPE_CHECKING:
    from ..core.central_auth_settings import CentralAuthSettings
    from ..core.config import HttpClientSettings
    from ._access_tokens import AccessTokens
    from ._issuer import Issuer
    from ._key_set import KeysUnavailableError, VerificationKey
    from .dpop import Proofs, ProvenRequest
    from .http import HttpClient

_log = get_logger("central_auth")

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}").fullmatch
"""What an organisation may be called where it is the name of a tenant: in keys, paths and log lines."""


class UnauthenticatedError(ServiceError):
    """The request has no valid access token."""

    status: ClassVar[int] = 401
    type: ClassVar[str] = "urn:slipway:auth:not-authenticated"
    title: ClassVar[str] = "Unauthorized"


class PermissionDeniedError(ServiceError):
    """The caller may not do this."""

    status: ClassVar[int] = 403
    type: ClassVar[str] = "urn:slipway:auth:forbidden"
    title: ClassVar[str] = "Forbidden"


class AuthUnavailableError(ServiceError):
    """Tokens can't be checked, because the issuer was never reached."""

    status: ClassVar[int] = 503
    type: ClassVar[str] = "urn:slipway:auth:issuer-unavailable"
    title: ClassVar[str] = "Service Unavailable"


@dataclass(frozen=True, slots=True)
class CurrentUser:
    """Who calls: a person, or another service.

    Attributes:
        subject: Their stable id at the issuer.
        org: The organisation (tenant) that they act in.
        roles: Their roles there.
        permissions: What they may do.
        client_id: The application that they use; the subject itself for a service.
        scopes: What the application was granted.
        claims: Everything that the token says.
    """

    subject: str
    org: str | None
    roles: frozenset[str]
    permissions: frozenset[str]
    client_id: str | None
    scopes: frozenset[str]
    claims: Mapping[str, object]

    @property
    def is_service(self) -> bool:
        """Whether no person is behind the token (client credentials)."""
        return self.subject == self.client_id

    @property
    def tenant(self) -> str:
        """The organisation, which `require_tenant` has seen to.

        Raises:
            PermissionDeniedError: The token names none, or what can't be one's name.
        """
        if self.org is None or not _TENANT(self.org):
            raise PermissionDeniedError("The token names no organisation.")
        return self.org

    @classmethod
    def of(cls, claims: Mapping[str, object], settings: CentralAuthSettings) -> CurrentUser:
        """Return who the claims of a verified token tell of."""
        client_id = claims.get("client_id", claims.get("azp"))
        org = _claim(claims, settings.org_claim)
        return cls(
            subject=str(claims["sub"]),
            org=org if isinstance(org, str) else None,
            roles=_names(_claim(claims, settings.roles_claim)),
            permissions=_names(_claim(claims, settings.permissions_claim)),
            client_id=client_id if isinstance(client_id, str) else None,
            scopes=_names(claims.get("scope")),
            claims=claims,
        )


def _claim(claims: Mapping[str, object], path: str) -> object:
    """Return a claim by its name, or, where none has it, by a path of names with dots between."""
    if path in claims:
        return claims[path]
    found: object = claims
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


def _names(value: object) -> frozenset[str]:
    """Return the names in a claim: a list, or a text with spaces between."""
    if isinstance(value, str):
        return frozenset(value.split())
    if isinstance(value, list):
        return frozenset(name for name in value if isinstance(name, str))
    return frozenset()


def _unavailable(error: KeysUnavailableError) -> AuthUnavailableError:
    wait = {"retry-after": f"{max(1, math.ceil(error.retry_after_s))}"}
    return AuthUnavailableError("Access tokens can't be checked at the moment.", headers=wait)


Observer = Callable[[Request, CurrentUser], None]


class CentralAuth:
    """Checks tokens, and gets this service's own; one per application, in `app.state.central_auth`.

    Nothing is imported, opened or asked before it is used.

    Args:
        settings: Whose tokens are accepted.
        http: How the issuer is called; it may be inside the network.
        realm: Names the service in `WWW-Authenticate`.
        observers: Told of each authenticated request.
        clock: Seconds since 1970.
        monotonic: Seconds of a clock that only goes forward.
    """

    def __init__(
        self,
        settings: CentralAuthSettings,
        http: HttpClientSettings,
        *,
        realm: str,
        observers: Sequence[Observer] = (),
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings
        self.realm = realm
        self.observers = tuple(observers)
        self._http_settings = http
        self._clock, self._monotonic = clock, monotonic
        self._client: HttpClient | None = None
        self._issuer: Issuer | None = None
        self._tokens: AccessTokens | None = None
        self._proofs: Proofs | None = None
        self._own: ServiceTokens | None = None

    @asynccontextmanager
    async def lifespan(self, _app: FastAPI) -> AsyncGenerator[None]:
        """Close at shutdown what was opened meanwhile."""
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close everything; the next use opens it again."""
        if self._tokens is not None:
            await self._tokens.keys.aclose()
        if self._own is not None:
            await self._own.aclose()
        if self._client is not None:
            await self._client.aclose()
        self._client = self._issuer = self._tokens = self._own = None

    async def current_user(self, token: str, request: ProvenRequest | None = None) -> CurrentUser:
        """Return who a token is of.

        Args:
            token: The token.
            request: The request that proves to have its key (`Authorization: DPoP`); None for a
                bearer token, which must not be bound to one.

        Raises:
            UnauthenticatedError: When it is not valid; the log has the reason.
            AuthUnavailableError: When nobody can tell.
        """
        from ._access_tokens import InvalidTokenError  # noqa: PLC0415  # imports the JOSE library
        from ._key_set import KeysUnavailableError  # noqa: PLC0415  # the same
        from .dpop import InvalidProofError  # noqa: PLC0415  # the same

        try:
            claims = await self._access_tokens().verify(token, bearer=request is None)
            if request is not None:
                self._read_proofs().check(request, token, claims)
        except InvalidProofError as error:
            _log.info("dpop_proof_refused", reason=str(error))
            text = "The DPoP proof does not hold for this request and token."
            raise self.unauthenticated(text, "invalid_dpop_proof", bearer=False) from error
        except InvalidTokenError as error:
            _log.info("access_token_refused", reason=str(error))
            text = "The access token is not valid here: it is expired, forged or for others."
            raise self.unauthenticated(text, "invalid_token", bearer=request is None) from error
        except KeysUnavailableError as error:
            raise _unavailable(error) from error
        return CurrentUser.of(claims, self.settings)

    async def keys(self) -> Sequence[VerificationKey]:
        """Return the issuer's keys.

        Raises:
            AuthUnavailableError: When they are not to be had.
        """
        from ._key_set import KeysUnavailableError  # noqa: PLC0415  # imports the JOSE library

        try:
            return await self._access_tokens().keys.require()
        except KeysUnavailableError as error:
            raise _unavailable(error) from error

    async def service_token(self, *, audience: str) -> str:
        """Return an access token of this service's own, for a call to another.

        Args:
            audience: Whom it is for, as that service's settings name it.

        Raises:
            ServiceTokenError: When the issuer can't be reached, or refuses.
        """
        return await self.service_tokens.token(audience)

    @property
    def service_tokens(self) -> ServiceTokens:
        """What gets and keeps this service's own tokens."""
        if self._own is None:
            settings = self.settings
            credentials = None
            if settings.client_id is not None:
                credentials = Credentials(
                    settings.client_id,
                    settings.client_secret,
                    settings.client_key,
                    settings.audience_parameter,
                    settings.assertion_audience,
                )
            self._own = ServiceTokens(
                credentials, self._http, self.token_url, clock=self._monotonic, now=self._clock
            )
        return self._own

    def unauthenticated(
        self, detail: str, error: str = "", *, bearer: bool = True
    ) -> UnauthenticatedError:
        """Return a 401 with the challenge of RFC 6750 section 3, or of RFC 9449 section 7.1."""
        challenge = f'{"Bearer" if bearer else "DPoP"} realm="{self.realm}"'
        if error:
            challenge += f', error="{error}", error_description="{detail}"'
        if not bearer:
            from .dpop import ALGORITHMS  # noqa: PLC0415  # imports the JOSE library

            challenge += f', algs="{" ".join(ALGORITHMS)}"'
        return UnauthenticatedError(detail, headers={"www-authenticate": challenge})

    def denied(self, detail: str, wanted: Sequence[str] = ()) -> PermissionDeniedError:
        """Return a 403 with the challenge of RFC 6750 section 3.1."""
        challenge = f'Bearer realm="{self.realm}", error="insufficient_scope"'
        if wanted:
            challenge += f', scope="{" ".join(wanted)}"'
        return PermissionDeniedError(detail, headers={"www-authenticate": challenge})

    def check(self) -> HealthCheck:
        """Return the readiness check: can tokens be checked? It also fetches the keys at start.

        It is not critical: what needs no token is served all the same.
        """

        async def check() -> bool:
            from ._key_set import KeysUnavailableError  # noqa: PLC0415  # imports the JOSE library

            try:
                await self._access_tokens().keys.require()
            except KeysUnavailableError:
                return False
            return True

        return HealthCheck("central_auth", check, critical=False)

    async def token_url(self) -> str:
        """Return where tokens are got, as the settings or else the issuer's metadata say.

        Raises:
            ServiceTokenError: The issuer says it not.
            HttpClientError: It can't be asked.
        """
        from ._key_set import IssuerError  # noqa: PLC0415  # imports the JOSE library

        try:
            return await self._read_issuer().token_url()
        except IssuerError as error:
            raise ServiceTokenError("The issuer says not where tokens are got.") from error

    def _access_tokens(self) -> AccessTokens:
        if self._tokens is None:
            from ._access_tokens import AccessTokens  # noqa: PLC0415  # imports the JOSE library
            from ._key_set import KeySource  # noqa: PLC0415  # the same

            keys = KeySource(self.settings, self._read_issuer(), clock=self._monotonic)
            self._tokens = AccessTokens(self.settings, keys, self._clock)
        return self._tokens

    def _read_proofs(self) -> Proofs:
        if self._proofs is None:
            from .dpop import Proofs  # noqa: PLC0415  # imports the JOSE library

            settings = self.settings
            self._proofs = Proofs(
                lifetime_s=settings.dpop_proof_s, leeway_s=settings.leeway_s, clock=self._clock
            )
        return self._proofs

    def _read_issuer(self) -> Issuer:
        if self._issuer is None:
            from ._issuer import Issuer  # noqa: PLC0415  # imports the JOSE library

            self._issuer = Issuer(self.settings, self._http)
        return self._issuer

    def _http(self) -> HttpClient:
        """Return the client for the issuer: it may call those hosts that the settings name."""
        if self._client is None:
            from .http import HttpClient  # noqa: PLC0415  # imports the HTTP library

            settings = self.settings
            urls = (settings.issuer, settings.jwks_url, settings.token_url)
            self._client = HttpClient(reaching(self._http_settings, urls), name="issuer")
        return self._client
