# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The client for every outgoing HTTP call: guarded, bounded in time and size, and hard to overload.

    async with HttpClient(settings.http_client, base_url="https://stock.example.com") as stock:
        response = await stock.get("/items/42")

Importing this module imports httpx2, which takes a while: a service that calls nobody does not.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import NoReturn, Self, Unpack

import httpx2

from ..core.config import HttpClientSettings
from ..utils.logging import get_logger
from ._calls import Call, RequestOptions, cause_of, explained, loggable_url, with_context
from ._redirects import redirected
from .errors import DeadlineExceededError, HttpClientError, InvalidUrlError, RedirectError
from .resilience import (
    IDEMPOTENT_METHODS,
    RETRIED_STATUSES,
    Clock,
    Host,
    HostRegistry,
    backoff_s,
    parse_retry_after,
)
from .transport import guarded_transport

__all__ = ["HttpClient", "RequestOptions", "guarded_transport"]

MAX_REDIRECTS = 10

_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)
# Our own doing, not the host's, and no better the second time.
_LOCAL = (httpx2.PoolTimeout, httpx2.LocalProtocolError, httpx2.UnsupportedProtocol)
_ANSWERED_5XX = frozenset({501, 505})  # "I never will" is an answer of a healthy host


def _quiet_httpx2() -> None:
    """Keep httpx2 from logging each call at INFO, query included, unless someone asked for it."""
    library = logging.getLogger("httpx2")
    if library.level == logging.NOTSET:
        library.setLevel(logging.WARNING)


class HttpClient:
    """Calls other services over HTTP, on one pool of connections; share it, and close it.

    - Connections go to public addresses and to `allowed_internal_hosts` only (`clients/ssrf.py`).
    - Each call has a deadline, each of its steps a timeout, and the response body a limit.
    - Calls that are safe to repeat are repeated: idempotent methods, whatever carries an
      Idempotency-Key, and what failed before a byte was sent; on a lost connection, 502, 503, 504
      and 429, after a random back-off or what Retry-After asks for, within the deadline and the
      host's retry budget.
    - A host that fails time after time is left alone for a while (circuit breaker).
    - Redirects to another origin take no credentials along, and none leads from https to http.
    - The id and the trace of the request being served go along. Cookies are not kept.
    - A response is returned whatever its status; what could not be had raises `HttpClientError`.

    Args:
        settings: Timeouts and limits.
        base_url: What relative URLs are relative to; other origins are then refused.
        headers: Sent with each call.
        auth: Authentication, kept from other origins.
        name: Names the client in errors and logs.
        transport: Where calls go; by default `guarded_transport(settings)`. One of your own
            answers for the safety of its addresses.
        clock: Monotonic seconds, for the circuit breaker.
        sleep: Waits between attempts.

    Raises:
        ValueError: `allowed_internal_hosts` has an entry that is not a host or a network.
    """

    def __init__(
        self,
        settings: HttpClientSettings,
        *,
        base_url: str = "",
        headers: Mapping[str, str] | None = None,
        auth: httpx2.Auth | None = None,
        name: str = "http",
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.name = name
        self._settings = settings
        self._auth = auth
        self._sleep = sleep
        self._log = get_logger("http_client")
        self._timeouts: dict[str, float] = {
            "connect": settings.connect_timeout_s,
            "read": settings.read_timeout_s,
            "write": settings.read_timeout_s,
            "pool": settings.read_timeout_s,
        }
        self._hosts = HostRegistry(
            failures=settings.breaker_failures,
            reset_s=settings.breaker_reset_s,
            budget=settings.retry_budget,
            clock=clock,
        )
        self._client = httpx2.AsyncClient(
            base_url=base_url,
            headers=headers,
            # One client serves many users: a cookie set for one must not reach the next.
            cookies=CookieJar(policy=DefaultCookiePolicy(allowed_domains=())),
            transport=transport if transport is not None else guarded_transport(settings),
            trust_env=False,
        )
        _quiet_httpx2()
        self._base_url = httpx2.URL(base_url) if base_url else None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; the client can't be used afterwards."""
        await self._client.aclose()

    async def get(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a GET request; see `request`."""
        return await self.request("GET", url, **options)

    async def head(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a HEAD request; see `request`."""
        return await self.request("HEAD", url, **options)

    async def post(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a POST request; see `request`."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a PUT request; see `request`."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a PATCH request; see `request`."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Unpack[RequestOptions]) -> httpx2.Response:
        """Send a DELETE request; see `request`."""
        return await self.request("DELETE", url, **options)

    async def request(
        self, method: str, url: str, **options: Unpack[RequestOptions]
    ) -> httpx2.Response:
        """Send a request and return its response, whatever its status, with the body read.

        Args:
            method: HTTP method.
            url: Absolute, or relative to `base_url`.
            **options: See `RequestOptions`.

        Raises:
            BlockedAddressError: The URL or a redirect leads to a forbidden address.
            CircuitOpenError: The host has failed too often and is left alone.
            DeadlineExceededError: The whole call took too long.
            HttpClientError: Anything else; the base of these too.
        """
        return await self._run(self._begin(method, url, options))

    @contextlib.asynccontextmanager
    async def stream(
        self, method: str, url: str, **options: Unpack[RequestOptions]
    ) -> AsyncGenerator[httpx2.Response]:
        """Send a request and return its response with the body still to be read.

            async with client.stream("GET", url, timeout_s=600) as response:
                async for part in response.aiter_bytes():
                    ...

        The deadline and the size limit hold for the body as well; a body that breaks off is not
        repeated. Arguments and errors as in `request`.
        """
        call = self._begin(method, url, options)
        call.streamed = True
        response = await self._run(call)
        try:
            yield response
        except (HttpClientError, httpx2.RequestError) as error:
            if isinstance(error, httpx2.RequestError) and error.request is response.request:
                self._fail(explained(error), call, cause=error)
            if isinstance(error, HttpClientError) and not error.method:
                self._fail(error, call)
            raise
        finally:
            await response.aclose()

    def _begin(self, method: str, url: str, options: RequestOptions) -> Call:
        """Build the request of a call."""
        extensions: dict[str, object] = {"timeout": self._timeouts}
        if "max_response_bytes" in options:
            extensions["max_response_bytes"] = options["max_response_bytes"]
        try:
            request = self._client.build_request(
                method,
                url,
                params=options.get("params"),
                headers=with_context(options.get("headers")),
                json=options.get("json"),
                content=options.get("content"),
                data=options.get("data"),
                files=options.get("files"),
                extensions=extensions,
            )
            if "files" in options:
                request.read()  # the files are in memory anyhow, and so they can be sent again
            call = Call(request, options, self._settings)
            call.auth = self._auth
            request.extensions["deadline"] = call.deadline
            if request.url.scheme not in {"http", "https"} or not request.url.host:
                reason = "the URL must start with http:// or https:// and have a host"
                self._fail(InvalidUrlError(reason), call)
            base = self._base_url
            if base is not None and request.url.origin != base.origin:
                reason = f"the URL is outside {loggable_url(base)}: use another client for it"
                self._fail(InvalidUrlError(reason), call)
        except httpx2.InvalidURL as error:
            invalid = InvalidUrlError(f"the URL is malformed: {error}"[:200])
            invalid.client, invalid.method, invalid.url = self.name, method, "(malformed)"
            raise invalid from None
        return call

    async def _run(self, call: Call) -> httpx2.Response:
        """Carry out a call within its deadline, and log it when it fails."""
        try:
            async with asyncio.timeout(call.timeout_s):
                response = await self._follow(call)
        except TimeoutError:
            reason = f"it took longer than {call.timeout_s:g} s"
            self._fail(DeadlineExceededError(reason), call)
        except HttpClientError as error:
            self._fail(error, call)
        if response.status_code >= 500:  # the caller sees it, but the operator should too
            self._log_failure(call, status=response.status_code)
        return response

    async def _follow(self, call: Call) -> httpx2.Response:
        """Send the request, and the ones that redirects ask for."""
        history: list[httpx2.Response] = []
        request = call.request
        while True:
            response = await self._send(request, call)
            if not (300 <= response.status_code < 400 and call.follow_redirects):
                break
            if not response.has_redirect_location:
                break
            await response.aclose()
            history.append(response)
            if len(history) > MAX_REDIRECTS:
                reason = f"there were more than {MAX_REDIRECTS} redirects"
                raise RedirectError(reason)
            request, same_origin = redirected(request, response)
            if not same_origin:
                call.auth = None
        if history:
            response.history = history
        return response

    async def _send(self, request: httpx2.Request, call: Call) -> httpx2.Response:
        """Send one request until it is answered or may not be repeated."""
        host = self._hosts.get(request.url.netloc)
        while True:
            host.admit()
            call.attempts += 1
            try:
                response = await self._client.send(
                    request, stream=call.streamed, auth=call.auth, follow_redirects=False
                )
            except httpx2.RequestError as error:
                if isinstance(error, HttpClientError):
                    host.abandoned()
                    raise
                self._count(host, error)
                delay = self._retry_delay(request, call, host, error)
                if delay is None:
                    raise explained(error) from cause_of(error)
            except BaseException as error:  # cancelled calls are counted too, and raised on
                timed_out = isinstance(error, DeadlineExceededError)
                if timed_out or time.monotonic() >= call.deadline:
                    host.failed()
                else:
                    host.abandoned()
                raise
            else:
                status = response.status_code
                if status < 500 and status != 429:
                    host.succeeded()
                    return response
                self._count(host, response)
                delay = self._retry_delay(request, call, host, response)
                if delay is None:
                    return response
                await response.aclose()
            call.retried += 1
            await self._sleep(delay)

    @staticmethod
    def _count(host: Host, outcome: httpx2.Response | httpx2.RequestError) -> None:
        """Tell the host's circuit breaker what an attempt that did not succeed means for it."""
        if isinstance(outcome, httpx2.Response):
            if outcome.status_code in _ANSWERED_5XX:
                host.succeeded()
            elif outcome.status_code == 429:
                host.abandoned()  # busy with others, not broken
            else:
                host.failed()
        elif isinstance(outcome, _LOCAL):
            host.abandoned()
        else:
            host.failed()

    def _retry_delay(
        self,
        request: httpx2.Request,
        call: Call,
        host: Host,
        outcome: httpx2.Response | httpx2.RequestError,
    ) -> float | None:
        """Return the seconds to wait before the next attempt, or None when there is to be none."""
        if call.retried >= call.retries or not host.is_closed:
            return None
        delay = backoff_s(call.retried + 1)
        if isinstance(outcome, httpx2.Response):
            if outcome.status_code not in RETRIED_STATUSES:
                return None
            delay = max(delay, parse_retry_after(outcome.headers.get("retry-after")) or 0.0)
        elif isinstance(outcome, (*_LOCAL, httpx2.DecodingError)):
            return None
        if not isinstance(outcome, _UNSENT):
            idempotent = request.method in IDEMPOTENT_METHODS
            if not idempotent and "idempotency-key" not in request.headers:
                return None
            if not isinstance(request.stream, httpx2.ByteStream):
                return None
        if time.monotonic() + delay >= call.deadline or not host.take_retry():
            return None
        return delay

    def _fail(
        self, error: HttpClientError, call: Call, *, cause: Exception | None = None
    ) -> NoReturn:
        """Say in the error which call failed, log it, and raise it."""
        error.client, error.method = self.name, call.request.method
        error.url, error.attempts = loggable_url(call.request.url), call.attempts
        self._log_failure(call, error=type(error).__name__, reason=error.reason)
        raise error from cause or error.__cause__

    def _log_failure(self, call: Call, **what: object) -> None:
        self._log.warning(
            "http_call_failed",
            client=self.name,
            method=call.request.method,
            url=loggable_url(call.request.url),
            attempts=call.attempts,
            duration_ms=round((time.monotonic() - call.started) * 1_000, 1),
            **what,
        )
