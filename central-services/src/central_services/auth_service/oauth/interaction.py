"""What happens next with an authorization request: a page for the user, or an answer for the client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from urllib.parse import urlencode
from uuid import UUID

from ..actions import CONSENT_GIVEN, CONSENT_REFUSED
from ..logins import Login
from ..models import ConsentRow
from .authorization import Authorization, check, grant_code, pulled, refuse
from .requests import OAuthAnswer, OAuthRequest, parse_form
from .server import AuthorizationServer

Decision = Literal["allow", "deny"]

SCOPES = {
    "openid": "Know who you are",
    "profile": "See your name",
    "email": "See your e-mail address",
    "roles": "See your roles and permissions",
    "offline_access": "Keep this access while you are away",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """The user has to do something first.

    Attributes:
        what: Which page to show.
        asked: The request.
        query: The request as a query, for the ticket of the page.
    """

    what: Literal["login", "consent"]
    asked: Authorization
    query: str

    @property
    def scopes(self) -> list[str]:
        """What the client asks for, in words."""
        return [SCOPES.get(name, name) for name in self.asked.scope.split()]


def advance(
    server: AuthorizationServer,
    fields: Sequence[tuple[str, str]],
    login: Login | None,
    *,
    started_at: datetime,
    decision: Decision | None = None,
    is_known: bool = False,
) -> OAuthAnswer | Ask:
    """Return what happens next.

    Args:
        server: The authorization server of this request.
        fields: The parameters of the authorization request.
        login: Who is logged in.
        started_at: Since when the user is busy with it: a login after that is a fresh one.
        decision: What the user decided on the consent page.
        is_known: The parameters come from a ticket: they went through here before.

    Raises:
        PageError: When the client can't be told.
    """
    request = OAuthRequest("GET", fields, {})
    query = None if is_known else pulled(server, request)
    if query is not None:
        request = OAuthRequest("GET", parse_form(query), {})
    asked = check(server, request)
    if isinstance(asked, OAuthAnswer):
        return asked
    query = urlencode(asked.fields)
    is_silent = "none" in asked.prompts
    if login is None or not _counts(server, asked, login, started_at):
        is_over = is_silent or (login and login.authenticated_at >= started_at)
        return refuse(server, asked, "login_required") if is_over else Ask("login", asked, query)
    data = {"client_id": asked.client.client_id, "scope": asked.scope}
    user = str(login.user_id)
    if decision == "deny":
        target = f"client:{asked.client.client_id}"
        server.call.note(CONSENT_REFUSED, target, data, outcome="denied", user_id=user)
        return refuse(server, asked, "access_denied")
    if decision is None and _needs_consent(server, asked, login.user_id):
        if is_silent:
            return refuse(server, asked, "consent_required")
        return Ask("consent", asked, query)
    if decision == "allow":
        _remember(server, asked, login.user_id)
        target = f"client:{asked.client.client_id}"
        server.call.note(CONSENT_GIVEN, target, data, user_id=user)
    return grant_code(
        server,
        asked,
        user_id=login.user_id,
        session_id=login.session_id,
        authenticated_at=login.authenticated_at,
    )


def _counts(
    server: AuthorizationServer, asked: Authorization, login: Login, started_at: datetime
) -> bool:
    """Whether the login counts for this request (`id_token_hint`, `prompt`, `max_age`)."""
    if asked.hinted not in {None, str(login.user_id)}:
        return False  # also when they have just logged in: the client means somebody else
    if login.authenticated_at >= started_at:
        return True
    if asked.prompts & {"login", "select_account"}:
        return False
    return asked.max_age is None or server.call.now - login.authenticated_at <= asked.max_age


def _needs_consent(server: AuthorizationServer, asked: Authorization, user_id: UUID) -> bool:
    if asked.client.row.skip_consent:
        return False
    if "consent" in asked.prompts:
        return True
    row = server.call.session.get(ConsentRow, (user_id, asked.client.client_id))
    return row is None or not set(row.scopes).issuperset(asked.scope.split())


def _remember(server: AuthorizationServer, asked: Authorization, user_id: UUID) -> None:
    session, now = server.call.session, server.call.now
    row = session.get(ConsentRow, (user_id, asked.client.client_id), with_for_update=True)
    if row is None:
        row = ConsentRow(user_id=user_id, client_id=asked.client.client_id, scopes=[], given_at=now)
        session.add(row)
    row.scopes = sorted({*row.scopes, *asked.scope.split()})
    row.given_at = now
