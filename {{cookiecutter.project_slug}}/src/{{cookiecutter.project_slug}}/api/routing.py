# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A table of the routes, in front of FastAPI's router.

FastAPI asks the routes of each included router one by one, twice, by way of several keys in the
scope: two fifths of the CPU of a small request in a service of 30 routes. Here the first segment of
a path leads to the few routes that can fit, and each of them is asked once.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable
from itertools import takewhile
from re import Pattern
from typing import Any

from fastapi import APIRouter, HTTPException
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.types import ASGIApp, Receive, Scope, Send

_Entry = tuple[Pattern[str], set[str], dict[str, Any], ASGIApp, dict[str, Any]]
"""Pattern of the path, methods, convertors of its parameters, the application, what to tell it."""


def path_inside(root: str, path: str) -> str:
    """Return a path without the prefix that the application is mounted at."""
    return path[len(root) :] if root and f"{path}/".startswith(f"{root}/") else path


class RouteTable:
    """An ASGI application that finds a route by its path and calls it, or asks the router.

    The route is the one that the router would choose: the first, as they were registered, that fits
    both path and method. Left to the router are WebSockets, redirects to a path with or without a
    slash at its end, paths that nothing fits, routes that are registered later, and from the first
    route on that is not plain (a mounted application, say) all that follow it; and all that fits
    where telemetry is on.

    Where several routes share a path, a 405 names the methods of all (RFC 9110 section 15.5.6); the
    router names those of the first.

    Args:
        router: The application's router, with its routes.
    """

    __slots__ = ("_anywhere", "_by_segment", "_is_complete", "_router")

    def __init__(self, router: APIRouter) -> None:
        self._router = router
        self._anywhere: list[_Entry] = []
        self._by_segment: dict[str, list[_Entry]] = {}
        limits = bool(router.form_limits) or _limits_forms(router.routes)
        contexts = [] if limits else list(iter_route_contexts(router.routes))
        self._is_complete = not limits and all(_is_plain(found, router) for found in contexts)
        for context in takewhile(lambda found: _is_plain(found, router), contexts):
            if not isinstance(context.original_route, WebSocketRoute):
                self._add(context)

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the call that serves a request.

        Raises:
            HTTPException: With status 405, if nothing but the method is wrong.
        """
        if scope["type"] != "http":
            return self._router(scope, receive, send)
        path, method = scope["path"], scope["method"]
        if scope.get("root_path"):
            path = path_inside(scope["root_path"], path)
        allowed: set[str] = set()
        segment = path[1:].partition("/")[0]
        for pattern, methods, convertors, app, about in self._by_segment.get(
            segment, self._anywhere
        ):
            match = pattern.match(path)
            if match is None:
                continue
            if method in methods:
                if "fastapi.telemetry" in scope:
                    return self._router(scope, receive, send)  # it tells the span which route it is
                parameters = match.groupdict()
                for name, value in parameters.items():
                    parameters[name] = convertors[name].convert(value)
                if "path_params" in scope:
                    parameters = {**scope["path_params"], **parameters}
                scope["path_params"] = parameters
                scope.update(about)
                return app(scope, receive, send)
            allowed |= methods
        if allowed and self._is_complete:
            raise HTTPException(405, headers={"Allow": ", ".join(sorted(allowed))})
        return self._router(scope, receive, send)

    def _add(self, context: RouteContext) -> None:
        about = {"endpoint": context.endpoint, "router": self._router}
        if isinstance(context.original_route, APIRoute):
            about["route"] = context.original_route
        methods = set(context.methods or ())
        entry = (context.path_regex, methods, context.param_convertors, context.app, about)
        segment = str(context.path)[1:].partition("/")[0]
        if "{" not in segment:
            self._by_segment.setdefault(segment, [*self._anywhere]).append(entry)
            return
        for entries in (self._anywhere, *self._by_segment.values()):
            entries.append(entry)


def _is_plain(context: RouteContext, router: APIRouter) -> bool:
    """Whether a route is matched by path and method alone, in the way that is known here."""
    route = context.original_route
    kind = type(route)
    if isinstance(route, APIRoute):
        return kind.matches is APIRoute.matches and kind.handle is APIRoute.handle
    # One of Starlette's in an included router gets that router's limits on the way.
    is_own = kind is Route and route in router.routes and context.methods is not None
    return is_own or isinstance(route, WebSocketRoute)


def _limits_forms(routes: Iterable[BaseRoute]) -> bool:
    """Whether a router among the routes limits forms, which it does as a request passes through."""
    contexts = (getattr(route, "include_context", None) for route in routes)
    return any(
        context.form_limits or _limits_forms(context.included_router.routes)
        for context in contexts
        if context is not None
    )
