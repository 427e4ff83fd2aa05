"""The pages to choose another password and to verify an address. They need no JavaScript."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from ..dependencies import Audit, AuthParts, MaybeLogin, Parts, read_form
from ..errors import AuthError, CredentialsError, PasswordPolicyError, UnknownError
from ..mail_queue import Asked, Purpose
from ..service import IdentityService
from .identities import recorder
from .oauth import message, page_problem

router = APIRouter(include_in_schema=False)

_ASKED = (
    "If there is an account with this address, a message with a link is on its way. It may take a "
    "minute, and end up among the spam."
)
_HEADINGS: dict[Purpose, str] = {
    "reset": "Choose a new password",
    "verify": "Verify your address",
}


def _require_mail(parts: Parts) -> None:
    if not parts.account_mail.notifier.is_configured:
        raise UnknownError("This service sends no mail. Ask who gave you the account.")


def _ask_page(request: Request, parts: Parts, purpose: Purpose, path: str) -> Response:
    _require_mail(parts)
    values = {"heading": _HEADINGS[purpose], "action": path}
    return parts.pages.render(request, "ask_link.html", values)


async def _ask(request: Request, parts: Parts, purpose: Purpose, form: dict[str, str]) -> Response:
    """Take an address; the answer is the same whoever it belongs to."""
    _require_mail(parts)
    await parts.logins.count_attempt(parts.limit_key(request))
    await parts.account_mail.ask(Asked(purpose, form.get("email", "")[:254]))
    return message(request, parts, "Look into your mail", _ASKED)


@router.get("/reset-password")
async def show_reset(request: Request, parts: AuthParts) -> Response:
    """Ask for the address of who forgot the password."""
    try:
        return _ask_page(request, parts, "reset", "/reset-password")
    except AuthError as error:
        return page_problem(request, parts, error)


@router.post("/reset-password")
async def ask_for_reset(request: Request, parts: AuthParts) -> Response:
    """Mail a link to choose a new password."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        return await _ask(request, parts, "reset", form)
    except AuthError as error:
        return page_problem(request, parts, error)


@router.get("/new-password")
async def show_new_password(request: Request, parts: AuthParts, token: str = "") -> Response:
    """Ask for the new password of who has a link."""
    try:
        await parts.account_mail.holder(token, "reset")
        return _password_page(request, parts, token=token)
    except AuthError as error:
        return page_problem(request, parts, error)


def _password_page(
    request: Request,
    parts: Parts,
    *,
    token: str = "",
    problem: AuthError | None = None,
) -> Response:
    """Return the form for a password: the new one of a link, or of who knows the old one."""
    values = {
        "token": token,
        "action": "/new-password" if token else "/password",
        "least": parts.settings.password_min_length,
        "problem": problem.detail if problem else "",
    }
    status = problem.status if problem else 200
    page = parts.pages.render(request, "password.html", values, status=status)
    page.headers.update(problem.headers if problem else {})
    return page


@router.post("/new-password")
async def choose_password(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Take the new password of who has a link; every session and token ends."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        token = form.get("token", "")
        try:
            await parts.account_mail.choose_password(token, form.get("new_password", ""), audit)
        except PasswordPolicyError as error:
            return _password_page(request, parts, token=token, problem=error)
    except AuthError as error:
        return page_problem(request, parts, error)
    text = "You were logged out everywhere. Log in with the new password."
    response = message(request, parts, "Your password was changed", text)
    parts.pages.drop_session(response)
    return response


@router.get("/verify-email")
async def show_verify(request: Request, parts: AuthParts, token: str = "") -> Response:
    """Ask to confirm an address, or whom to send a link to."""
    try:
        if not token:
            return _ask_page(request, parts, "verify", "/verify-email")
        user = await parts.account_mail.holder(token, "verify")
        values = {"token": token, "email": user.email}
        return parts.pages.render(request, "verify.html", values)
    except AuthError as error:
        return page_problem(request, parts, error)


@router.post("/verify-email")
async def verify_email(request: Request, parts: AuthParts, audit: Audit) -> Response:
    """Verify the address of who has a link, or mail one."""
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        if "token" not in form:
            return await _ask(request, parts, "verify", form)
        await parts.account_mail.verify(form["token"], audit)
    except AuthError as error:
        return page_problem(request, parts, error)
    return message(request, parts, "Your address is verified", "You may close this page.")


@router.get("/password")
async def show_password(request: Request, parts: AuthParts, login: MaybeLogin) -> Response:
    """Ask for the old and the new password of who is logged in."""
    if login is None:
        return RedirectResponse(parts.settings.url("/login"), 303)
    return _password_page(request, parts)


@router.post("/password")
async def change_password(
    request: Request, parts: AuthParts, audit: Audit, login: MaybeLogin
) -> Response:
    """Change the password of who is logged in; every session and token ends but a new one here."""
    if login is None:
        return RedirectResponse(parts.settings.url("/login"), 303)
    address, agent = parts.limit_key(request), request.headers.get("user-agent", "")
    try:
        form = dict(await read_form(request))
        parts.pages.require_own_form(request, form)
        new = form.get("new_password", "")
        try:
            parts.passwords.require_good(new, about=(login.email, login.name))
            # By the way of a login, so that guessing here is counted there.
            await parts.logins.log_in(
                login.email,
                form.get("password", ""),
                address=address,
                agent=agent,
                audit=audit,
            )
        except (PasswordPolicyError, CredentialsError) as error:
            return _password_page(request, parts, problem=error)
        kept = await parts.passwords.hash(new)
        async with parts.database.transaction() as session:
            service = IdentityService(session, recorder(audit, session), parts.clock)
            await service.set_password(login.user_id, kept)
            await parts.account_mail.tell_password_changed(session, login.email, login.name)
        cookie, _ = await parts.logins.log_in(
            login.email, new, address=address, agent=agent, audit=audit
        )
    except AuthError as error:
        return page_problem(request, parts, error)
    response = RedirectResponse(parts.settings.url("/sessions"), 303)
    parts.pages.set_cookie(response, parts.pages.session_cookie, cookie)
    response.headers["Cache-Control"] = "no-store"
    return response
