# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Caches without a server, a clock that tests turn, and a stand-in for a server that lies."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from {{ cookiecutter.project_slug }}.core.cache import CacheClient, CacheSettings, Namespace
from {{ cookiecutter.project_slug }}.utils.logging import flush, setup_logging


class Price(BaseModel):
    """What the tests cache."""

    sku: str
    cents: int


class Clock:
    """Seconds that only go forward when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Lines:
    """What was logged."""

    def __init__(self) -> None:
        self.stream = io.StringIO()

    def all(self) -> list[dict[str, Any]]:
        """Return the lines."""
        flush()
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Return the lines of one event."""
        return [line for line in self.all() if line["event"] == name]


@pytest.fixture
def price() -> type[Price]:
    return Price


@pytest.fixture
def prices() -> Namespace[Price]:
    return Namespace("prices", Price, ttl_s=60, negative_ttl_s=5)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lines() -> Iterator[Lines]:
    found = Lines()
    setup_logging(json_logs=True, stream=found.stream)
    yield found
    setup_logging()


@pytest.fixture
def make(clock: Clock) -> Callable[..., CacheClient]:
    """A function that makes a cache; keywords are settings."""

    def new(**settings: Any) -> CacheClient:
        given = CacheSettings.model_validate({"ttl_jitter": 0, **settings})
        return CacheClient(given, scope=lambda: "s:test:1", clock=clock)

    return new


@pytest.fixture
def cache(make: Callable[..., CacheClient]) -> CacheClient:
    return make()


class LyingServer:
    """Speaks RESP3, and answers each read with the bytes that a test gives it.

    Attributes:
        value: What it says is stored under every key.
        up: Whether it answers, or hangs up.
        refuses: The name of a command that it answers with an error.
        nonsense: What it answers to every read and script instead, as it goes over the wire.
        commands: What it was sent.
    """

    generation = b"0123456789abcdef"

    def __init__(self) -> None:
        self.value: bytes | None = None
        self.up = True
        self.refuses = b""
        self.nonsense = b""
        self.commands: list[list[bytes]] = []
        self.url = ""

    def _reply(self, command: list[bytes]) -> bytes:
        name = command[0].upper()
        if name == b"HELLO":
            return b"%1\r\n+proto\r\n:3\r\n"
        if name == self.refuses:
            return b"-ERR refused, and here is what you sent: s3cr3t\r\n"
        if self.nonsense and name not in {b"CLIENT", b"PING"}:
            return self.nonsense
        if name == b"MGET":
            values = [self.generation if b":g:" in key else self.value for key in command[1:]]
            return b"*%d\r\n" % len(values) + b"".join(map(_bulk, values))
        if name == b"EVAL" and b"NX" in command[1]:
            return (
                _bulk(self.value) if self.value else b"*2\r\n" + _bulk(self.generation) + b":1\r\n"
            )
        return b":1\r\n" if name in {b"EVAL", b"DEL"} else b"+OK\r\n"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the commands of a connection until it ends."""
        try:
            while True:
                count = int((await reader.readuntil(b"\r\n"))[1:])
                command = []
                for _ in range(count):
                    size = int((await reader.readuntil(b"\r\n"))[1:])
                    command.append((await reader.readexactly(size + 2))[:-2])
                if not self.up:
                    break
                self.commands.append(command)
                writer.write(self._reply(command))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # they hung up
        writer.close()


def _bulk(value: bytes | None) -> bytes:
    return b"_\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)


@asynccontextmanager
async def _listening() -> AsyncGenerator[LyingServer]:
    lying = LyingServer()
    server = await asyncio.start_server(lying.serve, "127.0.0.1", 0)
    lying.url = f"valkey://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
    yield lying
    server.close()
    await server.wait_closed()


@pytest.fixture
async def lying() -> AsyncIterator[LyingServer]:
    async with _listening() as server:
        yield server
