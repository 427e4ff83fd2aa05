"""The pages that people see: rendered here, without scripts, and who is signed in to them."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Request, Response
from jinja2 import Environment

from ..kit.pages import make_environment
from .settings import AuditServiceSettings

_NONCE = 12
_POLICY = (
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
LOGIN_S = 900
"""Seconds that a person may take to sign in."""


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is signed in to the pages.

    Attributes:
        subject: Their id.
        tenant: Their organisation.
        until: When the login ends, in seconds since 1970.
    """

    subject: str
    tenant: str
    until: int


@dataclass(frozen=True)
class Pages:
    """Renders pages and keeps logins in sealed cookies.

    Attributes:
        settings: The service's.
        issuer: Whom people sign in at.
        key: 32 bytes that seal cookies.
        clock: Tells the time.
    """

    settings: AuditServiceSettings
    issuer: str
    key: bytes
    clock: Callable[[], datetime]
    _environment: Environment = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Make the environment; templates are read when they are needed."""
        environment = make_environment(Path(__file__).parent / "templates")
        object.__setattr__(self, "_environment", environment)

    def render(
        self, name: str, visitor: Visitor | None, values: Mapping[str, Any], *, status: int = 200
    ) -> Response:
        """Return a page under a policy that lets no script run."""
        html = self._environment.get_template(name).render(visitor=visitor, **values)
        headers = {"Content-Security-Policy": _POLICY, "Cache-Control": "no-store"}
        return Response(html, status, headers, media_type="text/html")

    # --- signing in ------------------------------------------------------------------------------

    @property
    def callback(self) -> str:
        """Where the auth service sends people back to."""
        return f"{self.settings.url}/ui/callback"

    def begin(self, response_to: Callable[[str], Response]) -> Response:
        """Send a person to the auth service: code with PKCE, state in a cookie of this browser."""
        state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
        digest = hashlib.sha256(verifier.encode()).digest()
        query = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.callback,
            "scope": "openid",
            "state": state,
            "code_challenge": base64.urlsafe_b64encode(digest).decode().rstrip("="),
            "code_challenge_method": "S256",
            "resource": self.settings.wanted_audience,
        }
        response = response_to(f"{self.issuer}/oauth2/authorize?{urlencode(query)}")
        until = int(self.clock().timestamp()) + LOGIN_S
        value = {"state": state, "verifier": verifier, "until": until}
        self._set(response, "login", self._seal("login", value), LOGIN_S)
        return response

    def begun(self, request: Request) -> dict[str, Any] | None:
        """Return what `begin` put into this browser; None when it did not, or long ago."""
        return self._open("login", request.cookies.get(self._name("login"), ""))

    def sign_in(self, response: Response, visitor: Visitor) -> None:
        """Remember who is signed in, in a cookie that only we can read."""
        sealed = self._seal("session", asdict(visitor))
        self._set(response, "session", sealed, self.settings.session_s)
        response.delete_cookie(self._name("login"), path="/", secure=self._is_https, httponly=True)

    def visitor(self, request: Request) -> Visitor | None:
        """Return who is signed in, or None."""
        found = self._open("session", request.cookies.get(self._name("session"), ""))
        return Visitor(**found) if found else None

    def sign_out(self, response: Response) -> None:
        """Make the browser forget the login."""
        name = self._name("session")
        response.delete_cookie(name, path="/", secure=self._is_https, httponly=True)

    @property
    def _is_https(self) -> bool:
        return self.settings.url.startswith("https://")

    def _name(self, kind: str) -> str:
        return f"__Host-audit-{kind}" if self._is_https else f"audit-{kind}"

    def _set(self, response: Response, kind: str, value: str, seconds: int) -> None:
        response.set_cookie(
            self._name(kind),
            value,
            max_age=seconds,
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="lax",
        )

    def _seal(self, purpose: str, value: Mapping[str, Any]) -> str:
        nonce = os.urandom(_NONCE)
        box = AESGCM(self.key).encrypt(nonce, json.dumps(value).encode(), purpose.encode())
        return base64.urlsafe_b64encode(nonce + box).decode()

    def _open(self, purpose: str, text: str) -> dict[str, Any] | None:
        try:
            raw = base64.urlsafe_b64decode(text)
            plain = AESGCM(self.key).decrypt(raw[:_NONCE], raw[_NONCE:], purpose.encode())
        except (InvalidTag, binascii.Error, ValueError):
            return None
        found: dict[str, Any] = json.loads(plain)
        return found if found["until"] > self.clock().timestamp() else None
