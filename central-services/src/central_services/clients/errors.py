# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Why a call to another service failed. Importing this module imports no HTTP library."""

from __future__ import annotations

from typing import ClassVar


class HttpClientError(Exception):
    """Base of what `HttpClient` raises; says which call failed and why, and holds no secret.

    Attributes:
        status: HTTP status that fits when this error reaches the service's own caller.
        title: What that caller may be told.
        reason: What went wrong.
        client: Name of the client, as in its logs.
        method: Method of the call; empty where there was no call yet.
        url: URL of the call without user information, query and fragment.
        attempts: How often the call was sent, or tried to be.
    """

    status: ClassVar[int] = 502
    title: ClassVar[str] = "Bad Gateway"

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.client = ""
        self.method = ""
        self.url = ""
        self.attempts = 0

    def __str__(self) -> str:
        if not self.method:
            return self.reason
        tries = f" after {self.attempts} attempts" if self.attempts > 1 else ""
        return f"{self.client}: {self.method} {self.url} failed{tries}: {self.reason}"


class InvalidUrlError(HttpClientError):
    """The URL can't be called: it is malformed, or its scheme is not http or https."""


class BlockedAddressError(HttpClientError):
    """The URL leads to an address that the service must not call; nothing was sent.

    A host inside your own network is allowed by HTTP_CLIENT__ALLOWED_INTERNAL_HOSTS.
    """


class ConnectionFailedError(HttpClientError):
    """The other side could not be reached, broke off, or did not speak HTTP."""


class CallTimeoutError(HttpClientError):
    """One step of the call (connect, read, write, a free connection) took too long."""

    status = 504
    title = "Gateway Timeout"


class DeadlineExceededError(CallTimeoutError):
    """The whole call, its retries and redirects included, took longer than it may."""


class CircuitOpenError(HttpClientError):
    """The host failed too often in a row, so it is left alone for a while; nothing was sent.

    Attributes:
        retry_after_s: Seconds until it is tried again.
    """

    status = 503
    title = "Service Unavailable"

    def __init__(self, reason: str, *, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class ResponseTooLargeError(HttpClientError):
    """The response body, as received or as decompressed, is larger than it may be.

    Attributes:
        limit: The largest body allowed, in bytes.
    """

    def __init__(self, limit: int) -> None:
        super().__init__(f"the response body is larger than {limit} bytes")
        self.limit = limit


class InvalidResponseError(HttpClientError):
    """The response can't be read: its compression or its framing is broken."""


class RedirectError(HttpClientError):
    """A redirect was not followed: too many, malformed, to plain HTTP, or with a spent body."""
