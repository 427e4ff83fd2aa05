# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A real HTTP server on a loopback port, whose answers a test writes down byte for byte."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from structlog.testing import capture_logs

from central_services.clients.http import HttpClient
from central_services.core.config import HttpClientSettings


@dataclass
class Received:
    """A request as the server got it; header names in lower case."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """A running server.

    Attributes:
        answers: What to send, one per request and the last one for ever; None drops the
            connection, an event waits for it first, a function makes the answer.
        requests: What was received.
        arrivals: The same, to wait for.
        connections: How many were opened.
    """

    answers: list[bytes | asyncio.Event | Callable[[Received], bytes] | None]
    requests: list[Received] = field(default_factory=list)
    arrivals: asyncio.Queue[Received] = field(default_factory=asyncio.Queue)
    connections: int = 0
    port: int = 0

    def url(self, path: str = "/") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        while True:
            self.requests.append(await _receive(reader))
            self.arrivals.put_nowait(self.requests[-1])
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            if isinstance(answer, asyncio.Event):
                await answer.wait()
                break
            if answer is None:
                break
            writer.write(answer if isinstance(answer, bytes) else answer(self.requests[-1]))
            await writer.drain()


async def _receive(reader: asyncio.StreamReader) -> Received:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    if headers.get("transfer-encoding") == "chunked":
        while size := int((await reader.readline()).strip(), 16):
            body += await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
    return Received(method, target, headers, body)


def _answer(status: int = 200, body: bytes = b"ok", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    if "transfer_encoding" not in headers:
        lines.append(f"content-length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


@pytest.fixture
def answer() -> Callable[..., bytes]:
    """A function that writes an HTTP response: status, body, headers."""
    return _answer


@pytest.fixture
def http_server(listen: Callable[..., Any]) -> Callable[..., AbstractAsyncContextManager[Server]]:
    """A function that starts a server with the given answers."""

    @asynccontextmanager
    async def start(
        *answers: bytes | asyncio.Event | Callable[[Received], bytes] | None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> AsyncGenerator[Server]:
        server = Server(list(answers) or [_answer()])
        async with listen(server.handle, ssl_context) as port:
            server.port = port
            yield server

    return start


@pytest.fixture
def sleeps() -> list[float]:
    """The waits that a client asked for through the `sleep` fixture."""
    return []


@pytest.fixture
def sleep(sleeps: list[float]) -> Callable[[float], Awaitable[None]]:
    """A `sleep` that notes the seconds and returns at once."""

    async def note(seconds: float) -> None:
        sleeps.append(seconds)

    return note


@pytest.fixture
def make(sleep: Callable[[float], Awaitable[None]]) -> Callable[..., HttpClient]:
    """A function that builds a client that may call this machine; other keywords are settings."""

    def build(**settings: Any) -> HttpClient:
        names = ("base_url", "headers", "auth", "transport", "clock")
        parts = {name: settings.pop(name) for name in names if name in settings}
        settings.setdefault("allowed_internal_hosts", ("127.0.0.1",))
        return HttpClient(HttpClientSettings(**settings), name="stock", sleep=sleep, **parts)

    return build


@pytest.fixture
def logs() -> Iterator[list[MutableMapping[str, Any]]]:
    """The events that were logged, instead of being written."""
    with capture_logs() as events:
        yield events


@pytest.fixture
def unused_port() -> int:
    """A loopback port on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
