# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Health probes: is the process alive, has it started, can it serve?

A project passes its own checks to `build_app`:

    HealthCheck("stock", stock.ping)
    HealthCheck("mail", partial(check_external_service, url="https://mail.example.com/"))
"""

import asyncio
import time
from collections.abc import Sequence
from functools import partial
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


class HealthStatus(BaseModel, frozen=True, defer_build=True):
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


@router.head("/live", include_in_schema=False, response_model=None)
@router.get("/live", summary="Is the process alive?")
async def live() -> HealthStatus:
    """Answer as long as the event loop turns; restart the process when this fails.

    It looks at no dependency: a restart would not mend one.
    """
    return HealthStatus(status="alive")


@router.head("/startup", include_in_schema=False, response_model=None)
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


@router.head("/ready", include_in_schema=False, response_model=None)
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


class _UnexpectedStatusError(HttpClientError):
    """The other service answered, but not with success."""


async def check_external_service(
    *,
    url: str | None = None,
    client: "HttpClient | None" = None,
    settings: HttpClientSettings | None = None,
    timeout_s: float = 2.0,
    name: str = "external_service",
) -> ReadinessCheck:
    """Ask another service, with a GET, whether it is there; any 2xx says so.

    Args:
        url: What to get; without it the check fails as not configured.
        client: The client to ask with; by default one is made, and closed, for each call.
        settings: Settings for that client, as in `settings.http_client`; the defaults call public
            addresses only.
        timeout_s: Seconds that it may take.
        name: What the result is called.

    Returns:
        The result; a service that is down is a result too, not an exception.
    """
    began = time.perf_counter()
    error: Exception | None = None
    if url is not None:
        try:
            async with asyncio.timeout(timeout_s):
                await _get(url, client, settings)
        except (HttpClientError, TimeoutError, OSError) as caught:
            error = caught
    latency_ms = round((time.perf_counter() - began) * 1000, 2)
    if url is not None and error is None:
        return ReadinessCheck(name, status=True, latency_ms=latency_ms)
    detail = "not_configured" if error is None else reason_of(error)
    return FailedCheck(name, status=False, latency_ms=latency_ms, detail=detail, error=error)


async def _get(url: str, client: "HttpClient | None", settings: HttpClientSettings | None) -> None:
    """Get a URL, with a client of its own if there is none, or raise `HttpClientError`."""
    if client is None:
        from ..clients.http import HttpClient  # noqa: PLC0415  # imports the HTTP library

        # A new connection is what a new caller would get, and such a client costs 0.03 ms. No
        # retries: the probe comes again anyway.
        once = (settings or HttpClientSettings()).model_copy(update={"max_retries": 0})
        async with HttpClient(once) as own:
            await _get(url, own, settings)
        return
    response = await client.get(url)
    if not 200 <= response.status_code < 300:
        raise _UnexpectedStatusError(f"answered {response.status_code}")


def install_health(
    app: FastAPI, settings: PlatformSettings, *, checks: Sequence[HealthCheck] = ()
) -> HealthRegistry:
    """Serve the probes, and put the registry on `app.state.health`.

    Whoever runs the application calls the registry's `mark_started` and `mark_stopping`.

    Raises:
        ValueError: When two checks have one name, or a name or a time is not valid.
    """
    health = settings.health
    registry = HealthRegistry(timeout_s=health.check_timeout_s, cache_s=health.cache_s)
    app.state.health = registry
    for check in checks:
        registry.register(
            check.name, check.check, critical=check.critical, timeout_s=check.timeout_s
        )
    if health.external_service_url:
        registry.register(
            "external_service",
            partial(
                check_external_service,
                url=health.external_service_url,
                settings=settings.http_client,
                timeout_s=health.check_timeout_s,
            ),
        )
    app.include_router(router)
    return registry
