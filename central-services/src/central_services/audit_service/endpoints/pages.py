"""The pages: search, follow somebody or something through time, check a proof by hand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qs, urlencode

import orjson
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse

from ...audit import Actor
from ...audit.checkpoint import CheckpointError
from ...audit.errors import AuditKeyError, InvalidEventError
from ...clients.auth import (
    AuthUnavailableError,
    PermissionDeniedError,
    ServiceTokenError,
    UnauthenticatedError,
)
from ...clients.errors import HttpClientError
from ...kit.cursors import InvalidCursorError
from ...kit.pages import HEADERS, style_sheet
from ...utils.logging import get_logger
from ..actions import SEARCHED
from ..dependencies import ADMIN, READ, Audit, AuditParts, Parts
from ..errors import UnknownThingError
from ..events import words_of
from ..pages import Visitor
from ..receipts import check_receipt
from ..repository import EventRepository, Search
from ..service import Shown

router = APIRouter(prefix="/ui", include_in_schema=False)

_CSS = style_sheet(Path(__file__).parent.parent / "static" / "audit.css")
_FIELDS = ("actor", "object", "action", "outcome", "text")
_PAGE = 25

_NO_TOKEN = (
    *(UnauthenticatedError, AuthUnavailableError, ServiceTokenError, HttpClientError),
    *(KeyError, TypeError, orjson.JSONDecodeError),
)
"""What happens when the auth service answers with something else than a token, or not at all."""

_log = get_logger(__name__)


def _see(url: str) -> Response:
    return RedirectResponse(url, 303)


async def _get_visitor(request: Request, parts: AuditParts) -> Visitor | None:
    visitor = parts.pages.visitor(request)
    if visitor is not None:
        request.state.actor = Actor("user", visitor.subject)
    return visitor


MaybeVisitor = Annotated[Visitor | None, Depends(_get_visitor)]


@router.get("/static/audit.css")
async def show_style_sheet() -> Response:
    """Return the style of the pages."""
    return Response(_CSS, 200, HEADERS, "text/css")


def _message(parts: Parts, title: str, text: str, status: int) -> Response:
    return parts.pages.render("message.html", None, {"title": title, "text": text}, status=status)


# --- signing in ----------------------------------------------------------------------------------


@router.get("/login")
async def begin_login(parts: AuditParts) -> Response:
    """Send a person to the auth service."""
    return parts.pages.begin(_see)


@router.get("/callback")
async def end_login(
    request: Request, parts: AuditParts, code: str = "", state: str = "", error: str = ""
) -> Response:
    """Take the answer of the auth service, and let in who may read events."""
    begun = parts.pages.begun(request)
    if begun is None or not state or begun["state"] != state:
        return _message(parts, "This page has expired", "Start again.", 400)
    if error or not code:
        return _message(parts, "Not signed in", "The auth service did not let you in.", 403)
    try:
        visitor = await _visitor_of(parts, code, begun["verifier"])
    except _NO_TOKEN:
        _log.warning("audit_pages_login_failed", exc_info=True)
        return _message(parts, "Not signed in", "The auth service gave no valid token.", 403)
    except PermissionDeniedError as refused:
        return _message(parts, "Not permitted", refused.detail or refused.title, 403)
    response = _see("/ui/")
    parts.pages.sign_in(response, visitor)
    return response


async def _visitor_of(parts: Parts, code: str, verifier: str) -> Visitor:
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": parts.pages.callback,
        "client_id": parts.settings.client_id,
        "code_verifier": verifier,
        "resource": parts.settings.wanted_audience,
    }
    answer = await parts.http.post(
        await parts.auth.token_url(),
        content=urlencode(form).encode(),
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    found = await parts.auth.current_user(orjson.loads(answer.content)["access_token"])
    if not found.permissions & {READ, ADMIN}:
        raise PermissionDeniedError("These pages need the permission audit:read.")
    until = int(parts.clock().timestamp()) + parts.settings.session_s
    return Visitor(found.subject, found.tenant, until)


@router.post("/logout")
async def log_out(request: Request, parts: AuditParts) -> Response:
    """End the login; a form of another site ends nothing."""
    response = _see("/ui/check")
    # Sent by every current browser.
    if request.headers.get("sec-fetch-site", "same-origin") == "same-origin":
        parts.pages.sign_out(response)
    return response


# --- reading -------------------------------------------------------------------------------------


Field = Annotated[str, Query(max_length=255)]


@router.get("/")
async def show_events(
    parts: AuditParts,
    visitor: MaybeVisitor,
    audit: Audit,
    actor: Field = "",
    object_: Annotated[str, Query(alias="object", max_length=255)] = "",
    action: Annotated[str, Query(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
    outcome: Field = "",
    text: Field = "",
    cursor: Annotated[str, Query(max_length=1_000)] = "",
) -> Response:
    """Show events that match, the latest first. Each look is recorded."""
    if visitor is None:
        return _see("/ui/login")
    asked = dict(zip(_FIELDS, (actor, object_, action, outcome, text), strict=True))
    trail = parts.trail(visitor.tenant)
    query = ", ".join(f"{name}={value}" for name, value in asked.items() if value)
    data = {"tenant": visitor.tenant, "query": query}
    await audit.record(SEARCHED, target=f"trail:{visitor.tenant}", data=data)
    words = trail.words(actor=actor, object=object_, text=words_of(text))
    known = outcome if outcome in {"success", "failure", "denied"} else ""
    try:
        found, more = await trail.search(
            Search(words, action, known), cursor=cursor or None, limit=_PAGE, scope=asked
        )
    except InvalidCursorError:
        return _message(parts, "This page has expired", "Search again.", 400)
    given = {name: value for name, value in asked.items() if value}
    values = {
        "asked": asked,
        "rows": [_row(event) for event in found],
        "more": f"/ui/?{urlencode({**given, 'cursor': more})}" if more else "",
        "followed": actor or object_,
    }
    return parts.pages.render("events.html", visitor, values)


def _row(event: Shown) -> dict[str, Any]:
    """Return what the table shows of an event, with the addresses that it leads to."""
    said = event.opened.event if event.opened else {}
    data = said.get("data", {})
    user = data.get("actor", {})
    user = user.get("user", {}) if isinstance(user, dict) else {}
    actor = str(user.get("uid", "")) if isinstance(user, dict) else ""
    object_ = str(said.get("subject", ""))
    key = {"id": event.row.event_id, "source": event.row.source}
    return {
        "row": event.row,
        "erased": event.opened is None,
        "actor": actor,
        "object": object_,
        "message": str(data.get("message", "")),
        "actor_url": f"/ui/?{urlencode({'actor': actor})}",
        "object_url": f"/ui/?{urlencode({'object': object_})}",
        "url": f"/ui/event?{urlencode(key)}",
    }


@router.get("/event")
async def show_event(
    parts: AuditParts,
    visitor: MaybeVisitor,
    audit: Audit,
    id_: Annotated[str, Query(alias="id", max_length=255, pattern=r"^[^\x00-\x1f\x7f]+$")],
    source: Annotated[str, Query(max_length=255, pattern=r"^[^\x00-\x1f\x7f]*$")] = "",
) -> Response:
    """Show an event with its receipt."""
    if visitor is None:
        return _see("/ui/login")
    trail = parts.trail(visitor.tenant)
    data = {"tenant": visitor.tenant, "query": f"id={id_}"}
    await audit.record(SEARCHED, target=f"trail:{visitor.tenant}", data=data)
    try:
        found = await trail.find(id_, source)
    except UnknownThingError as error:
        return _message(parts, "Unknown", error.detail or error.title, 404)
    receipts = await trail.receipts([id_], source=found.row.source, sender=None)
    plain = json.dumps(found.opened.event, indent=2, ensure_ascii=False) if found.opened else ""
    values = {"event": _row(found), "json": plain, "receipt": receipts.receipts.get(id_, "")}
    return parts.pages.render("event.html", visitor, values)


# --- proofs --------------------------------------------------------------------------------------


@router.get("/check")
async def show_check(parts: AuditParts, visitor: MaybeVisitor) -> Response:
    """Show the form that checks a proof; anybody may."""
    values = {"event": "", "receipt": "", "proven": None, "problem": ""}
    return parts.pages.render("check.html", visitor, values)


@router.post("/check")
async def check(request: Request, parts: AuditParts, visitor: MaybeVisitor) -> Response:
    """Check that an event is in a log, as its receipt says."""
    body = (await request.body()).decode("utf-8", "replace")
    form = parse_qs(body, keep_blank_values=True, max_num_fields=10)
    event, receipt = (form.get(name, [""])[0] for name in ("event", "receipt"))
    values: dict[str, Any] = {"event": event, "receipt": receipt, "proven": None, "problem": ""}
    async with parts.database.read() as session:
        keys = [log.key for log in await EventRepository(session).logs()]
    try:
        values["proven"] = check_receipt(
            receipt.replace("\r\n", "\n").rstrip("\n") + "\n",
            orjson.loads(event),
            log_keys=keys,
            witness_keys=parts.witnesses.keys,
        )
    except orjson.JSONDecodeError:
        values["problem"] = "the event is no JSON"
    except (CheckpointError, AuditKeyError, InvalidEventError) as error:
        values["problem"] = str(error)
    return parts.pages.render("check.html", visitor, values)
