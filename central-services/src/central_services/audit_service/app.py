"""The audit service, put together; the only module that makes its parts."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from fastapi import FastAPI

from ..api.health import HealthCheck
from ..audit.events import Retention
from ..audit.keys import SubjectKeys
from ..clients.http import HttpClient
from ..core.app import build_app
from ..kit.cursors import Cursors
from ..kit.repeating import beside
from ..kit.telemetry.recording import Telemetry
from .dependencies import Parts
from .endpoints import ROUTERS
from .event_schemas.service import SchemaGuard
from .events import MAX_BATCH
from .housekeeping import keeping
from .ingest import Ingest
from .keys import LogKeys, open_subject_keys
from .pages import Pages
from .payloads import PayloadCodec
from .sealer import Sealer
from .witnessing import Witnesses

if TYPE_CHECKING:
    from ..settings import Settings

_ROUTES = {
    "POST /v1/events": 60_000,
    "POST /v1/receipts": 6_000,
    "POST /v1/ledger/transfers": 60_000,
}
"""Requests a minute from one address: projects send in batches, and have proven who they are."""


def build(settings: Settings) -> FastAPI:
    """Return a new application; nothing is opened before its lifespan starts."""

    async def is_taking() -> bool:
        parts: Parts | None = getattr(app.state, "audit_service", None)
        return parts is not None and parts.ingest.is_alive and not parts.sealer.last_error

    async def has_keys() -> bool:
        parts: Parts | None = getattr(app.state, "audit_service", None)
        return parts is not None and await asyncio.to_thread(parts.codec.is_ready)

    limits, security = settings.rate_limit, settings.security
    largest = min(settings.audit_service.max_event_bytes * MAX_BATCH, 32 * 1024 * 1024)
    changed = {
        "rate_limit": limits.model_copy(
            update={
                "routes": {**_ROUTES, **limits.routes},
                "exempt_paths": (*limits.exempt_paths, "/v1/log/"),
            }
        ),
        # Names of sources and the issuer's answer to a login hold addresses, in development those of
        # this machine; nothing here is fetched from a URL that a caller names.
        "security": security.model_copy(
            update={
                "max_body_bytes": max(security.max_body_bytes, largest),
                "ssrf_prevention": False,
            }
        ),
        # Tokens have to be meant for this service, whatever else runs in the process.
        "central_auth": settings.central_auth.model_copy(
            update={"audience": settings.audit_service.wanted_audience}
        ),
    }
    telemetry = Telemetry(settings.telemetry, "audit", settings.environment)
    app = build_app(
        settings.model_copy(update=changed),
        routers=ROUTERS,
        lifespans=[telemetry.lifespan, audit_service_lifespan],
        checks=[HealthCheck("trail", is_taking), HealthCheck("subject_keys", has_keys)],
        telemetry=telemetry.config,
    )
    app.state.settings, app.state.telemetry = settings, telemetry
    return app


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


def make_http(settings: Settings, telemetry: Telemetry) -> HttpClient:
    """Return a client that may also call whom the settings of this service name."""
    issuer = settings.central_auth
    urls = (issuer.issuer, issuer.token_url or "", *settings.audit_service.witnesses)
    return telemetry.http_client(settings.http_client, inside=urls)


def make_parts(app: FastAPI, http: HttpClient, subjects: SubjectKeys, keys: LogKeys) -> Parts:
    """Return what the service is made of, for an application whose database is open."""
    settings, database = app.state.settings.audit_service, app.state.database
    issuer = app.state.settings.central_auth.issuer.rstrip("/")
    codec = PayloadCodec(subjects, keys.master)
    witnesses = Witnesses(database, http, settings.witnesses, settings.witness_keys)
    sealer = Sealer(database, keys, codec, witnesses, interval_s=settings.seal_interval_s)
    days = {Retention(name): count for name, count in settings.retention_days.items()}
    return Parts(
        settings=settings,
        database=database,
        keys=keys,
        codec=codec,
        ingest=Ingest(
            database,
            codec,
            days,
            clock=utc_now,
            stored=sealer.wake,
            max_pending=settings.max_pending,
        ),
        schemas=SchemaGuard(database),
        sealer=sealer,
        witnesses=witnesses,
        auth=app.state.central_auth,
        cursors=Cursors(keys.derived("cursors")),
        pages=Pages(settings, issuer, keys.derived("pages"), utc_now),
        http=http,
        clock=utc_now,
    )


@asynccontextmanager
async def audit_service_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Open the keys, take events and seal them; what was taken is sealed at the end.

    Raises:
        AuditKeyError: A key is malformed, or is not the one that is in use.
    """
    settings: Settings = app.state.settings
    keys = LogKeys.of(settings.audit_service)
    async with contextlib.AsyncExitStack() as stack:
        http = make_http(settings, app.state.telemetry)
        stack.push_async_callback(http.aclose)
        subjects = await asyncio.to_thread(open_subject_keys, settings.audit_service, keys.master)
        stack.callback(subjects.close)
        app.state.audit_service = parts = make_parts(app, http, subjects, keys)
        async with beside(parts.sealer.run(), *keeping(parts, app.state.audit)):
            try:
                yield
            finally:
                await parts.ingest.aclose()
