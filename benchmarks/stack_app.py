"""The applications that `stack.py` compares: `python stack_app.py VARIANT PACKAGE PORT`.

All serve the same router under the same uvicorn with the same flags.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn
from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.telemetry import TelemetryConfig
from starlette.middleware.base import BaseHTTPMiddleware

HOST, ORIGIN, RATE = "127.0.0.1", "https://app.example.com", 50_000_000
Next = Callable[[Request], Awaitable[Response]]
ROUTES = 30


async def item(number: int) -> dict[str, int]:
    """Return next to nothing, so that the layers around it weigh most."""
    return {"number": number}


def service(routes: int = 1) -> APIRouter:
    """Return a router of so many routes, the last of which is called."""
    router = APIRouter()
    for number in range(1, routes):
        router.add_api_route(f"/items{number}/{{number}}", item)
    router.add_api_route("/items/{number}", item)
    return router


def bare(router: APIRouter) -> FastAPI:
    """FastAPI as it comes, its telemetry off."""
    off = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False)
    app = FastAPI(telemetry=off)
    app.include_router(router)
    return app


def rendered(package: str, router: APIRouter, **more: Any) -> FastAPI:
    """The service as it is rendered, in production, with every protection on."""
    build_app = importlib.import_module(f"{package}.core.app").build_app
    settings = importlib.import_module(f"{package}.settings").Settings(
        environment="production",
        security={"allowed_hosts": [HOST], "allowed_origins": [ORIGIN]},
        rate_limit={"requests_per_minute": RATE},
        **more,
    )
    app: FastAPI = build_app(settings, routers=[router])
    return app


def with_sentry(package: str) -> FastAPI:
    """The same with error tracking on, which records every tenth request."""
    dsn = os.environ["BENCHMARK_DSN"]
    return rendered(package, service(), sentry={"dsn": dsn, "traces_sample_rate": 0.1})


def layered(package: str) -> FastAPI:  # noqa: C901  # eight layers, a function each
    """The same features by the same policies, each as a `BaseHTTPMiddleware`, as peers write them."""
    middleware = f"{package}.middleware"
    logging = importlib.import_module(f"{package}.utils.logging")
    context = importlib.import_module(f"{package}.utils.context")
    headers = importlib.import_module(f"{middleware}.headers").HeaderPolicy(hsts_always=True)
    hosts = importlib.import_module(f"{middleware}.hosts").HostPolicy([HOST])
    cors = importlib.import_module(f"{middleware}.cors").CorsPolicy([ORIGIN])
    ssrf = importlib.import_module(f"{middleware}.ssrf").SsrfFilter()
    body = importlib.import_module(f"{middleware}.body_limit").BodyLimit(1_048_576)
    limiter = importlib.import_module(f"{middleware}.rate_limit").RateLimiter(RATE)
    new_request_id = importlib.import_module(f"{middleware}.request_id").new_request_id
    read_fields = importlib.import_module(f"{middleware}.refusals").read_fields
    logging.setup_logging("INFO", json_logs=True)

    async def add_headers(request: Request, call_next: Next) -> Response:
        response = await call_next(request)
        response.raw_headers.extend(headers.headers(request.url.path, https=False))
        return response

    async def add_cors(request: Request, call_next: Next) -> Response:
        origin = request.headers.get("origin")
        response = await call_next(request)
        response.raw_headers.extend(cors.headers(origin.encode() if origin else None))
        return response

    async def name_request(request: Request, call_next: Next) -> Response:
        request_id = new_request_id()
        context.current_request.set(context.RequestContext(request_id))
        response = await call_next(request)
        response.headers["x-request-id"] = request_id
        return response

    async def log_access(request: Request, call_next: Next) -> Response:
        begun = time.perf_counter()
        response = await call_next(request)
        logging.log_request(
            method=request.method,
            path=request.url.path,
            status=response.status_code,
            duration_ms=(time.perf_counter() - begun) * 1e3,
            client=request.client.host if request.client else "",
        )
        return response

    async def check_host(request: Request, call_next: Next) -> Response:
        if not hosts.accepts(request.headers["host"].encode()):
            return Response(status_code=400)
        return await call_next(request)

    async def limit_rate(request: Request, call_next: Next) -> Response:
        fields = read_fields(request.scope["headers"])
        client = request.client.host if request.client else ""
        verdict = limiter.check(request.scope, request.url.path, fields, client)
        response = await call_next(request)
        response.raw_headers.extend(verdict)
        return response

    async def filter_query(request: Request, call_next: Next) -> Response:
        if ssrf.check(request.scope["query_string"]):
            return Response(status_code=400)
        return await call_next(request)

    async def limit_body(request: Request, call_next: Next) -> Response:
        if body.check(request.scope, read_fields(request.scope["headers"])):
            return Response(status_code=413)
        return await call_next(request)

    app = bare(service())
    for layer in (limit_body, filter_query, limit_rate, check_host, add_cors, add_headers):
        app.add_middleware(BaseHTTPMiddleware, dispatch=layer)
    app.add_middleware(BaseHTTPMiddleware, dispatch=log_access)
    app.add_middleware(BaseHTTPMiddleware, dispatch=name_request)
    return app


def main(variant: str, package: str, port: int) -> None:
    """Serve one of them until the process is stopped."""
    makers: dict[str, Callable[[], FastAPI]] = {
        "bare": lambda: bare(service()),
        "whole": lambda: rendered(package, service()),
        "bare-routes": lambda: bare(service(ROUTES)),
        "whole-routes": lambda: rendered(package, service(ROUTES)),
        "sentry": lambda: with_sentry(package),
        "layers": lambda: layered(package),
    }
    uvicorn.run(
        makers[variant](),
        host=HOST,
        port=port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
    )


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
