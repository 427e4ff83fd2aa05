"""The pages that people see: rendered here, without scripts, under a policy of their own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request, Response
from jinja2 import Environment

from ..kit.pages import make_environment
from .errors import PageExpiredError
from .sealing import Sealer, new_secret
from .settings import AuthSettings
from .tokens import same

_HERE = Path(__file__).parent
_TICKET = "interaction"


@dataclass(frozen=True)
class Pages:
    """Renders pages, guards their forms, and sets their cookies.

    Attributes:
        settings: The service's.
        sealer: Marks forms and seals what travels through them.
    """

    settings: AuthSettings
    sealer: Sealer
    _environment: Environment = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the environment; templates are read when they are needed."""
        environment = make_environment(_HERE / "templates")
        object.__setattr__(self, "_environment", environment)

    @property
    def session_cookie(self) -> str:
        """The name of the session's cookie; `__Host-` binds it to this host and https."""
        return "__Host-session" if self.settings.is_https else "session"

    @property
    def form_cookie(self) -> str:
        """The name of the cookie that forms are bound to."""
        return "__Host-form" if self.settings.is_https else "form"

    def render(
        self,
        request: Request,
        name: str,
        values: Mapping[str, Any],
        *,
        status: int = 200,
        form_target: str = "",
    ) -> Response:
        """Return a page.

        Args:
            request: The request that it answers.
            name: The template.
            values: What it shows; escaped there.
            status: The HTTP status.
            form_target: Where its form may lead beside here; see `Authorization.form_target`.
        """
        known = request.cookies.get(self.form_cookie)
        cookie = known or new_secret()
        html = self._environment.get_template(name).render(
            form_token=self._form_token(cookie), base=self.settings.issuer, **values
        )
        policy = (
            "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
            f"form-action 'self' {form_target}".rstrip()
            + "; frame-ancestors 'none'"
        )
        headers = {"Content-Security-Policy": policy, "Cache-Control": "no-store"}
        response = Response(html, status, headers, media_type="text/html")
        if not known:
            self.set_cookie(response, self.form_cookie, cookie)
        return response

    def require_own_form(self, request: Request, fields: Mapping[str, str]) -> None:
        """Refuse a form that did not come from one of our pages in the same browser.

        Raises:
            PageExpiredError: When it did not.
        """
        # Sent by every current browser; `Origin` is "null" here, because we send no referrers.
        site = request.headers.get("sec-fetch-site", "same-origin")
        cookie = request.cookies.get(self.form_cookie, "")
        is_ours = same(fields.get("form_token", ""), self._form_token(cookie))
        if site not in {"same-origin", "none"} or not cookie or not is_ours:
            raise PageExpiredError("Go back, load the page again, and repeat what you did.")

    def set_cookie(self, response: Response, name: str, value: str) -> None:
        """Set a cookie that scripts can't read and other sites' forms don't send."""
        response.set_cookie(
            name,
            value,
            max_age=self.settings.session_s if name == self.session_cookie else None,
            path="/",
            secure=self.settings.is_https,
            httponly=True,
            samesite="lax",
        )

    def drop_session(self, response: Response) -> None:
        """Make the browser forget the session."""
        response.delete_cookie(
            self.session_cookie,
            path="/",
            secure=self.settings.is_https,
            httponly=True,
            samesite="lax",
        )

    def seal_ticket(self, query: str, now: float) -> str:
        """Return an authorization request that a user is busy with, for the URL of a page.

        Only we can make one, so nothing that a page redirects to was chosen by somebody else.
        """
        return self.sealer.seal_json(_TICKET, {"query": query, "at": now})

    def open_ticket(self, ticket: str, now: float) -> tuple[str, float]:
        """Return an authorization request, and since when the user is busy with it.

        Raises:
            PageExpiredError: When it is not ours, or too old.
        """
        found = self.sealer.open_json(_TICKET, ticket)
        if found is None or found["at"] + self.settings.interaction_s < now:
            raise PageExpiredError("Go back to the application and start again.")
        return found["query"], found["at"]

    def _form_token(self, cookie: str) -> str:
        return self.sealer.mark("form", cookie)
