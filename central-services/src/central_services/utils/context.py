# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is known about the request being served, for whoever writes a log line or an event."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any


class RequestContext:
    """The request being served; one object per request, so that setting it costs one assignment.

    Attributes:
        request_id: Its id, at most 64 plain characters.
        trace_id: The W3C trace id (32 hex digits) the caller sent, or an empty string.
        span_id: The caller's span id (16 hex digits), or an empty string.
        data: What was bound on the way (user, route, breadcrumbs); None until something is.
    """

    __slots__ = ("data", "request_id", "span_id", "trace_id")

    def __init__(self, request_id: str, trace_id: str = "", span_id: str = "") -> None:
        self.request_id = request_id
        self.trace_id = trace_id
        self.span_id = span_id
        self.data: dict[str, Any] | None = None


current_request: ContextVar[RequestContext | None] = ContextVar("current_request", default=None)


def request_id() -> str:
    """Return the id of the request being served, or an empty string outside of one."""
    context = current_request.get()
    return context.request_id if context is not None else ""
