"""The auth service, put together; the only module that makes its parts."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ..api.health import HealthCheck
from ..core.app import build_app
from ..core.database import DatabaseUnavailableError
from ..kit.attempts import Attempts
from ..kit.repeating import beside
from ..kit.telemetry.recording import Telemetry
from ..mail.composition import open_mail
from ..middleware.client_address import ClientAddresses
from ..utils.logging import get_logger
from .account_mail import AccountMail
from .declared_clients import DeclaredClients
from .dependencies import Parts
from .endpoints import ROUTERS
from .housekeeping import keeping
from .keys import KeyRing
from .logins import Logins
from .notifying import MailNotifier, Notifier
from .pages import Pages
from .passwords import Passwords
from .sealing import Sealer
from .tokens import TokenMint

if TYPE_CHECKING:
    from ..settings import Settings

_ROUTES = {"POST /oauth2/token": 1_200}
"""Requests a minute from one address: a host runs many services, and each gets tokens every few minutes. It
is no limit against guessing: what is shown there (secrets, codes, refresh tokens) is 256 random bits, and
passwords have limits of their own (`AUTH__ATTEMPTS_PER_MINUTE`, the lockout)."""

_log = get_logger(__name__)


def build(settings: Settings) -> FastAPI:
    """Return a new application; nothing is opened before its lifespan starts."""
    # At DEBUG Authlib logs the tokens that it issues.
    logging.getLogger("authlib").setLevel(logging.INFO)

    async def has_keys() -> bool:
        parts: Parts | None = getattr(app.state, "auth", None)
        return parts is not None and parts.ring.is_ready

    # Redirect URIs of developers' machines come in queries, and nothing here is ever fetched from a
    # URL that a caller names: the filter would only refuse what RFC 8252 section 7.3 wants.
    limits = settings.rate_limit
    changed = {
        "security": settings.security.model_copy(update={"ssrf_prevention": False}),
        "rate_limit": limits.model_copy(update={"routes": {**_ROUTES, **limits.routes}}),
    }
    telemetry = Telemetry(settings.telemetry, "auth", settings.environment)
    app = build_app(
        settings.model_copy(update=changed),
        routers=ROUTERS,
        lifespans=[telemetry.lifespan, auth_lifespan],
        checks=[HealthCheck("signing_keys", has_keys)],
        telemetry=telemetry.config,
    )
    app.state.settings, app.state.telemetry = settings, telemetry
    return app


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


def make_parts(app: FastAPI, notifier: Notifier) -> Parts:
    """Return what the service is made of, for an application whose database and audit are open."""
    settings, database = app.state.settings.auth, app.state.database
    sealer = Sealer.of(settings)
    ring = KeyRing(database, sealer, settings, utc_now, app.state.audit)
    passwords, audit = Passwords(settings), app.state.audit
    server = app.state.settings.rate_limit.url
    attempts = Attempts("logins", settings.attempts_per_minute, server)
    return Parts(
        settings=settings,
        database=database,
        sealer=sealer,
        ring=ring,
        mint=TokenMint(settings, ring, utc_now),
        passwords=passwords,
        logins=Logins(database, settings, passwords, attempts, utc_now),
        pages=Pages(settings, sealer),
        account_mail=AccountMail(database, settings, passwords, audit, notifier, sealer, utc_now),
        addresses=ClientAddresses(app.state.settings.security.trusted_proxies),
        clock=utc_now,
    )


@asynccontextmanager
async def auth_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Make the parts, see to the signing keys, and keep them current.

    Raises:
        KeySealError: When the keys were sealed with another encryption key.
    """
    async with open_mail(app.state.settings) as mail:
        app.state.auth = parts = make_parts(app, MailNotifier(mail))
        declared = DeclaredClients(
            parts.database, parts.settings.clients, app.state.audit, parts.clock
        )
        try:
            await parts.ring.maintain()
            await declared.register()
        except DatabaseUnavailableError:  # housekeeping tries again
            _log.warning("signing_keys_not_read_at_start")
        parts.account_mail.begin()
        works = keeping(parts.ring, declared, parts.database, parts.settings, parts.clock)
        async with beside(*works):
            try:
                yield
            finally:
                await parts.account_mail.end()
                await parts.logins.attempts.aclose()
