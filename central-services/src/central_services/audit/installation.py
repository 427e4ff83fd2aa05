# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The trail as a part of the service: opened at start-up, told of refusals and of new settings."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, cast

import orjson
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException

from ..api.readiness import HealthCheck
from ..core.config import PlatformSettings
from ..core.errors import ServiceError
from ..core.settings_docs import describe
from .catalogue import CONFIGURATION_CHANGED, DENIED, LOGIN_FAILED, STARTED, STOPPED
from .dependencies import RequestAudit
from .events import Outcome, Sensitivity, Target
from .log import AuditLog
from .schema import connect
from .trail import Search, Trail

Handler = Callable[[Request, Exception], Awaitable[Response]]


def audit_lifespan(
    settings: PlatformSettings, version: Callable[[], str]
) -> Callable[[FastAPI], Any]:
    """Return a lifespan that keeps the trail open as `app.state.audit`.

    The service does not start when the trail can't be written.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        log = AuditLog(settings.audit, strict=not settings.is_production)
        log.start_sealing()
        app.state.audit = log
        target = Target("service", settings.app_name)
        try:
            await _record_configuration(log, settings, target)
            await log.record(STARTED, target=target, data={"version": version()})
            yield
            await log.record(STOPPED, target=target, data={"version": version()})
        finally:
            del app.state.audit
            await asyncio.to_thread(log.close)

    return lifespan


async def _record_configuration(log: AuditLog, settings: PlatformSettings, target: Target) -> None:
    """Record which settings differ from the last start, secrets too, of which it keeps a mark."""

    def mark(secret: str) -> str:
        digest = hmac.digest(log.secrets.master.naming, b"setting " + secret.encode(), "sha256")
        return f"[secret {digest.hex()[:8]}]" if secret else ""

    now = {doc.variable: doc.value for doc in describe(type(settings), settings, mask=mark)}
    before = await asyncio.to_thread(_last_configuration, log)
    changed = {
        name for name in before.keys() | now.keys() if before.get(name, "") != now.get(name, "")
    }
    if changed or not before:
        await log.record(
            CONFIGURATION_CHANGED,
            target=target,
            before={"settings": {name: before[name] for name in changed if name in before}},
            after={"settings": now},
        )


def _last_configuration(log: AuditLog) -> dict[str, str]:
    connection = connect(log.file, read_only=True)
    try:
        search = Search(action=CONFIGURATION_CHANGED.name)
        for row in Trail(connection).search(search, limit=1, newest=True):
            shown = log.codec.decode(row.record or "{}", Sensitivity.INTERNAL)
            return dict(shown["after"]["settings"])
    finally:
        connection.close()
    return {}


def audit_check(app: FastAPI) -> HealthCheck:
    """Return the readiness check: are events stored and sealed?"""

    async def check() -> bool:
        log: AuditLog | None = getattr(app.state, "audit", None)
        return log is not None and not log.problem

    return HealthCheck("audit", check)


def record_refusals(app: FastAPI) -> None:
    """Record each 401 as a failed login and each 403 as a denied permission, then answer it.

    It wraps the handlers of errors, so that requests that are not refused cost nothing.
    """
    for error in (ServiceError, HTTPException):
        handler = cast("Handler", app.exception_handlers[error])
        app.add_exception_handler(error, _recording(handler))


def _recording(handler: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        response = await handler(request, error)
        if response.status_code in {401, 403}:
            await _record_refusal(request, response)
        return response

    return handle


async def _record_refusal(request: Request, response: Response) -> None:
    log = getattr(request.app.state, "audit", None)
    if not isinstance(log, AuditLog):
        return  # the application was not started, as in a test that calls it without
    route = getattr(request.scope.get("route"), "path", "")
    body = orjson.loads(bytes(response.body) or b"{}")
    await RequestAudit(log, request).record(
        LOGIN_FAILED if response.status_code == 401 else DENIED,
        # The route, not the path: an id in it can be somebody's.
        target=Target("route", f"{request.method} {route}"),
        outcome=Outcome.DENIED,
        data={
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "problem": str(body.get("title", "")),
        },
    )
