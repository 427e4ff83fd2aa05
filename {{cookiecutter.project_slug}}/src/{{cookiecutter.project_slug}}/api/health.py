# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Health probes: is the process alive, has it started, can it serve?

A project passes its own checks to `build_app`:

    HealthCheck("stock", stock.ping)
    HealthCheck("mail", partial(check_external_service, url="https://mail.example.com/"))
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Annotated, Literal

from fastapi import APIRouter, Depends, FastAPI, Request, Response
from pydantic import BaseModel

from ..clients.errors import HttpClientError
from ..core.config import HttpClientSettings, PlatformSettings
from .readiness import (
    FailedCheck,
    HealthCheck,
    HealthRegistry,
    ReadinessCheck,
    ReadinessStatus,
    reason_of,
)

if TYPE_CHECKING:
    from ..clients.http import HttpClient

__all__ = [
    "HealthCheck",
    "HealthRegistry",
    "HealthStatus",
    "ReadinessCheck",
    "ReadinessStatus",
    "check_external_service",
    "install_health",
    "router",
]


class HealthStatus(BaseModel, frozen=True):
    """The answer of the liveness and start-up probes."""

    status: Literal["alive", "started", "starting"]


async def _no_store(response: Response) -> None:
    """Keep caches from answering probes in the service's place."""
    response.headers["cache-control"] = "no-store"


async def _registry(request: Request) -> HealthRegistry:
    registry = getattr(request.app.state, "health", None)
    if not isinstance(registry, HealthRegistry):
        msg = "the application has no health registry: call install_health(app, settings)"
        raise RuntimeError(msg)  # noqa: TRY004  # nobody passed a wrong type
    return registry


Registry = Annotated[HealthRegistry, Depends(_registry)]

router = APIRouter(prefix="/health", tags=["health"], dependencies=[Depends(_no_store)])

# FastAPI's GET routes refuse HEAD, which some load balancers and monitors probe with.


@router.head("/live", include_in_schema=False)
@router.get("/live", summary="Is the process alive?")
async def live() -> HealthStatus:
    """Answer as long as the event loop turns; restart the process when this fails.

    It looks at no dependency: a restart would not mend one.
    """
    return HealthStatus(status="alive")


@router.head("/startup", include_in_schema=False)
@router.get(
    "/startup",
    summary="Has the service started?",
    responses={503: {"model": HealthStatus, "description": "Start-up is not complete."}},
)
async def startup(registry: Registry, response: Response) -> HealthStatus:
    """Answer 503 until start-up is complete; the other probes wait for this one."""
    if not registry.started:
        response.status_code = 503
    return HealthStatus(status="started" if registry.started else "starting")


@router.head("/ready", include_in_schema=False)
@router.get(
    "/ready",
    summary="Can the service take requests?",
    responses={503: {"model": ReadinessStatus, "description": "Send requests elsewhere."}},
)
async def ready(registry: Registry, response: Response) -> ReadinessStatus:
    """Answer 503 when a critical check fails, before start-up is complete and during shutdown."""
    status = await registry.readiness()
    if not status.ready:
        response.status_code = 503
    return status
