# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""An httpx2 transport that bounds what a response may cost, and the guarded one built on it."""

from __future__ import annotations

import contextlib
import functools
import ssl
import time
from collections.abc import AsyncGenerator, AsyncIterator

import httpcore2
import httpx2

from ..core.config import HttpClientSettings
from .errors import DeadlineExceededError, ResponseTooLargeError
from .sockets import connect
from .ssrf import AddressPolicy, Connector, GuardedBackend, Resolver, resolve

KEEPALIVE_EXPIRY_S = 15.0  # below the idle timeouts of usual servers and proxies (20 s and more)

_ERRORS: dict[type[Exception], type[httpx2.TransportError]] = {
    httpcore2.ConnectError: httpx2.ConnectError,
    httpcore2.ConnectTimeout: httpx2.ConnectTimeout,
    httpcore2.LocalProtocolError: httpx2.LocalProtocolError,
    httpcore2.PoolTimeout: httpx2.PoolTimeout,
    httpcore2.ReadError: httpx2.ReadError,
    httpcore2.ReadTimeout: httpx2.ReadTimeout,
    httpcore2.RemoteProtocolError: httpx2.RemoteProtocolError,
    httpcore2.UnsupportedProtocol: httpx2.UnsupportedProtocol,
    httpcore2.WriteError: httpx2.WriteError,
    httpcore2.WriteTimeout: httpx2.WriteTimeout,
}
_CORE_ERRORS = tuple(_ERRORS)


def _translated(error: Exception) -> httpx2.TransportError:
    return _ERRORS[type(error)](str(error) or type(error).__name__)


class BoundedResponse(httpx2.Response):
    """A response whose body can't outgrow a limit, as received or as decompressed."""

    max_bytes: int

    def aiter_bytes(self, chunk_size: int | None = None) -> AsyncGenerator[bytes, None]:
        """Iterate over the decompressed body (`httpx2.Response.aiter_bytes`).

        Raises:
            ResponseTooLargeError: It is larger than the limit; no more of it is decompressed.
        """
        parts = super().aiter_bytes(chunk_size)
        # What is received is counted by the stream below; only compression can add to that.
        return self._counted(parts) if "content-encoding" in self.headers else parts

    async def _counted(self, parts: AsyncGenerator[bytes, None]) -> AsyncGenerator[bytes, None]:
        left = self.max_bytes
        async with contextlib.aclosing(parts):
            async for part in parts:
                left -= len(part)
                if left < 0:
                    raise ResponseTooLargeError(self.max_bytes)
                yield part


class _BoundedStream(httpx2.AsyncByteStream):
    """The body as it is received, in pieces of at most 64 KiB; can be iterated once."""

    def __init__(self, body: httpcore2.Response, max_bytes: int, deadline: float | None) -> None:
        self._body = body
        self._parts = body.aiter_stream()
        self._max_bytes = self._left = max_bytes
        self._deadline = deadline

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._deadline is not None and time.monotonic() > self._deadline:
            reason = "the response body did not end within the deadline"
            raise DeadlineExceededError(reason)
        try:
            part = await self._parts.__anext__()
        except _CORE_ERRORS as error:
            raise _translated(error) from error
        self._left -= len(part)
        if self._left < 0:
            raise ResponseTooLargeError(self._max_bytes)
        return part

    async def aclose(self) -> None:
        await self._parts.aclose()
        await self._body.aclose()


class BoundedTransport(httpx2.AsyncBaseTransport):
    """Pooled HTTP/1.1 over a network backend, without proxies and without httpcore2's own retries.

    Two request extensions change a single call: `max_response_bytes`, and `deadline`, a
    `time.monotonic` moment after which no more of the body is read.

    Args:
        backend: Where connections come from.
        max_connections: Open connections; further calls wait for one.
        max_response_bytes: Largest response body, as received and as decompressed.
        ssl_context: How certificates are checked; by default against the system's, or those in
            SSL_CERT_FILE or SSL_CERT_DIR.
    """

    def __init__(
        self,
        backend: httpcore2.AsyncNetworkBackend,
        *,
        max_connections: int = 100,
        max_response_bytes: int = 10_485_760,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._max_response_bytes = max_response_bytes
        self._pool = httpcore2.AsyncConnectionPool(
            ssl_context=ssl_context or _default_ssl_context(),
            max_connections=max_connections,
            keepalive_expiry=KEEPALIVE_EXPIRY_S,
            network_backend=backend,
        )

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request and return its response, the body unread.

        Raises:
            BlockedAddressError: From a guarded backend; nothing was sent.
            ResponseTooLargeError: The announced length is over the limit, before any is read.
            httpx2.TransportError: The call failed on the way.
        """
        url = request.url
        core_url = httpcore2.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        )
        try:
            answer = await self._pool.handle_async_request(
                httpcore2.Request(
                    request.method,
                    core_url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except _CORE_ERRORS as error:
            raise _translated(error) from error
        limit: int = request.extensions.get("max_response_bytes", self._max_response_bytes)
        stream = _BoundedStream(answer, limit, request.extensions.get("deadline"))
        response = BoundedResponse(
            answer.status, headers=answer.headers, stream=stream, extensions=answer.extensions
        )
        response.max_bytes = limit
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) > limit and request.method != "HEAD":
            await stream.aclose()
            raise ResponseTooLargeError(limit)
        return response

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


@functools.lru_cache(maxsize=1)
def _default_ssl_context() -> ssl.SSLContext:
    """Return the one context of this process; reading the certificates takes tens of ms."""
    return httpx2.create_ssl_context()


def guarded_transport(
    settings: HttpClientSettings,
    *,
    resolver: Resolver = resolve,
    connector: Connector = connect,
    ssl_context: ssl.SSLContext | None = None,
) -> BoundedTransport:
    """Return a transport that refuses to connect to what may not be called.

    For those who bring an httpx2 client of their own, in one line:
    `httpx2.AsyncClient(transport=guarded_transport(settings.http_client), trust_env=False)`. Leave
    `mounts` and `proxy` alone, since they route around the transport.

    Args:
        settings: Limits, and the internal hosts that may be called.
        resolver: Turns names into addresses; by default the operating system.
        connector: Opens connections; by default asyncio.
        ssl_context: How certificates are checked; by default against the system's.

    Raises:
        ValueError: `allowed_internal_hosts` has an entry that is not a host or a network.
    """
    policy = AddressPolicy(settings.allowed_internal_hosts)
    return BoundedTransport(
        GuardedBackend(policy, resolver=resolver, connector=connector),
        max_connections=settings.max_connections,
        max_response_bytes=settings.max_response_bytes,
        ssl_context=ssl_context,
    )
