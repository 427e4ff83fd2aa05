"""The endpoints that clients call. Errors are those of RFC 6749 section 5.2, not problem documents.

They are not in the API description: what they take is defined by the RFCs, and said to clients by
the metadata document.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from ...core.errors import ServiceError
from ..actions import TOKEN_REFUSED
from ..dependencies import (
    NO_TOKEN,
    Audit,
    AuthParts,
    MaybeLogin,
    Parts,
    authenticate_token,
    read_form,
)
from ..errors import CredentialsError, FormError
from ..oauth import interaction
from ..oauth.authorization import PageError, push
from ..oauth.dpop import new_nonce
from ..oauth.grants import profile
from ..oauth.requests import OAuthAnswer, OAuthRequest, parse_form
from ..oauth.server import AuthorizationServer, make_request, refuse_form

router = APIRouter(prefix="/oauth2", include_in_schema=False)

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_INVALID = 'Bearer error="invalid_token"'
Work = Callable[[AuthorizationServer, OAuthRequest], OAuthAnswer]


def answer_json(answer: OAuthAnswer) -> Response:
    """Return an answer as RFC 6749 section 5 wants it."""
    headers = {
        name: value for name, value in answer.headers.items() if name.lower() != "content-type"
    }
    body = orjson.dumps(answer.body)
    return Response(body, answer.status, {**headers, **_NO_STORE}, "application/json")


def noted(
    server: AuthorizationServer, request: OAuthRequest, answer: OAuthAnswer, endpoint: str
) -> OAuthAnswer:
    """Return an answer; a refusal goes into the audit trail."""
    if answer.error:
        form = request.form
        client = request.client.client_id if request.client else form.get("client_id", "")
        grant_type = form.get("grant_type", "")[:100]
        server.call.note(
            TOKEN_REFUSED,
            f"endpoint:{endpoint}",
            {"client_id": client[:64], "grant_type": grant_type, "why": answer.error},
            outcome="denied",
        )
    return answer


async def _call(
    request: Request, parts: Parts, audit: Audit, endpoint: str, work: Work
) -> Response:
    """Answer a form that a client posts."""
    given = request.headers.getlist("authorization")
    if len(given) > 1:
        return answer_json(refuse_form(FormError("There are two Authorization headers.")))
    try:
        fields = await read_form(request)
    except FormError as error:
        return answer_json(refuse_form(error))
    proofs = request.headers.getlist("dpop")
    asked = make_request("POST", fields, given[0] if given else None, proofs)

    def answered(server: AuthorizationServer) -> OAuthAnswer:
        answer = noted(server, asked, work(server, asked), endpoint)
        if asked.jkt and parts.settings.dpop_nonce_required:
            # The next one, before this one is too old (RFC 9449 section 8.2).
            headers = {**answer.headers, "DPoP-Nonce": new_nonce(server.call)}
            return OAuthAnswer(answer.status, answer.body, headers)
        return answer

    return answer_json(await parts.in_transaction(audit, answered))


@router.post("/token")
async def token(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Answer a token request."""
    return await _call(
        request,
        parts,
        audit,
        "token",
        lambda server, asked: server.answer_token_request(asked),
    )


@router.post("/introspect")
async def introspect(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Tell whether a token is valid (RFC 7662)."""
    return await _call(
        request,
        parts,
        audit,
        "introspection",
        lambda server, asked: server.answer_endpoint("introspection", asked),
    )


@router.post("/revoke")
async def revoke(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """End a token (RFC 7009)."""
    return await _call(
        request,
        parts,
        audit,
        "revocation",
        lambda server, asked: server.answer_endpoint("revocation", asked),
    )


@router.post("/par")
async def pushed_authorization_request(
    request: Request, parts: AuthParts, audit: Audit
) -> Response:
    """Keep an authorization request for a client (RFC 9126)."""
    return await _call(request, parts, audit, "par", push)


@router.api_route("/userinfo", methods=["GET", "POST"])
async def userinfo(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Return the claims about a user (OpenID Connect Core section 5.3)."""
    try:
        found = await authenticate_token(request, parts, audience=parts.settings.issuer)
    except CredentialsError as error:
        if error.detail == NO_TOKEN:
            return Response(status_code=401, headers={**error.headers, **_NO_STORE})
        why = str(error.extensions.get("error", "invalid_token"))
        return await _refused(audit, why, error.headers)
    if found.claims is None or found.family is None:
        return await _refused(audit, "invalid_token", {"WWW-Authenticate": _INVALID})
    if "openid" not in found.claims.scopes:
        return _bearer_error(403, "insufficient_scope")
    user_id, scope = found.family.user_id, found.claims.scope
    async with parts.database.read() as session:
        subject = await session.run_sync(
            lambda sync: parts.server(sync).call.store.subject(user_id)
        )
    if subject is None:
        return _bearer_error(401, "invalid_token")
    claims: dict[str, Any] = {"sub": str(user_id), "org": subject.organisation}
    return answer_json(OAuthAnswer(200, {**claims, **profile(subject, scope)}))


async def _refused(audit: Audit, why: str, headers: Mapping[str, str]) -> Response:
    data = {"client_id": "", "why": why}
    await audit.record(TOKEN_REFUSED, target="endpoint:userinfo", outcome="denied", data=data)
    body = orjson.dumps({"error": why})
    return Response(body, 401, {**headers, **_NO_STORE}, "application/json")


def _bearer_error(status: int, error: str) -> Response:
    challenge = f'Bearer error="{error}"'
    body = orjson.dumps({"error": error})
    return Response(body, status, {"WWW-Authenticate": challenge, **_NO_STORE}, "application/json")


@router.api_route("/authorize", methods=["GET", "POST"])
async def authorize(
    request: Request, parts: AuthParts, audit: Audit, login: MaybeLogin
) -> Response:
    """Begin an authorization: show a page, or send the user back."""
    try:
        fields = (
            await read_form(request) if request.method == "POST" else parse_form(request.url.query)
        )
    except FormError as error:
        return page_problem(request, parts, error)
    started = parts.clock()

    def work(server: AuthorizationServer) -> OAuthAnswer | interaction.Ask:
        return interaction.advance(server, fields, login, started_at=started)

    try:
        step = await parts.in_transaction(audit, work)
    except PageError as error:
        return message(request, parts, "This link does not work", str(error), status=400)
    return send_on(parts, step, parts.pages.seal_ticket, started.timestamp())


def send_on(
    parts: Parts,
    step: OAuthAnswer | interaction.Ask,
    seal: Callable[[str, float], str],
    started: float,
) -> Response:
    """Return the redirect to a page of ours, or back to the client."""
    if isinstance(step, interaction.Ask):
        location = parts.settings.url(f"/{step.what}?ticket={seal(step.query, started)}")
    else:
        location = step.headers["Location"]
    return RedirectResponse(location, 303, {"Cache-Control": "no-store"})


def message(
    request: Request, parts: Parts, heading: str, text: str, *, status: int = 200
) -> Response:
    """Return a page with a sentence."""
    values = {"heading": heading, "text": text}
    return parts.pages.render(request, "message.html", values, status=status)


def page_problem(request: Request, parts: Parts, error: ServiceError) -> Response:
    """Return an error as a page, for people."""
    return message(request, parts, error.title, error.detail or "", status=error.status)
