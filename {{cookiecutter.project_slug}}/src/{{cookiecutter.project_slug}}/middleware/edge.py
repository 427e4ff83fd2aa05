# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One raw ASGI middleware that applies every policy in a single pass over a request.

Seven middlewares stacked would each wrap `send` and look through the headers again. Here the headers
are read once, what is added to a response is encoded beforehand, and `send` is wrapped once, by a
plain method: it returns the server's awaitable instead of awaiting it in a frame of its own.
"""

from __future__ import annotations

import traceback
from collections.abc import Awaitable
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..utils.context import RequestContext, current_request
from ..utils.logging import get_logger, log_request
from .body_limit import BodyLimit, CountedBody, has_body
from .client_address import ClientAddresses
from .cors import RESPONSE_NAMES as CORS_NAMES
from .cors import CorsPolicy, is_preflight
from .headers import HeaderPolicy, without
from .hosts import HostPolicy, https_redirect
from .rate_limit import RateLimiter
from .refusals import Fields, Pair, Refusal, read_fields
from .request_id import MAX_PATH, is_plain_id, new_request_id, parse_traceparent, printable
from .ssrf import SsrfFilter

if TYPE_CHECKING:
    from .request_context import RequestTracer

CLIENT_CLOSED_REQUEST = 499
"""Logged when the client went away before it was answered; nginx's number, never sent."""

METHODS = frozenset(
    ("CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE")
)


@dataclass(frozen=True)
class Policies:
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
    addresses: ClientAddresses = field(default_factory=ClientAddresses)
    probe_paths: tuple[str, ...] = ("/health/",)
    debug: bool = False


class Exchange:
    """One request and the response to it.

    Nothing outlives the request with it. Its context does, in the timers that a server starts while
    a response is sent, which is why that is a small object of its own: holding on to the whole
    exchange made the garbage collector run 90 times as often.

    Attributes:
        scope: The request.
        fields: Its headers by name.
        path: Its path, without the prefix that the application is mounted at.
        address: The client's address.
        context: What loggers may know about the request, if that is wanted.
        extra: Headers that are added to the response.
        status: The response's status; 0 until it has started.
        answered: Whether the edge has answered in the application's place, which is then not
            listened to any more.
        logged: Whether its access log line is written, or none is wanted.
    """

    address: str
    extra: list[Pair]
    logged: bool
    context: RequestContext | None

    __slots__ = (
        "_names",
        "_send",
        "_started_at",
        "address",
        "answered",
        "context",
        "extra",
        "fields",
        "logged",
        "path",
        "scope",
        "status",
    )

    def __init__(self, edge: SecurityEdge, scope: Scope, send: Send) -> None:
        self._started_at = perf_counter()
        self._send = send
        self._names = edge.names
        self.scope = scope
        self.status = 0
        self.answered = False
        self.fields = fields = read_fields(scope["headers"])
        self.path = path = scope["path"]
        if scope.get("root_path"):
            self.path = path = path_inside(scope["root_path"], path)
        client = scope.get("client")
        if client is None or b"x-forwarded-for" in fields:
            self.address = edge.policies.addresses.address(scope, fields)
        else:
            self.address = client[0]
        extra = edge.ordinary
        if extra is None or b"origin" in fields or path.startswith(edge.docs_prefixes):
            extra = edge.headers(self)
        if edge.policies.context:
            self.logged = False
            self.context, request_id = identify(fields)
            self.extra = [*extra, (b"x-request-id", request_id)]
        else:
            self.logged = True
            self.context = None
            self.extra = [*extra]

    def send(self, message: Message) -> Awaitable[None]:
        """Pass a message of the application on, adding the headers that it does not set itself."""
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            own, extra, names = message.get("headers", ()), self.extra, self._names
            for name, _ in own:
                if name in names:
                    extra = without(extra, own)
                    break
            # A new list: the application may send the same response object again.
            message["headers"] = [*own, *extra]
        elif not self.logged and kind == "http.response.body" and not message.get("more_body"):
            self.log(self.status)
        return self._send(message)

    async def answer(self, refusal: Refusal) -> None:
        """Answer in the application's place, unless its response has started."""
        if not self.status and not self.answered:
            own, body = refusal.render()
            await self.send(
                {"type": "http.response.start", "status": refusal.status, "headers": own}
            )
            await self.send({"type": "http.response.body", "body": body})
        self.answered = True
        self._send = _ignore

    def log(self, status: int) -> None:
        """Write the access log line, once."""
        if self.logged:
            return
        self.logged = True
        scope = self.scope
        method, path = scope.get("method", "WEBSOCKET"), scope["path"]
        log_request(
            method=method if method in METHODS else printable(method, 16),
            path=path if len(path) <= MAX_PATH and path.isprintable() else printable(path),
            status=status,
            duration_ms=(perf_counter() - self._started_at) * 1e3,
            client=self.address,
        )


def path_inside(root: str, path: str) -> str:
    """Return a path without the prefix that the application is mounted at."""
    return path[len(root) :] if path.startswith(f"{root}/") else path


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


async def _ignore(message: Message) -> None:
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
        self.names = names | (headers.names if headers is not None else set())
        self._known_hosts = hosts.known if hosts is not None else None
        # What an ordinary response gets: of an API path, to a request without an origin, and
        # where https makes no difference.
        self.docs_prefixes = headers.docs_prefixes if headers is not None else ()
        self.ordinary: tuple[Pair, ...] | None = None
        if headers is None or headers.ignores_scheme:
            own = headers.headers("", https=True) if headers is not None else ()
            self.ordinary = own + (cors.headers(None) if cors is not None else ())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] != "http":
            await self._serve_other(scope, receive, send)
            return
        policies = self.policies
        exchange = Exchange(self, scope, send)
        token = current_request.set(exchange.context) if policies.context else None
        tracer = policies.tracer
        trace = tracer.start(scope) if tracer is not None else None
        try:
            fields, known = exchange.fields, self._known_hosts
            refusal = None
            if (
                scope["method"] == "OPTIONS"
                or policies.https_redirect
                or (known is not None and fields.get(b"host") not in known)
            ):
                refusal = self._vet_caller(exchange)
            limiter = policies.limiter
            if limiter is not None and refusal is None:
                if limiter.store is None:
                    verdict = limiter.check(scope, exchange.path, fields, exchange.address)
                else:
                    verdict = await limiter.check_shared(
                        scope, exchange.path, fields, exchange.address
                    )
                if isinstance(verdict, Refusal):
                    refusal = verdict
                else:
                    exchange.extra += verdict
            if refusal is None and (scope["query_string"] or has_body(scope, fields)):
                refusal = self._vet_content(exchange)
                receive = self._counted(exchange, receive)
            if refusal is None:
                await self.app(scope, receive, exchange.send)
            else:
                await exchange.answer(refusal)
        except Exception as error:
            # The edge: whatever nobody handled is logged and answered here.
            if not await self._handled(exchange, error):
                raise
        finally:
            if not exchange.logged:
                exchange.log(exchange.status or CLIENT_CLOSED_REQUEST)
            if tracer is not None and trace is not None:
                tracer.finish(trace, scope, exchange.status)
            if token is not None:
                current_request.reset(token)

    def headers(self, exchange: Exchange) -> tuple[Pair, ...]:
        """Return the headers that a response gets in any case."""
        policies, fields = self.policies, exchange.fields
        found: tuple[Pair, ...] = ()
        if policies.headers is not None:
            https = policies.addresses.is_https(exchange.scope, fields)
            found += policies.headers.headers(exchange.path, https=https)
        if policies.cors is not None:
            found += policies.cors.headers(fields.get(b"origin"))
        return found

    def _vet_caller(self, exchange: Exchange) -> Refusal | None:
        """Return why a caller is not let in, from what is known before its request is counted."""
        policies, fields, scope = self.policies, exchange.fields, exchange.scope
        probe = exchange.path.startswith(policies.probe_paths)
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

    def _vet_content(self, exchange: Exchange) -> Refusal | None:
        """Return why a request is not passed on."""
        policies = self.policies
        query = exchange.scope["query_string"]
        refusal = policies.ssrf.check(query) if query and policies.ssrf is not None else None
        if refusal is None and policies.body is not None:
            refusal = policies.body.check(exchange.scope, exchange.fields)
        return refusal

    def _counted(self, exchange: Exchange, receive: Receive) -> Receive:
        """Return a body's source that counts, when its length was not declared."""
        body = self.policies.body
        if body is None or b"content-length" in exchange.fields:
            return receive

        async def overflow() -> None:
            await exchange.answer(body.refusal(exchange.scope))

        return CountedBody(receive, body.max_bytes, overflow)

    async def _handled(self, exchange: Exchange, error: Exception) -> bool:
        """Log, report and answer an exception; False when it has to be raised again."""
        if exchange.answered or isinstance(error, ClientDisconnect):
            return True
        if not self.policies.context:
            return False
        scope = exchange.scope
        method, path = scope.get("method", "WEBSOCKET"), printable(scope["path"])
        get_logger(__name__).error(
            "unhandled_exception", method=printable(method, 16), path=path, exc_info=error
        )
        if self.policies.tracer is not None:
            self.policies.tracer.capture(error, scope)
        if exchange.status or scope["type"] != "http":
            return False
        refusal = Refusal(500)
        if self.policies.debug:
            lines = traceback.format_exception(error)
            refusal = Refusal(500, repr(error), extensions={"traceback": lines})
        await exchange.answer(refusal)
        return True

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
        policies = self.policies
        exchange = Exchange(self, scope, send)
        token = current_request.set(exchange.context) if policies.context else None
        status = 403
        try:
            refusal = self._vet_caller(exchange)
            limiter = policies.limiter
            if refusal is None and limiter is not None:
                request = scope, exchange.path, exchange.fields, exchange.address
                local = limiter.store is None
                verdict = limiter.check(*request) if local else await limiter.check_shared(*request)
                refusal = verdict if isinstance(verdict, Refusal) else None
            if refusal is None:
                status = 101
                await self.app(scope, receive, send)
            else:
                await send({"type": "websocket.close", "code": 1008, "reason": refusal.detail})
        except Exception as error:
            # The edge: logged here; the server closes the connection.
            await self._handled(exchange, error)
            raise
        finally:
            exchange.log(status)
            if token is not None:
                current_request.reset(token)
