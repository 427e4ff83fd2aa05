"""The pages that people see: log in, consent, sessions, log out. They need no JavaScript."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from authlib.common.urls import add_params_to_uri
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from ...kit.pages import HEADERS, style_sheet
from ..dependencies import Audit, AuthParts, MaybeLogin, Parts, read_form
from ..errors import (
    AuthError,
    CredentialsError,
    PageExpiredError,
    TooManyAttemptsError,
    UnknownError,
)
from ..logins import Login
from ..models import ClientRow
from ..oauth import interaction
from ..oauth.authorization import PageError
from ..oauth.requests import OAuthAnswer, parse_form
from ..oauth.server import AuthorizationServer
from ..tokens import InvalidTokenError
from .oauth import message, page_problem, send_on

router = APIRouter(include_in_schema=False)

_CSS = style_sheet(Path(__file__).parent.parent / "static" / "auth.css")
_LOGOUT = "logout"
# In this order: each of them also claims to be the ones that follow.
_BROWSERS = (
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("CriOS/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS = (
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("Linux", "Linux"),
)


@router.get("/static/auth.css")
async def show_style_sheet() -> Response:
    """Return the style of the pages."""
    return Response(_CSS, 200, HEADERS, "text/css")


async def _ask(parts: Parts, ticket: str) -> interaction.Ask | None:
    """Return what a ticket is about; None for no ticket, as when somebody only logs in.

    Raises:
        PageExpiredError: When the ticket is too old, or not ours.
    """
    if not ticket:
        return None
    query, _ = parts.pages.open_ticket(ticket, parts.clock().timestamp())
    started = parts.clock()
    async with parts.database.read() as session:
        try:
            step = await session.run_sync(
                lambda sync: interaction.advance(
                    parts.server(sync),
                    parse_form(query),
                    None,
                    started_at=started,
                    is_known=True,
                )
            )
        except PageError as error:
            raise PageExpiredError(str(error)) from None
    return step if isinstance(step, interaction.Ask) else None


@router.get("/login")
async def show_login(request: Request, parts: AuthParts, ticket: str = "") -> Response:
    """Show the login page."""
    try:
        return await _login_page(request, parts, ticket)
    except PageExpiredError as error:
        return page_problem(request, parts, error)


async def _login_page(
    request: Request,
    parts: Parts,
    ticket: str,
    *,
    email: str = "",
    problem: AuthError | None = None,
) -> Response:
    ask = await _ask(parts, ticket)
    hint = ask.asked.parameters.get("login_hint", "") if ask else ""
    values = {
        "ticket": ticket,
        "can_reset": parts.account_mail.notifier.is_configured,
        "client_name": ask.asked.client.row.name if ask else "",
        "email": (email or hint)[:254],
        "problem": problem.detail if problem else "",
    }
    page = parts.pages.render(
        request,
        "login.html",
        values,
        status=problem.status if problem else 200,
        form_target=ask.asked.form_target if ask else "",
    )
    page.headers.update(problem.headers if problem else {})
    return page


@router.post("/login")
async def log_in(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Log in, then go on with what the user came for."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        ticket, email = form.get("ticket", ""), form.get("email", "")
        try:
            cookie, login = await parts.logins.log_in(
                email,
                form.get("password", ""),
                address=parts.limit_key(request),
                agent=request.headers.get("user-agent", ""),
                audit=audit,
            )
        except (CredentialsError, TooManyAttemptsError) as error:
            return await _login_page(request, parts, ticket, email=email, problem=error)
        if ticket:
            response = await _go_on(parts, audit, login, ticket)
        else:
            response = RedirectResponse(parts.settings.url("/sessions"), 303)
    except AuthError as error:
        return page_problem(request, parts, error)
    # A new cookie for each login: one that somebody planted before is worth nothing.
    parts.pages.set_cookie(response, parts.pages.session_cookie, cookie)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _go_on(
    parts: Parts,
    audit: Audit,
    login: Login | None,
    ticket: str,
    decision: interaction.Decision | None = None,
) -> Response:
    """Return the next step of what a ticket is about."""
    query, at = parts.pages.open_ticket(ticket, parts.clock().timestamp())
    started = datetime.fromtimestamp(at, UTC)

    def work(server: AuthorizationServer) -> OAuthAnswer | interaction.Ask:
        return interaction.advance(
            server,
            parse_form(query),
            login,
            started_at=started,
            decision=decision,
            is_known=True,
        )

    try:
        step = await parts.in_transaction(audit, work)
    except PageError as error:
        raise PageExpiredError(str(error)) from None
    return send_on(parts, step, parts.pages.seal_ticket, at)


@router.get("/consent")
async def show_consent(
    request: Request, parts: AuthParts, login: MaybeLogin, ticket: str = ""
) -> Response:
    """Show what a client asks for."""
    try:
        ask = await _ask(parts, ticket)
    except PageExpiredError as error:
        return page_problem(request, parts, error)
    if ask is None or login is None:
        return RedirectResponse(parts.settings.url(f"/login?ticket={ticket}"), 303)
    destination = urlsplit(ask.asked.redirect_uri)
    values = {
        "ticket": ticket,
        "client_name": ask.asked.client.row.name,
        "email": login.email,
        "scopes": ask.scopes,
        "destination": destination.netloc or destination.scheme,
    }
    return parts.pages.render(request, "consent.html", values, form_target=ask.asked.form_target)


@router.post("/consent")
async def consent(request: Request, parts: AuthParts, audit: Audit, login: MaybeLogin) -> Response:
    """Take the user's decision back to the client."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        decision: interaction.Decision = "allow" if form.get("decision") == "allow" else "deny"
        return await _go_on(parts, audit, login, form.get("ticket", ""), decision)
    except AuthError as error:
        return page_problem(request, parts, error)


def browser_of(agent: str) -> str:
    """Return a browser and a system in words, as far as a User-Agent tells them."""
    names = [name for token, name in _BROWSERS if token in agent][:1]
    systems = [name for token, name in _SYSTEMS if token in agent][:1]
    return " on ".join([*(names or ["Unknown browser"]), *systems])


@router.get("/sessions")
async def show_sessions(request: Request, parts: AuthParts, login: MaybeLogin) -> Response:
    """Show where the user is logged in."""
    if login is None:
        return RedirectResponse(parts.settings.url("/login"), 303)
    rows = await parts.logins.open_sessions(login)
    sessions = [
        {
            "id": row.id,
            "agent": browser_of(row.user_agent),
            "since": row.authenticated_at,
            "is_this": row.id == login.session_id,
        }
        for row in rows
    ]
    values = {"email": login.email, "sessions": sessions}
    return parts.pages.render(request, "sessions.html", values)


@router.post("/sessions")
async def end_session(
    request: Request, parts: AuthParts, audit: Audit, login: MaybeLogin
) -> Response:
    """End one of the user's sessions."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        if login is not None:
            await parts.logins.revoke(login, _uuid(form.get("session", "")), audit)
    except AuthError as error:
        return page_problem(request, parts, error)
    return RedirectResponse(parts.settings.url("/sessions"), 303)


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise UnknownError("There is no such session.") from None


@router.get("/logout")
async def show_logout(
    request: Request,
    parts: AuthParts,
    login: MaybeLogin,
    id_token_hint: str = "",
    client_id: str = "",
    post_logout_redirect_uri: str = "",
    state: str = "",
) -> Response:
    """Ask whether to log out (OpenID Connect RP-Initiated Logout 1.0 section 2)."""
    target = await _after_logout(parts, id_token_hint, client_id, post_logout_redirect_uri)
    if target and state:
        target = str(add_params_to_uri(target, [("state", state)]))
    if login is None:
        if target:
            return RedirectResponse(target, 303)
        return message(request, parts, "Logged out", "You are not logged in here.")
    hint = parts.sealer.seal_json(_LOGOUT, {"target": target}) if target else ""
    parsed = urlsplit(target)
    form_target = f"{parsed.scheme}://{parsed.netloc}" if parsed.netloc else ""
    values = {"email": login.email, "hint": hint}
    return parts.pages.render(request, "logout.html", values, form_target=form_target)


async def _after_logout(parts: Parts, hint: str, client_id: str, target: str) -> str:
    """Return where to go after a logout: a registered URI of the client, or an empty string."""
    if not target:
        return ""
    if hint:
        try:
            audience = str(parts.mint.verify_id_token_hint(hint)["aud"])
        except InvalidTokenError:
            return ""
        if client_id and client_id != audience:
            return ""
        client_id = audience
    async with parts.database.read() as session:
        row = await session.get(ClientRow, client_id) if client_id else None
    is_known = row is not None and not row.disabled and target in row.post_logout_redirect_uris
    return target if is_known else ""


@router.post("/logout")
async def log_out(request: Request, parts: AuthParts, audit: Audit, login: MaybeLogin) -> Response:
    """Log out."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
    except AuthError as error:
        return page_problem(request, parts, error)
    if login is not None:
        await parts.logins.log_out(login, audit)
    sealed = parts.sealer.open_json(_LOGOUT, form.get("hint", "")) or {}
    target = sealed.get("target", "")
    if target:
        response: Response = RedirectResponse(target, 303)
    else:
        response = message(request, parts, "Logged out", "You may close this page.")
    parts.pages.drop_session(response)
    return response
