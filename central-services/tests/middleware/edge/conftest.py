# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Small applications behind the whole edge, and requests that no HTTP client would send."""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message

from central_services.middleware.security import add_security_middleware
from central_services.utils.logging import flush, setup_logging

CLIENT = "203.0.113.7"


@dataclass
class Reply:
    """What an application sent, and the exception that it left to the server."""

    sent: list[Message] = field(default_factory=list)
    error: Exception | None = None

    @property
    def start(self) -> Message:
        (start,) = [message for message in self.sent if message["type"] == "http.response.start"]
        return start

    @property
    def status(self) -> int:
        return self.start["status"]

    @property
    def headers(self) -> httpx2.Headers:
        return httpx2.Headers(self.start["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")

    @property
    def is_complete(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)


class Lines(io.StringIO):
    """What was logged, as JSON lines."""

    def all(self, event: str | None = None) -> list[dict[str, Any]]:
        flush()
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        return [line for line in lines if event in (None, line["event"])]

    def one(self, event: str = "http_request") -> dict[str, Any]:
        (line,) = self.all(event)
        return line


Ask = Callable[..., Awaitable[Reply]]
Secured = Callable[..., Starlette]


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged from now on."""
    stream = Lines()
    setup_logging(json_logs=True, stream=stream)
    yield stream
    setup_logging()


@pytest.fixture(scope="session")
def ask() -> Ask:
    """A function that plays the server: it sends one request, byte for byte, to an application.

    Headers are pairs of bytes, all there are. After the last part of the body, and instead of a
    part that is None, the client has gone away.
    """

    async def request(
        app: ASGIApp,
        path: str = "/hello",
        *,
        method: str = "GET",
        headers: Iterable[tuple[bytes, bytes]] = ((b"host", b"testserver"),),
        query: bytes = b"",
        parts: Iterable[bytes | None] = (b"",),
        address: str | None = CLIENT,
        **scope: Any,
    ) -> Reply:
        reply, left = Reply(), list(parts)

        async def receive() -> Message:
            part = left.pop(0) if left else None
            if part is None:
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": part, "more_body": bool(left)}

        async def send(message: Message) -> None:
            reply.sent.append(message)

        request = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query,
            "root_path": "",
            "headers": list(headers),
            "client": None if address is None else (address, 50_000),
            "server": ("testserver", 80),
        }
        try:
            await app(request | scope, receive, send)
        except Exception as error:  # noqa: BLE001  # a server takes it too, and tests look at it
            reply.error = error
        return reply

    return request


async def hello(request: Request) -> Response:
    """Greet."""
    return JSONResponse({"hello": "world"})


async def broken(request: Request) -> Response:
    """Fail in a way that nobody expected."""
    message = "the secret ingredient"
    raise RuntimeError(message)


async def take(request: Request) -> Response:
    """Say how long the body was."""
    return JSONResponse(len(await request.body()))


@pytest.fixture(scope="session")
def secured() -> Secured:
    """A function that builds an application; keywords are those of `add_security_middleware`."""

    def build(*routes: Route, **options: Any) -> Starlette:
        own = [
            Route("/hello", hello, methods=["GET", "POST"]),
            Route("/health/live", hello),
            Route("/broken", broken),
            Route("/take", take, methods=["POST"]),
            *routes,
        ]
        app = Starlette(routes=own)
        # High enough that no test meets it by accident.
        options.setdefault("rate_limit_rpm", 1_000_000)
        add_security_middleware(app, **options)
        return app

    return build


@pytest.fixture(scope="session")
def client_of() -> Callable[..., httpx2.AsyncClient]:
    """A function that returns a client of an application, calling from an address."""

    def connect(app: ASGIApp, address: str = CLIENT) -> httpx2.AsyncClient:
        transport = httpx2.ASGITransport(app=app, client=(address, 50_000))
        return httpx2.AsyncClient(transport=transport, base_url="http://testserver")

    return connect
