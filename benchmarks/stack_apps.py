"""The applications that `stack` compares; uvicorn imports this file in the service's interpreter."""

from __future__ import annotations

import importlib
import logging
import os
import time
import uuid
from collections import defaultdict
from typing import Any

fastapi: Any = importlib.import_module("fastapi")
base: Any = importlib.import_module("starlette.middleware.base")
cors: Any = importlib.import_module("starlette.middleware.cors")
responses: Any = importlib.import_module("starlette.responses")

PACKAGE = os.environ["STACK_PACKAGE"]
OFF = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}
_LIMIT = 50_000_000
_HEADERS = {
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def _router() -> Any:
    router = fastapi.APIRouter()

    @router.get("/items/{number}")  # type: ignore[untyped-decorator]  # FastAPI is not installed where this is checked
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    return router


def bare() -> Any:
    """Return FastAPI and the endpoint, nothing else."""
    app = fastapi.FastAPI(telemetry=OFF)
    app.include_router(_router())
    return app


def platform() -> Any:
    """Return the endpoint inside what the platform puts around every service."""
    build_app = importlib.import_module(f"{PACKAGE}.core.app").build_app
    settings = importlib.import_module(f"{PACKAGE}.settings").Settings()
    return build_app(settings, routers=[_router()])


def sink() -> Any:
    """Return what takes Sentry's envelopes and forgets them."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        while (await receive()).get("more_body"):
            pass
        headers = [(b"content-length", b"2"), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    return app


async def _headers(request: Any, call_next: Any) -> Any:
    response = await call_next(request)
    response.headers.update(_HEADERS)
    return response


async def _hosts(request: Any, call_next: Any) -> Any:
    if request.url.hostname != "127.0.0.1":
        return responses.JSONResponse({"detail": "unknown host"}, 400)
    return await call_next(request)


async def _queries(request: Any, call_next: Any) -> Any:
    for value in request.query_params.values():
        if "://" in value:
            return responses.JSONResponse({"detail": "no URLs"}, 400)
    return await call_next(request)


async def _bodies(request: Any, call_next: Any) -> Any:
    if int(request.headers.get("content-length", "0")) > 1_048_576:
        return responses.JSONResponse({"detail": "too large"}, 413)
    return await call_next(request)


_seen: dict[str, list[float]] = defaultdict(lambda: [time.monotonic(), 0.0])


async def _limits(request: Any, call_next: Any) -> Any:
    now, window = time.monotonic(), _seen[request.client.host]
    if now - window[0] > 60:
        window[:] = [now, 0.0]
    window[1] += 1
    if window[1] > _LIMIT:
        return responses.JSONResponse({"detail": "too many"}, 429)
    response = await call_next(request)
    response.headers["ratelimit-policy"] = f'"default";q={_LIMIT};w=60'
    response.headers["ratelimit"] = f'"default";r={int(_LIMIT - window[1])};t=60'
    return response


async def _requests(request: Any, call_next: Any) -> Any:
    begun = time.perf_counter()
    number = request.headers.get("x-request-id") or uuid.uuid4().hex
    request.state.request_id = number
    response = await call_next(request)
    response.headers["x-request-id"] = number
    logging.getLogger("access").info(
        '{"method": "%s", "path": "%s", "status": %d, "duration_ms": %.3f, "request_id": "%s"}',
        request.method,
        request.url.path,
        response.status_code,
        (time.perf_counter() - begun) * 1000,
        number,
    )
    return response


def usual() -> Any:
    """Return the endpoint behind the same features, each a BaseHTTPMiddleware.

    They do less than the platform's: limits by a plain counter, no spelling of an address is seen
    through, nothing is redacted.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    app = bare()
    app.add_middleware(cors.CORSMiddleware, allow_origins=["https://app.example.com"])
    for dispatch in (_bodies, _queries, _limits, _hosts, _headers, _requests):
        app.add_middleware(base.BaseHTTPMiddleware, dispatch=dispatch)
    return app
