"""The authorization server: Authlib's, made for one request."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from authlib.oauth2.rfc6749 import AuthorizationServer as AuthlibServer
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error
from sqlalchemy.orm import Session

from ...audit import Action
from ..actions import REUSE_DETECTED
from ..errors import FormError
from ..models import FamilyRow
from ..sealing import Sealer
from ..settings import AuthSettings
from ..tokens import TokenMint
from .clients import Client, authenticate
from .dpop import InvalidProofError, NonceError, check_proof, new_nonce
from .requests import OAuthAnswer, OAuthRequest
from .store import OAuthStore, Subject

Headers = Sequence[tuple[str, str]]
Outcome = Literal["success", "failure", "denied"]


@dataclass(frozen=True, slots=True)
class Note:
    """An event for the audit trail, recorded in the request's transaction once Authlib is done."""

    action: Action
    target: str
    data: Mapping[str, Any]
    outcome: Outcome = "success"
    user_id: str | None = None


@dataclass
class Call:
    """What one request to the OAuth core works with.

    Attributes:
        session: The request's session.
        settings: The service's.
        mint: Makes and verifies tokens.
        sealer: Seals what is kept for a replay.
        clock: Returns the time.
    """

    session: Session
    settings: AuthSettings
    mint: TokenMint
    sealer: Sealer
    clock: Callable[[], datetime]
    notes: list[Note] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Take the time once, so that everything in the request happens at the same one."""
        self.now = self.clock()
        self.store = OAuthStore(self.session, self.now)

    def note(
        self,
        action: Action,
        target: str,
        data: Mapping[str, Any],
        *,
        outcome: Outcome = "success",
        user_id: str | None = None,
    ) -> None:
        """Remember an event for the audit trail."""
        self.notes.append(Note(action, target, data, outcome, user_id))

    def burn(self, family: FamilyRow, why: str) -> None:
        """Revoke a family after a spent code or token came again, and say so in the trail."""
        if self.store.burn(family, "reuse"):
            self.note(
                REUSE_DETECTED,
                f"authorization:{family.id}",
                {"client_id": family.client_id, "why": why},
                outcome="denied",
                user_id=str(family.user_id),
            )


class AuthorizationServer(AuthlibServer):  # type: ignore[misc]  # Authlib has no types
    """Authlib's authorization server on the tables of one request.

    Attributes:
        call: What the request works with.
    """

    def __init__(self, call: Call) -> None:
        super().__init__()
        self.call = call

    def query_client(self, client_id: str) -> Client | None:
        """Return a client that may be used."""
        row = self.call.store.client(client_id)
        return None if row is None else Client(row)

    def authenticate_client(
        self, request: OAuthRequest, methods: Sequence[str], endpoint: str = "token"
    ) -> Client:
        """Return the client that sends a request; see `authenticate`."""
        del endpoint  # a client authenticates in the same way everywhere
        return authenticate(self, request, methods)

    def save_token(self, token: Mapping[str, Any], request: OAuthRequest) -> None:
        """Do nothing: the grants keep what has to be kept."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Do nothing: the grants write to the audit trail."""

    def create_oauth2_request(self, request: OAuthRequest) -> OAuthRequest:
        """Return the request, which is one already."""
        return request

    def handle_response(
        self, status: int, body: Mapping[str, Any] | str, headers: Headers
    ) -> OAuthAnswer:
        """Return an answer for the endpoint to send."""
        plain = {} if isinstance(body, str) else dict(body)
        return OAuthAnswer(status, plain, dict(headers))

    def answer_token_request(self, request: OAuthRequest) -> OAuthAnswer:
        """Return the answer to a token request, errors included."""
        try:
            request.require_well_formed()
            if not request.parameters.get("grant_type"):
                raise InvalidRequestError("grant_type is missing.")
            self.prove(request, "/oauth2/token")
        except OAuth2Error as error:
            return self.refuse(request, error)
        answer: OAuthAnswer = self.create_token_response(request)
        return answer

    def prove(self, request: OAuthRequest, path: str) -> None:
        """Check the DPoP proof of a request, when it has one.

        Raises:
            OAuth2Error: When it does not hold, or needs a nonce.
        """
        url = self.call.settings.url(path)
        request.jkt = check_proof(self.call, request.proofs, method=request.method, url=url)

    def bind(self, request: OAuthRequest, client: Client) -> dict[str, Any]:
        """Return the claims that bind an access token to the key of its request.

        Raises:
            OAuth2Error: When the client gets no other tokens, and the request has no proof.
        """
        if request.jkt:
            return {"cnf": {"jkt": request.jkt}}
        if client.row.dpop_bound_access_tokens:
            raise InvalidProofError("The client gets tokens with a DPoP proof only.")
        return {}

    def refuse(self, request: OAuthRequest, error: OAuth2Error) -> OAuthAnswer:
        """Return an error as RFC 6749 section 5.2 wants it."""
        answer: OAuthAnswer = self.handle_error_response(request, error)
        return answer

    def handle_error_response(self, request: OAuthRequest, error: OAuth2Error) -> OAuthAnswer:
        """Return an error, and the nonce with the one that asks for it (RFC 9449 section 8)."""
        answer: OAuthAnswer = super().handle_error_response(request, error)
        if isinstance(error, NonceError):
            headers = {**answer.headers, "DPoP-Nonce": new_nonce(self.call)}
            return OAuthAnswer(answer.status, answer.body, headers)
        return answer

    def answer_endpoint(self, name: str, request: OAuthRequest) -> OAuthAnswer:
        """Return the answer to a request to an endpoint that is registered by name."""
        try:
            request.require_well_formed()
        except OAuth2Error as error:
            return self.refuse(request, error)
        answer: OAuthAnswer = self.create_endpoint_response(name, request)
        return answer

    def access_token(
        self,
        client: Client,
        scope: str,
        audiences: Sequence[str],
        *,
        subject: Subject | None = None,
        family: FamilyRow | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> str:
        """Return an access token; without a subject it is the client's own."""
        if subject is None or family is None:
            row = client.row
            about: dict[str, Any] = {"org": row.organisation, "permissions": row.permissions}
            return self.call.mint.access_token(
                subject=client.client_id,
                client_id=client.client_id,
                scope=scope,
                audiences=audiences,
                now=self.call.now,
                more={**about, **(more or {})},
            )
        about = {
            "org": subject.organisation,
            "roles": list(subject.roles),
            "permissions": list(subject.permissions),
            "auth_time": int(family.authenticated_at.timestamp()),
            "authorization": str(family.id),
        }
        return self.call.mint.access_token(
            subject=str(subject.user.id),
            client_id=client.client_id,
            scope=scope,
            audiences=audiences,
            now=self.call.now,
            more={**about, **(more or {})},
        )

    def audiences(self, client: Client, request: OAuthRequest, scope: str) -> list[str]:
        """Return whom a token is for: those asked for (RFC 8707), or all that the client may.

        The issuer is among them when the scope has `openid`, since userinfo is its own.

        Raises:
            OAuth2Error: With `invalid_target`, when the client may not ask for one.
        """
        known = client.row.audiences or [self.call.settings.audience]
        asked = request.resources or known
        if not set(known).issuperset(asked):
            raise OAuth2Error("The client may not ask for this resource.", error="invalid_target")
        issuer = [self.call.settings.issuer] if "openid" in scope.split() else []
        return list(dict.fromkeys([*asked, *issuer]))

    def seal_replay(self, presented: str, token: Mapping[str, Any]) -> bytes:
        """Return an answer sealed so that only who presents the same token again can get it."""
        purpose = "replay/" + self.call.sealer.mark("replay", presented)
        return self.call.sealer.seal(purpose, json.dumps(token).encode())

    def open_replay(self, presented: str, sealed: bytes) -> dict[str, Any]:
        """Return what `seal_replay` sealed."""
        purpose = "replay/" + self.call.sealer.mark("replay", presented)
        return dict(json.loads(self.call.sealer.open(purpose, sealed)))


def make_request(
    method: str,
    fields: Sequence[tuple[str, str]],
    authorization: str | None,
    proofs: Sequence[str] = (),
) -> OAuthRequest:
    """Return a request as Authlib takes it."""
    headers = {} if authorization is None else {"Authorization": authorization}
    return OAuthRequest(method, fields, headers, proofs)


def refuse_form(error: FormError) -> OAuthAnswer:
    """Return what an OAuth endpoint answers to something that is no form."""
    return OAuthAnswer(400, {"error": "invalid_request", "error_description": error.detail or ""})
