"""What the endpoints of the auth service ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

from fastapi import Depends, Request

from ..audit import Actor, Audit, RequestAudit
from ..audit.dependencies import request_audit
from ..audit.events import ActorKind
from ..clients.dpop import ALGORITHMS
from ..core.database import Database, DbSession
from ..middleware.client_address import ClientAddresses
from .errors import CredentialsError, FormError
from .keys import KeyRing
from .logins import Login, Logins
from .oauth.dpop import InvalidProofError, NonceError, check_proof, new_nonce
from .oauth.exchange import ExchangeGrant
from .oauth.grants import S256, ClientGrant, CodeGrant, RefreshGrant
from .oauth.requests import MAX_FORM_BYTES, parse_form
from .oauth.server import AuthorizationServer, Call
from .oauth.token_endpoints import Introspection, Presented, Revocation, find_active
from .passwords import Passwords
from .sealing import Sealer
from .settings import AuthSettings
from .tokens import TokenMint

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from .account_mail import AccountMail
    from .pages import Pages

T = TypeVar("T")
NO_TOKEN = "Send an access token."  # noqa: S105  # what is missing
_DPOP = f'DPoP algs="{" ".join(ALGORITHMS)}"'


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of; `app` puts it together."""

    settings: AuthSettings
    database: Database
    sealer: Sealer
    ring: KeyRing
    mint: TokenMint
    passwords: Passwords
    logins: Logins
    pages: Pages
    account_mail: AccountMail
    addresses: ClientAddresses
    clock: Callable[[], datetime]

    def limit_key(self, request: Request) -> str:
        """Return whom attempts are counted for: the client behind the trusted proxies."""
        name = b"x-forwarded-for"
        hops = b", ".join(value for key, value in request.scope["headers"] if key == name)
        address = self.addresses.address(request.scope, {name: hops} if hops else {})
        return self.addresses.key(address)

    def server(self, session: Session) -> AuthorizationServer:
        """Return an authorization server for one request."""
        call = Call(session, self.settings, self.mint, self.sealer, self.clock)
        server = AuthorizationServer(call)
        server.register_grant(CodeGrant, [S256()])
        server.register_grant(RefreshGrant)
        server.register_grant(ClientGrant)
        server.register_grant(ExchangeGrant)
        server.register_endpoint(Introspection)
        server.register_endpoint(Revocation)
        return server

    async def in_transaction(
        self, audit: RequestAudit, work: Callable[[AuthorizationServer], T]
    ) -> T:
        """Run a piece of Authlib's work, and record what it did, in one transaction."""
        async with self.database.transaction() as session:
            server, answer = await session.run_sync(lambda sync: self._work(sync, work))
            recording = audit.within(session)
            for note in server.call.notes:
                actor = (
                    Actor("user", note.user_id)
                    if note.user_id
                    else Actor("service", str(note.data.get("client_id", "")))
                )
                await recording.record(
                    note.action,
                    target=note.target,
                    outcome=note.outcome,
                    actor=actor,
                    data=dict(note.data),
                )
            return answer

    def _work(
        self, session: Session, work: Callable[[AuthorizationServer], T]
    ) -> tuple[AuthorizationServer, T]:
        server = self.server(session)
        return server, work(server)


async def _get_parts(request: Request) -> Parts:
    parts: Parts = request.app.state.auth
    return parts


AuthParts = Annotated[Parts, Depends(_get_parts)]
"""The parts of the service."""


async def read_form(request: Request) -> list[tuple[str, str]]:
    """Return the fields of a form.

    Raises:
        FormError: When the body is none.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise FormError("Send application/x-www-form-urlencoded.")
    if int(request.headers.get("content-length") or 0) > MAX_FORM_BYTES:
        raise FormError("The form is too large.")
    return parse_form(await request.body())


async def _get_login(request: Request, parts: AuthParts) -> Login | None:
    return await parts.logins.find(request.cookies.get(parts.pages.session_cookie))


MaybeLogin = Annotated[Login | None, Depends(_get_login)]
"""Who is logged in, or None."""


def _presented(request: Request) -> tuple[str, str]:
    """Return scheme and token of a request (RFC 6750 section 2.1: in the header, nowhere else).

    Raises:
        CredentialsError: When there is none, or more than one header.
    """
    given = request.headers.getlist("authorization")
    scheme, _, token = given[0].partition(" ") if len(given) == 1 else ("", "", "")
    if scheme.lower() not in {"bearer", "dpop"} or not token.strip():
        raise CredentialsError(NO_TOKEN, headers={"WWW-Authenticate": "Bearer"})
    return scheme.lower(), token.strip()


async def authenticate_token(request: Request, parts: Parts, *, audience: str) -> Presented:
    """Return the access token of a request, which is valid now and means an audience.

    One that is bound to a key comes with the scheme DPoP and a proof (RFC 9449 section 7), one that
    is not comes with Bearer.

    Raises:
        CredentialsError: When there is none, or it does not hold.
    """
    scheme, token = _presented(request)
    is_bearer = scheme == "bearer"
    challenge = 'Bearer error="invalid_token"' if is_bearer else f'{_DPOP}, error="invalid_token"'
    refusal = CredentialsError(
        "The access token is not valid.", headers={"WWW-Authenticate": challenge}
    )
    # A refresh token and an API key open nothing.
    if token.count(".") != 2:
        raise refusal
    async with parts.database.read() as session:
        found = await session.run_sync(lambda sync: find_active(parts.server(sync).call, token))
    is_meant = found and found.claims and audience in found.claims.audiences
    if found is None or not is_meant or (found.jkt is None) != is_bearer:
        raise refusal
    if not is_bearer:
        await _require_proof(request, parts, token, found)
    return found


async def _require_proof(request: Request, parts: Parts, token: str, found: Presented) -> None:
    """Refuse a bound token without a proof by its key."""
    proofs = request.headers.getlist("dpop")
    url = parts.settings.url(request.url.path)

    def work(session: Session) -> tuple[str | None, dict[str, str]]:
        call = parts.server(session).call
        try:
            jkt = check_proof(call, proofs, method=request.method, url=url, access_token=token)
        except NonceError:
            return "use_dpop_nonce", {"DPoP-Nonce": new_nonce(call)}
        except InvalidProofError:
            return "invalid_dpop_proof", {}
        return (None if jkt == found.jkt else "invalid_dpop_proof"), {}

    async with parts.database.transaction() as writing:
        error, headers = await writing.run_sync(work)
    if error is not None:
        headers["WWW-Authenticate"] = f'{_DPOP}, error="{error}"'
        raise CredentialsError("The DPoP proof does not hold.", headers=headers, error=error)


async def _get_caller(request: Request, parts: AuthParts) -> Presented:
    """Return the access token of a caller of our own API; it goes into the audit trail too."""
    found = await authenticate_token(request, parts, audience=parts.settings.issuer)
    if found.claims is None:
        raise CredentialsError(NO_TOKEN)
    is_user = found.family or (found.origin and found.origin.key.user_id)
    kind: ActorKind = "user" if is_user else "service"
    request.state.actor = Actor(kind, found.claims.subject, session=found.claims.jti)
    return found


Caller = Annotated[Presented, Depends(_get_caller)]
"""A verified access token of whoever calls."""

__all__ = [
    "NO_TOKEN",
    "Audit",
    "AuthParts",
    "Caller",
    "DbSession",
    "MaybeLogin",
    "Parts",
    "authenticate_token",
    "read_form",
    "request_audit",
]
