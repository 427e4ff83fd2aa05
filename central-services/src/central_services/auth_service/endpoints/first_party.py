"""`/auth/...`: the application of the house logs its users in; anyone asks what a token permits.

All of it runs on the core that the OAuth endpoints use. ADR 0024 says how this fits OAuth 2.1.
"""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from ...api.problems import problem_responses
from .. import schemas
from ..actions import TOKEN_REFUSED
from ..dependencies import Audit, AuthParts, Caller, Parts
from ..errors import (
    CredentialsError,
    ForbiddenError,
    RequestRefusedError,
    TooManyAttemptsError,
    UnknownError,
)
from ..mail_queue import Asked
from ..oauth.first_party import authenticate_first_party, issue
from ..oauth.requests import OAuthAnswer, OAuthRequest
from ..oauth.server import AuthorizationServer, make_request
from ..oauth.token_endpoints import Presented, find_active
from .oauth import noted

router = APIRouter(prefix="/auth", tags=["first party"])

_ERRORS = problem_responses(CredentialsError, RequestRefusedError, UnknownError, 422, 503)


def _request(request: Request, parts: Parts, **fields: str | None) -> OAuthRequest:
    """Return a request of the first-party client as the OAuth core takes it.

    Raises:
        UnknownError: When there is no such client.
        RequestRefusedError: When the request authenticates twice.
    """
    client_id = parts.settings.first_party_client
    if client_id is None:
        raise UnknownError("This service has no first-party client.")
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        raise RequestRefusedError("There are two Authorization headers.", error="invalid_request")
    form = [("client_id", client_id), *((n, v) for n, v in fields.items() if v)]
    return make_request("POST", form, given[0] if given else None)


def _tokens(answer: OAuthAnswer, response: Response) -> schemas.Tokens:
    """Return tokens, or raise what the core refused as a problem."""
    if not answer.error:
        response.headers["Cache-Control"] = "no-store"
        return schemas.Tokens(**answer.body)
    detail = str(answer.body.get("error_description") or "")
    if answer.error in {"invalid_client", "invalid_grant"}:
        raise CredentialsError(detail, error=answer.error)
    raise RequestRefusedError(detail, error=answer.error)


@router.post(
    "/login",
    summary="Log in",
    response_model_exclude_none=True,
    responses={**_ERRORS, **problem_responses(TooManyAttemptsError)},
)
async def log_in(
    body: schemas.LoginRequest, request: Request, response: Response, parts: AuthParts, audit: Audit
) -> schemas.Tokens:
    """Log a user of the first-party client in: the same lockout as the page, the same tokens.

    A confidential client authenticates with `Authorization: Basic`.
    """
    asked = _request(request, parts, scope=body.scope)

    def authenticated(server: AuthorizationServer) -> OAuthAnswer:
        return noted(server, asked, authenticate_first_party(server, asked), "login")

    refusal = await parts.in_transaction(audit, authenticated)
    if refusal.error:
        return _tokens(refusal, response)
    _, login = await parts.logins.log_in(
        body.email,
        body.password.get_secret_value(),
        address=parts.limit_key(request),
        agent=request.headers.get("user-agent", ""),
        audit=audit,
    )
    client_id = asked.client.client_id

    def issued(server: AuthorizationServer) -> OAuthAnswer:
        return noted(server, asked, issue(server, asked, client_id, login), "login")

    answer = await parts.in_transaction(audit, issued)
    if answer.error:
        await parts.logins.log_out(login, audit)
    return _tokens(answer, response)


@router.post(
    "/register",
    status_code=202,
    summary="Register",
    responses=problem_responses(UnknownError, TooManyAttemptsError, 422, 503),
)
async def register(
    body: schemas.RegisterRequest, request: Request, parts: AuthParts
) -> schemas.Registered:
    """Register a user, who chooses a password by a link that is mailed.

    The answer is the same when the address has an account; its owner is told by mail.
    """
    can_mail = parts.account_mail.notifier.is_configured
    if parts.settings.registration_organisation is None or not can_mail:
        raise UnknownError("Nobody can register here.")
    await parts.logins.count_attempt(parts.limit_key(request))
    await parts.account_mail.ask(Asked("reset", body.email, body.name))
    return schemas.Registered(detail="A message with a link is on its way to the address.")


@router.post("/refresh", summary="Refresh", response_model_exclude_none=True, responses=_ERRORS)
async def refresh(
    body: schemas.RefreshRequest,
    request: Request,
    response: Response,
    parts: AuthParts,
    audit: Audit,
) -> schemas.Tokens:
    """Use a refresh token of the first-party client: it rotates as at `/oauth2/token`."""
    token = body.refresh_token.get_secret_value()
    asked = _request(request, parts, grant_type="refresh_token", refresh_token=token)

    def work(server: AuthorizationServer) -> OAuthAnswer:
        return noted(server, asked, server.answer_token_request(asked), "refresh")

    return _tokens(await parts.in_transaction(audit, work), response)


@router.post(
    "/logout",
    status_code=204,
    summary="Log out",
    responses={**_ERRORS, **problem_responses(ForbiddenError)},
)
async def log_out(parts: AuthParts, caller: Caller, audit: Audit) -> None:
    """End the login that an access token of the first-party client comes from, and its tokens."""
    family = caller.family
    if family is None or caller.client_id != parts.settings.first_party_client:
        raise ForbiddenError("Send an access token that the first-party client got for a user.")
    await parts.logins.end(family.user_id, family.session_id, family.id, audit)


def _verified(found: Presented | None) -> schemas.Verified:
    """Return what is shown of a token."""
    if found is None or (found.claims is None and found.holder is None):
        return schemas.Verified(active=False)
    if found.holder is not None:
        holder = found.holder
        return schemas.Verified(
            active=True,
            kind="user" if holder.key.user_id else "organisation",
            subject=holder.subject,
            organisation=holder.organisation,
            permissions=list(holder.permissions),
            api_key=holder.key.id,
            expires_at=int(holder.key.expires_at.timestamp()),
        )
    return _verified_claims(found)


def _verified_claims(found: Presented) -> schemas.Verified:
    claims, key = found.claims, found.origin.key if found.origin else None
    if claims is None:
        return schemas.Verified(active=False)
    said = claims.claims
    is_user = found.family is not None or (key is not None and key.user_id is not None)
    is_client = found.family is None and key is None
    return schemas.Verified(
        active=True,
        kind="user" if is_user else "client" if is_client else "organisation",
        subject=claims.subject,
        client_id=claims.client_id,
        organisation=said.get("org"),
        scope=claims.scope,
        roles=said.get("roles") or [],
        permissions=said.get("permissions") or [],
        audiences=list(claims.audiences),
        api_key=key.id if key else None,
        dpop_jkt=found.jkt,
        expires_at=claims.expires_at,
    )


@router.post(
    "/verify",
    summary="Verify a token or API key",
    response_model_exclude_none=True,
    responses=problem_responses(422, 503),
)
async def verify(
    body: schemas.VerifyRequest, response: Response, parts: AuthParts, audit: Audit
) -> schemas.Verified:
    """Tell who an access token or API key stands for and what it permits; who holds it may ask.

    What is not valid is `{"active": false}`, whatever the reason. Check that you are among the
    audiences before you accept it.
    """
    response.headers["Cache-Control"] = "no-store"
    token = body.token.get_secret_value()

    def work(server: AuthorizationServer) -> schemas.Verified:
        shown = _verified(find_active(server.call, token))
        if not shown.active:
            data = {"client_id": "", "why": "invalid_token"}
            server.call.note(TOKEN_REFUSED, "endpoint:verify", data, outcome="denied")
        return shown

    return await parts.in_transaction(audit, work)
