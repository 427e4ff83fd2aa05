# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""FastAPI with a table of its routes, and without what has nothing left to do under the edge.

FastAPI wraps each application in layers of its own, which cost 6 % of a small request: one answers
unhandled exceptions (the edge does), one reports them to telemetry (switched off), one enforces a
body limit (the edge's), and one prepares for exceptions that handlers answer, which can wait until
there is one.

Its telemetry costs 9 % of a bare request even when nothing is exported, so it is off unless it is
asked for. Then the layers stay, and each request continues its trace in a span of its own.
"""

from __future__ import annotations

from collections.abc import Awaitable
from copy import copy
from typing import Any, cast

from fastapi import APIRouter, FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry import trace
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from ..api.routing import RouteTable
from .edge import SecurityEdge

_IDLE = frozenset(
    ("AppBodyLimitMiddleware", "ExceptionTelemetryMiddleware", "ServerErrorMiddleware")
)
_NO_TELEMETRY = TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False)


class LeanFastAPI(FastAPI):
    """FastAPI for an application inside a `SecurityEdge`.

    Middleware that a project adds stays where it is. With a handler for `Exception`, or in debug
    mode, or with a body limit of FastAPI's own, or with telemetry, the layers stay too.

    Args:
        telemetry: What FastAPI records with OpenTelemetry; None switches that off.
        **options: Those of `FastAPI`.
    """

    def __init__(
        self,
        *,
        telemetry: TelemetryConfig | None = None,
        **options: Any,  # noqa: ANN401  # some forty, each of a type of its own
    ) -> None:
        self._is_observed = telemetry is not None
        super().__init__(telemetry=_NO_TELEMETRY if telemetry is None else telemetry, **options)

    def build_middleware_stack(self) -> ASGIApp:
        """Return the stack, without FastAPI's outermost layers where the edge replaces them."""
        stack = super().build_middleware_stack()
        _find_routes_by_table(stack, self.router)
        if self._is_observed:
            return continuing_trace(stack)
        handles_all = {500, Exception} & self.exception_handlers.keys()
        if handles_all or self.debug or self.max_body_size is not None:
            return stack
        outermost = stack
        while type(outermost).__name__ in _IDLE:
            outermost = cast("Any", outermost).app
        layer: Any = outermost
        edges = 0
        while layer is not None:
            edges += isinstance(layer, SecurityEdge)
            inner = getattr(layer, "app", None)
            if type(inner) is ExceptionMiddleware:
                layer.app = on_demand(inner)
            layer = inner
        return outermost if edges else stack

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request through the stack; FastAPI would ask for telemetry first."""
        stack = self.middleware_stack
        if stack is None or self._is_observed or scope["type"] == "lifespan":
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        if self.root_path:
            scope["root_path"] = self.root_path
        await stack(scope, receive, send)


def _find_routes_by_table(stack: ASGIApp, router: APIRouter) -> None:
    """Put a `RouteTable` in front of the router, which the innermost layer calls."""
    layer: Any = stack
    while layer is not None:
        inner = getattr(layer, "app", None)
        if inner is router:
            layer.app = RouteTable(router)
            return
        layer = inner


def continuing_trace(app: ASGIApp) -> ASGIApp:
    """Return an application that takes the request's own span for that of its caller.

    What names the trace inside (log lines, audit events, jobs, outgoing calls) reads the header
    `traceparent`, and belongs to the span of this request where there is one.
    """

    def serve(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        span = trace.get_current_span().get_span_context()
        if span.is_valid and scope["type"] != "lifespan":
            name = f"00-{span.trace_id:032x}-{span.span_id:016x}-{span.trace_flags:02x}".encode()
            others = [pair for pair in scope["headers"] if pair[0] != b"traceparent"]
            scope = {**scope, "headers": [*others, (b"traceparent", name)]}
        return app(scope, receive, send)

    return serve


def on_demand(middleware: ExceptionMiddleware) -> ASGIApp:
    """Return an application that calls Starlette's `ExceptionMiddleware` when there is an exception.

    Each route looks its handlers up itself, under a key of the scope that is set here too. What
    comes up to here is little: no route found, a method not allowed. Starlette does not promise its
    attributes; without them its middleware is left as it is.
    """
    found = [getattr(middleware, f"_{kind}_handlers", None) for kind in ("exception", "status")]
    if None in found:
        return middleware
    handlers, app = tuple(found), middleware.app

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["starlette.exception_handlers"] = handlers
        try:
            await app(scope, receive, send)
        except Exception as error:  # noqa: BLE001  # whether there is a handler, Starlette knows
            caught = error

            async def fail(_scope: Scope, _receive: Receive, _send: Send) -> None:
                raise caught

            handling = copy(middleware)
            handling.app = fail
            await handling(scope, receive, send)

    return serve
