# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One call of `HttpClient`: what it was asked for, and what it says when it fails."""

from __future__ import annotations

import time
from collections.abc import AsyncIterable, Mapping, Sequence
from typing import TypedDict

import httpx2

from ..core.config import ENV_PREFIX, HttpClientSettings
from ..utils.context import current_request
from ..utils.redaction import redact_text
from .errors import (
    CallTimeoutError,
    ConnectionFailedError,
    HttpClientError,
    InvalidResponseError,
    InvalidUrlError,
)

_Primitive = str | int | float | bool | None


class RequestOptions(TypedDict, total=False):
    """What a call may say beyond its method and URL.

    Attributes:
        params: Query parameters.
        headers: Headers, over those of the client.
        json: Body, as JSON.
        content: Body, as it is; one that is iterated is sent at most once, so never repeated.
        data: Body, as a form.
        files: Body, as a multipart form: field to file name, content and media type.
        timeout_s: Seconds for the whole call, retries and redirects included.
        max_retries: Retries of this call, if it is safe to repeat.
        max_response_bytes: Largest response body, in bytes.
        follow_redirects: Whether redirects are followed; True by default.
    """

    params: Mapping[str, _Primitive | Sequence[_Primitive]]
    headers: Mapping[str, str]
    json: object
    content: bytes | str | AsyncIterable[bytes]
    data: Mapping[str, _Primitive | Sequence[_Primitive]]
    files: Mapping[str, tuple[str, bytes, str]]
    timeout_s: float
    max_retries: int
    max_response_bytes: int
    follow_redirects: bool


class Call:
    """One call of a user, through all its attempts and redirects."""

    __slots__ = (
        "attempts",
        "auth",
        "deadline",
        "follow_redirects",
        "request",
        "retried",
        "retries",
        "started",
        "streamed",
        "timeout_s",
    )

    def __init__(
        self, request: httpx2.Request, options: RequestOptions, settings: HttpClientSettings
    ) -> None:
        self.request = request
        self.attempts = 0
        self.retried = 0
        self.retries = options.get("max_retries", settings.max_retries)
        self.follow_redirects = options.get("follow_redirects", True)
        self.auth: httpx2.Auth | None = None
        self.streamed = False
        self.started = time.monotonic()
        self.timeout_s = options.get("timeout_s", settings.total_timeout_s)
        self.deadline = self.started + self.timeout_s


def loggable_url(url: httpx2.URL) -> str:
    """Return a URL without user information, query and fragment, where secrets live."""
    bare = url.copy_with(username=None, password=None, query=None, fragment=None)
    return redact_text(str(bare)[:500])  # some services put tokens into the path


def with_context(headers: Mapping[str, str] | None) -> Mapping[str, str] | None:
    """Add the id and the trace of the request being served, unless the caller gave their own."""
    context = current_request.get()
    if context is None:
        return headers
    merged = {"x-request-id": context.request_id}
    if context.trace_id and context.span_id:
        # W3C trace context: passed on as it came, marked as recorded, for we don't know better.
        merged["traceparent"] = f"00-{context.trace_id}-{context.span_id}-01"
    if headers:
        merged.update((name.lower(), value) for name, value in headers.items())
    return merged


def explained(error: httpx2.RequestError) -> HttpClientError:
    """Return our error for one of httpx2's."""
    if isinstance(error, httpx2.LocalProtocolError):
        # Its text repeats header values.
        return HttpClientError("the request has a header or body that HTTP does not allow")
    if isinstance(error, httpx2.PoolTimeout):
        reason = f"no connection became free; raise {ENV_PREFIX}HTTP_CLIENT__MAX_CONNECTIONS"
        return CallTimeoutError(reason)
    reason = f"{type(error).__name__}: {error}"[:300]
    if isinstance(error, httpx2.TimeoutException):
        return CallTimeoutError(reason)
    if isinstance(error, httpx2.UnsupportedProtocol):
        return InvalidUrlError(reason)
    if isinstance(error, httpx2.DecodingError):
        return InvalidResponseError(reason)
    return ConnectionFailedError(reason)


def cause_of(error: httpx2.RequestError) -> httpx2.RequestError | None:
    return None if isinstance(error, httpx2.LocalProtocolError) else error
