# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One raw ASGI middleware that applies every policy in a single pass over a request.

Seven middlewares stacked would each wrap `send` and look through the headers again. Here the headers
are read once, what is added to a response is encoded beforehand, and `send` is wrapped once, by a
plain method: it returns the server's awaitable instead of awaiting it in a frame of its own.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..api.routing import path_inside
from ..utils.context import RequestContext, current_request
from ..utils.logging import get_logger, log_request
from .body_limit import BodyLimit, CountedBody, has_body
from .client_address import ClientAddresses
from .cors import RESPONSE_NAMES as CORS_NAMES
from .cors import CorsPolicy, is_preflight
from .headers import HeaderPolicy, without
from .hosts import HostPolicy, https_redirect
from .rate_limit import RateLimiter
from .refusals import READ, Fields, Pair, Refusal, read_fields
from .request_id import is_plain_id, new_request_id, parse_traceparent, printable
from .ssrf import SsrfFilter

if TYPE_CHECKING:
    from .request_context import RequestTracer

CLIENT_CLOSED_REQUEST = 499
"""Logged when the client went away before it was answered; nginx's number, never sent."""

START, BODY = "http.response.start", "http.response.body"


class Policies(NamedTuple):
    """What the edge applies; None switches a policy off.

    Attributes:
        headers: Security headers of every response.
        hosts: Host names that are served.
        cors: Origins whose scripts may read responses.
        https_redirect: Whether plain HTTP is sent to https.
        limiter: Rate limits.
        ssrf: Filter on query parameters.
        body: Limit on request bodies.
        context: Whether to give requests an id, write the access log and answer unhandled
            exceptions.
        tracer: Told about every request and unhandled exception.
        addresses: Finds the client behind trusted proxies.
        probe_paths: Path prefixes that an orchestrator asks by address and in plain HTTP: no
            redirect, and any host.
        debug: Whether a 500 shows the exception and its traceback.
    """

    headers: HeaderPolicy | None = None
    hosts: HostPolicy | None = None
    cors: CorsPolicy | None = None
    https_redirect: bool = False
    limiter: RateLimiter | None = None
    ssrf: SsrfFilter | None = None
    body: BodyLimit | None = None
    context: bool = False
    tracer: RequestTracer | None = None
    addresses: ClientAddresses = ClientAddresses()
    probe_paths: tuple[str, ...] = ("/health/",)
    debug: bool = False


def log(scope: Scope, status: int, begun: float, address: str) -> None:
    """Write the access log line of a request."""
    method, path = scope.get("method", "WEBSOCKET"), scope["path"]
    log_request(
        method=printable(method, 16),
        path=printable(path),
        status=status,
        duration_ms=(perf_counter() - begun) * 1e3,
        client=address,
    )


def identify(fields: Fields) -> tuple[RequestContext, bytes]:
    """Return the context of a request, and its id: the caller's, if that is short and plain."""
    sent = fields.get(b"x-request-id")
    if sent is not None and is_plain_id(sent):
        request_id = sent.decode()
    else:
        request_id = new_request_id()
        sent = request_id.encode()
    if b"traceparent" in fields:
        return RequestContext(request_id, *parse_traceparent(fields[b"traceparent"])), sent
    return RequestContext(request_id), sent


async def _ignore() -> None:
    """Take a message of an application that nobody listens to any more."""


class SecurityEdge:
    """Apply every policy that is given.

    The order: request id, host name, preflight (never limited), redirect to https, rate limit,
    query parameters, body size, application. Each answer on the way out carries the security
    headers, the CORS headers and the request id, and is in the access log.

    Args:
        app: The application inside.
        policies: What to apply.
    """

    def __init__(self, app: ASGIApp, policies: Policies) -> None:
        self.app = app
        self.policies = policies
        headers, cors, hosts = policies.headers, policies.cors, policies.hosts
        names = {b"x-request-id", b"ratelimit", b"ratelimit-policy", *CORS_NAMES}
        self._names = names | (headers.names if headers is not None else set())
        self._known_hosts = hosts.known if hosts is not None else None
        self._docs_prefixes = headers.docs_prefixes if headers is not None else ()
        # What an ordinary response gets: of an API path, to a request without an origin, and
        # where https makes no difference.
        self._ordinary: tuple[Pair, ...] | None = None
        if headers is None or headers.ignores_scheme:
            own = headers.headers("", https=True) if headers is not None else ()
            self._ordinary = own + (cors.headers(None) if cors is not None else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan.

        Longer than functions should be: each call that is not made here saves 0.5 % of the CPU of a
        small request.
        """
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        begun = perf_counter()
        policies, tracer = self.policies, self.policies.tracer
        fields: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in READ:
                fields[name] = fields[name] + b", " + value if name in fields else value
        path = scope["path"]
        if scope.get("root_path"):
            path = path_inside(scope["root_path"], path)
        client = scope.get("client")
        if client is None or b"x-forwarded-for" in fields:
            address = policies.addresses.address(scope, fields)
        else:
            address = client[0]
        common = self._ordinary
        if common is None or b"origin" in fields or path.startswith(self._docs_prefixes):
            common = self._headers(scope, path, fields)
        token = None
        if policies.context:
            context, request_id = identify(fields)
            extra = [*common, (b"x-request-id", request_id)]
            token = current_request.set(context)
        else:
            extra = [*common]
        names, status, logged, closed = self._names, 0, token is None, False

        def forward(message: Message) -> Awaitable[None]:
            # Not a coroutine: it hands the server's on, which saves a frame per message.
            nonlocal status, logged
            if closed:
                return _ignore()
            if message["type"] == "http.response.start":
                status = message["status"]
                own, added = message.get("headers", ()), extra
                for name, _ in own:
                    if name in names:
                        added = without(extra, own)
                        break
                # A new list: the application may send the same response object again.
                message["headers"] = [*own, *added]
            elif not (logged or message.get("more_body")):
                logged = True
                log(scope, status, begun, address)
            return send(message)

        async def answer(refusal: Refusal) -> None:
            nonlocal closed
            if not status:
                own, body = refusal.render()
                await forward({"type": START, "status": refusal.status, "headers": own})
                await forward({"type": BODY, "body": body})
            closed = True

        trace = tracer.start(scope) if tracer is not None else None
        try:
            refusal = None
            known = self._known_hosts
            if (
                scope["method"] == "OPTIONS"
                or policies.https_redirect
                or (known is not None and fields.get(b"host") not in known)
            ):
                refusal = self._vet_caller(scope, path, fields)
            limiter = policies.limiter
            if limiter is not None and refusal is None:
                if limiter.store is None:
                    verdict = limiter.check(scope, path, fields, address)
                else:
                    verdict = await limiter.check_shared(scope, path, fields, address)
                if isinstance(verdict, Refusal):
                    refusal = verdict
                else:
                    extra += verdict
            # HTTP/1 announces a body in a header that is among the fields; later versions need not.
            if refusal is None and (
                len(fields) > 1 or scope["query_string"] or scope["http_version"] != "1.1"
            ):
                refusal = self._vet_content(scope, fields)
                receive = self._counted(scope, fields, receive, answer)
            if refusal is None:
                await self.app(scope, receive, forward)
            else:
                await answer(refusal)
        except Exception as error:  # the edge: what nobody handled is logged and answered here
            if not (closed or isinstance(error, ClientDisconnect)):
                if not policies.context:
                    raise
                refusal = self._failure(scope, error)
                if status:
                    raise
                await answer(refusal)
        finally:
            if not logged:
                log(scope, status or CLIENT_CLOSED_REQUEST, begun, address)
            if tracer is not None and trace is not None:
                tracer.finish(trace, scope, status)
            if token is not None:
                current_request.reset(token)

    def _headers(self, scope: Scope, path: str, fields: Fields) -> tuple[Pair, ...]:
        """Return the headers that a response gets in any case."""
        policies = self.policies
        found: tuple[Pair, ...] = ()
        if policies.headers is not None:
            https = policies.addresses.is_https(scope, fields)
            found += policies.headers.headers(path, https=https)
        if policies.cors is not None:
            found += policies.cors.headers(fields.get(b"origin"))
        return found

    def _vet_caller(self, scope: Scope, path: str, fields: Fields) -> Refusal | None:
        """Return why a caller is not let in, from what is known before its request is counted."""
        policies = self.policies
        probe = path.startswith(policies.probe_paths)
        host = fields.get(b"host")
        if policies.hosts is not None and not probe and not policies.hosts.accepts(host):
            return policies.hosts.refusal()
        if scope["type"] == "websocket":
            return None
        if policies.cors is not None and is_preflight(scope["method"], fields):
            return policies.cors.preflight(fields)
        redirects = policies.https_redirect and not probe
        if redirects and not policies.addresses.is_https(scope, fields):
            return https_redirect(scope, host)
        return None

    def _vet_content(self, scope: Scope, fields: Fields) -> Refusal | None:
        """Return why a request is not passed on."""
        policies = self.policies
        query = scope["query_string"]
        refusal = policies.ssrf.check(query) if query and policies.ssrf is not None else None
        if refusal is None and policies.body is not None:
            refusal = policies.body.check(scope, fields)
        return refusal

    def _counted(
        self,
        scope: Scope,
        fields: Fields,
        receive: Receive,
        answer: Callable[[Refusal], Awaitable[None]],
    ) -> Receive:
        """Return a body's source that counts, when its length was not declared."""
        body = self.policies.body
        if body is None or b"content-length" in fields or not has_body(scope, fields):
            return receive
        return CountedBody(receive, body.max_bytes, lambda: answer(body.refusal(scope)))

    def _failure(self, scope: Scope, error: Exception) -> Refusal:
        """Log and report an exception that nobody handled, and return the answer to its caller."""
        method = printable(scope.get("method", "WEBSOCKET"), 16)
        path = printable(scope["path"])
        if self.policies.tracer is not None:
            # First: an error line becomes an event too, and of two for one exception the first counts.
            self.policies.tracer.capture(error, scope)
        get_logger(__name__).error("unhandled_exception", method=method, path=path, exc_info=error)
        if not self.policies.debug:
            return Refusal(500)
        lines = traceback.format_exception(error)
        return Refusal(500, repr(error), extensions={"traceback": lines})

    async def _serve_other(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, or close what is open when the application shuts down."""
        if scope["type"] == "websocket":
            await self._serve_websocket(scope, receive, send)
            return
        limiter = self.policies.limiter

        async def close_first(message: Message) -> None:
            # The server may stop the loop as soon as it has this message.
            if message["type"].startswith("lifespan.shutdown") and limiter is not None:
                await limiter.aclose()
            await send(message)

        await self.app(scope, receive, close_first)

    async def _serve_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Vet the opening handshake of a WebSocket; a refused one is answered with 403."""
        policies, limiter = self.policies, self.policies.limiter
        begun, status = perf_counter(), 403
        fields = read_fields(scope["headers"])
        path = path_inside(scope.get("root_path", ""), scope["path"])
        address = policies.addresses.address(scope, fields)
        token = current_request.set(identify(fields)[0]) if policies.context else None
        try:
            refusal = self._vet_caller(scope, path, fields)
            if refusal is None and limiter is not None:
                request = scope, path, fields, address
                local = limiter.store is None
                verdict = limiter.check(*request) if local else await limiter.check_shared(*request)
                refusal = verdict if isinstance(verdict, Refusal) else None
            if refusal is None:
                status = 101
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
        except Exception as error:  # the edge: logged here, and the server closes the connection
            if policies.context:
                self._failure(scope, error)
            raise
        finally:
            if token is not None:
                log(scope, status, begun, address)
                current_request.reset(token)
