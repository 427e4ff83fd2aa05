"""The authorization request: checked, pushed (RFC 9126), and turned into a code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import UUID, uuid4

from authlib.common.urls import add_params_to_uri
from authlib.oauth2.rfc6749 import InvalidRequestError, OAuth2Error

from ..models import FamilyRow, PushedRequestRow
from ..sealing import digest, new_secret
from ..tokens import InvalidTokenError, UnknownKeyError
from .clients import Client
from .dpop import InvalidProofError
from .grants import CLIENT_METHODS, S256, CodeGrant, Login
from .requests import OAuthAnswer, OAuthRequest
from .server import AuthorizationServer

REQUEST_URI = "urn:ietf:params:oauth:request_uri:"
_MAX_AGE_DIGITS = 9
_THUMBPRINT = 43
PROMPTS = ("none", "login", "consent", "select_account")
"""How a client may want the user to be asked (OpenID Connect Core section 3.1.2.1)."""

_NOT_SUPPORTED = {
    "request": "request_not_supported",
    "request_uri": "request_uri_not_supported",
    "registration": "registration_not_supported",
}
# What a request that goes on carries along; everything else is ignored (RFC 6749 section 3.1).
_KEPT = frozenset(
    [
        "response_type",
        "client_id",
        "redirect_uri",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "login_hint",
        "id_token_hint",
        "resource",
        "dpop_jkt",
    ]
)


class PageError(Exception):
    """The request is refused, and nobody can be redirected: client or redirect URI are unknown."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """A checked authorization request.

    Attributes:
        client: Who asks.
        fields: The parameters.
        scope: What for.
        audiences: Whom the tokens are for.
        hinted: The id of the user whom the client expects, when it says so.
    """

    client: Client
    fields: Sequence[tuple[str, str]]
    scope: str
    audiences: list[str]
    hinted: str | None

    @property
    def parameters(self) -> dict[str, str]:
        """The parameters by name."""
        return dict(self.fields)

    @property
    def redirect_uri(self) -> str:
        """Where the answer goes."""
        return self.parameters["redirect_uri"]

    @property
    def prompts(self) -> frozenset[str]:
        """How the user is to be asked (OpenID Connect Core section 3.1.2.1)."""
        return frozenset(self.parameters.get("prompt", "").split())

    @property
    def max_age(self) -> timedelta | None:
        """How long ago the user may have logged in."""
        text = self.parameters.get("max_age")
        return None if text is None else timedelta(seconds=int(text))

    @property
    def form_target(self) -> str:
        """Where a form on our pages may lead in the end, as a source of `form-action`.

        Browsers check the redirects after a form too, so the client's origin has to be named.
        """
        parts = urlsplit(self.redirect_uri)
        if parts.scheme in {"http", "https"}:
            return f"{parts.scheme}://{parts.netloc}"
        return f"{parts.scheme}:"


def check(server: AuthorizationServer, request: OAuthRequest) -> Authorization | OAuthAnswer:
    """Return a request that may go on, or the redirect that tells the client why not.

    Raises:
        PageError: When the redirect URI can't be trusted: the user is told, not the client.
    """
    parameters = request.parameters
    client = _client_and_redirect(server, request)
    try:
        request.require_well_formed()
        return _checked(server, request, client)
    except OAuth2Error as error:
        return redirect(
            server,
            parameters["redirect_uri"],
            {
                "error": str(error.error),
                "error_description": error.description or "",
                "state": parameters.get("state", ""),
            },
        )


def _client_and_redirect(server: AuthorizationServer, request: OAuthRequest) -> Client:
    """Return the client, once it and its redirect URI are known."""
    lists = request.lists
    if any(len(lists[name]) != 1 for name in ("client_id", "redirect_uri")):
        raise PageError("The link has no client_id or no redirect_uri, or has one twice.")
    client = server.query_client(lists["client_id"][0])
    if client is None or not client.check_redirect_uri(lists["redirect_uri"][0]):
        raise PageError("The application that sent you here is not registered like this.")
    return client


def _checked(server: AuthorizationServer, request: OAuthRequest, client: Client) -> Authorization:
    parameters = request.parameters
    for name, code in _NOT_SUPPORTED.items():
        if name in parameters:
            raise OAuth2Error("Not supported here.", error=code)
    if parameters.get("response_type") != "code":
        has_one = "response_type" in parameters
        code = "unsupported_response_type" if has_one else "invalid_request"
        raise OAuth2Error("The only response_type is code.", error=code)
    if parameters.get("response_mode", "query") != "query":
        raise InvalidRequestError("The only response_mode is query.")
    prompts = parameters.get("prompt", "").split()
    if not set(PROMPTS).issuperset(prompts):
        raise InvalidRequestError("prompt has a value that is not supported.")
    if "none" in prompts and len(prompts) > 1:
        raise InvalidRequestError("prompt has none beside others.")
    age = parameters.get("max_age", "0")
    if not (age.isascii() and age.isdigit() and len(age) <= _MAX_AGE_DIGITS):
        raise InvalidRequestError("max_age is no number of seconds.")
    if "dpop_jkt" in parameters and len(parameters["dpop_jkt"]) != _THUMBPRINT:
        raise InvalidRequestError("dpop_jkt is no SHA-256 in base64url.")
    grant = CodeGrant(request, server)
    S256()(grant)
    grant.validate_authorization_request()
    return Authorization(
        client,
        [(name, value) for name, value in request.fields if name in _KEPT],
        request.scope,
        server.audiences(client, request, "") or [],
        _hinted(server, parameters.get("id_token_hint"), client),
    )


def _hinted(server: AuthorizationServer, hint: str | None, client: Client) -> str | None:
    """Return whom an ID token means that the client has from an earlier login.

    One whose key is gone since tells nothing: a client that has kept it for long must not be locked out.
    """
    if hint is None:
        return None
    try:
        claims = server.call.mint.verify_id_token_hint(hint)
    except UnknownKeyError:
        return None
    except InvalidTokenError:
        raise InvalidRequestError("id_token_hint is no ID token of ours.") from None
    if claims["aud"] != client.client_id:
        raise InvalidRequestError("id_token_hint is another client's.")
    return str(claims["sub"])


def redirect(server: AuthorizationServer, uri: str, parameters: Mapping[str, str]) -> OAuthAnswer:
    """Return a redirect to a client, with `iss` (RFC 9207); empty parameters are left out."""
    said = [(name, value) for name, value in parameters.items() if value]
    location = add_params_to_uri(uri, [*said, ("iss", server.call.settings.issuer)])
    return OAuthAnswer(303, headers={"Location": location})


def refuse(server: AuthorizationServer, asked: Authorization, error: str) -> OAuthAnswer:
    """Return the redirect that tells a client of an error."""
    state = asked.parameters.get("state", "")
    return redirect(server, asked.redirect_uri, {"error": error, "state": state})


def grant_code(
    server: AuthorizationServer,
    asked: Authorization,
    *,
    user_id: UUID,
    session_id: UUID,
    authenticated_at: datetime,
) -> OAuthAnswer:
    """Return the redirect that brings a client its code."""
    call = server.call
    subject = call.store.subject(user_id)
    if subject is None:
        return refuse(server, asked, "access_denied")
    offline = "offline_access" in asked.scope.split()
    family = FamilyRow(
        id=uuid4(),
        client_id=asked.client.client_id,
        user_id=user_id,
        # What is to work offline outlives the login (OpenID Connect Core section 11).
        session_id=None if offline else session_id,
        scope=asked.scope,
        audiences=asked.audiences,
        generation=0,
        authenticated_at=authenticated_at,
        created_at=call.now,
        expires_at=call.now + timedelta(seconds=call.settings.refresh_family_s),
        jkt=asked.parameters.get("dpop_jkt"),
    )
    request = OAuthRequest("GET", asked.fields, {})
    request.client, request.user = asked.client, Login(subject, family)
    grant = CodeGrant(request, server)
    code = grant.generate_authorization_code()
    grant.save_authorization_code(code, request)
    state = asked.parameters.get("state", "")
    return redirect(server, asked.redirect_uri, {"code": code, "state": state})


def push(server: AuthorizationServer, request: OAuthRequest) -> OAuthAnswer:
    """Keep an authorization request that a client pushes, and return its name."""
    try:
        request.require_well_formed()
        client = server.authenticate_client(request, CLIENT_METHODS)
        if "request_uri" in request.form:
            raise InvalidRequestError("request_uri must not be pushed.")
        fields = [(n, v) for n, v in request.fields if n in _KEPT and n != "client_id"]
        fields += _bound(server, request)
        pushed = OAuthRequest("POST", [*fields, ("client_id", client.client_id)], {})
        try:
            checked = check(server, pushed)
        except PageError:
            raise InvalidRequestError("redirect_uri is not registered.") from None
        if isinstance(checked, OAuthAnswer):
            # Raise what `check` made a redirect of.
            _checked(server, pushed, client)
    except OAuth2Error as error:
        error.redirect_uri = None  # the client itself asks: it gets the error, not a redirect
        return server.refuse(request, error)
    name, call = new_secret(), server.call
    row = PushedRequestRow(
        digest=digest(name),
        client_id=client.client_id,
        parameters={"query": urlencode(pushed.fields)},
        expires_at=call.now + timedelta(seconds=call.settings.pushed_request_s),
    )
    call.session.add(row)
    body: dict[str, Any] = {
        "request_uri": REQUEST_URI + name,
        "expires_in": call.settings.pushed_request_s,
    }
    return OAuthAnswer(201, body)


def _bound(server: AuthorizationServer, request: OAuthRequest) -> list[tuple[str, str]]:
    """Return what binds a pushed request to the key of its proof (RFC 9449 section 10.1)."""
    server.prove(request, "/oauth2/par")
    named = request.form.get("dpop_jkt")
    if request.jkt is None or named == request.jkt:
        return []
    if named is not None:
        raise InvalidProofError("dpop_jkt names another key than the proof.")
    return [("dpop_jkt", request.jkt)]


def pulled(server: AuthorizationServer, request: OAuthRequest) -> str | None:
    """Return the query that a request names by `request_uri`; None when it names none of ours.

    Raises:
        PageError: When it is not known, expired, or another client's.
    """
    name = request.args.get("request_uri")
    if name is None or not name.startswith(REQUEST_URI):
        client = server.query_client(request.args.get("client_id", ""))
        if client is not None and client.row.require_pushed_requests:
            raise PageError("The application has to push its request first.")
        return None
    row = server.call.session.get(
        PushedRequestRow, digest(name.removeprefix(REQUEST_URI)), with_for_update=True
    )
    if (
        row is None
        or row.expires_at <= server.call.now
        or row.client_id != request.args.get("client_id")
    ):
        raise PageError("This link was used already, or is too old. Start again.")
    query = row.parameters["query"]
    server.call.session.delete(row)  # good for one use (RFC 9126 section 4)
    return query
