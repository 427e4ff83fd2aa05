# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A caller of ASGI applications, and the log."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from central_services.utils.logging import flush, setup_logging


@dataclass
class Answer:
    """What an application sent for one request."""

    messages: list[Any] = field(default_factory=list)

    @property
    def status(self) -> int:
        return self.messages[0]["status"]

    @property
    def headers(self) -> dict[str, str]:
        """Headers by name; values of a repeated one in lines."""
        found: dict[str, str] = {}
        for name, value in self.messages[0]["headers"]:
            key, text = name.decode(), value.decode()
            found[key] = f"{found[key]}\n{text}" if key in found else text
        return found

    @property
    def body(self) -> bytes:
        return b"".join(m.get("body", b"") for m in self.messages[1:])

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        return json.loads(self.body)


class Caller:
    """Call an application with one request, as a server does."""

    async def send(
        self,
        app: Any,
        path: str = "/",
        method: str = "GET",
        *,
        headers: Iterable[tuple[str, str]] = (),
        query: str = "",
        client: tuple[str, int] | None = ("203.0.113.7", 50_000),
        body: Iterable[bytes] = (b"",),
        **scope: Any,
    ) -> Answer:
        parts = list(body)
        answer = Answer()

        async def receive() -> dict[str, Any]:
            if not parts:
                return {"type": "http.disconnect"}
            part = parts.pop(0)
            return {"type": "http.request", "body": part, "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            answer.messages.append(message)

        pairs = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
        if not any(name == b"host" for name, _ in pairs):
            pairs.insert(0, (b"host", b"api.example.com"))
        request = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(errors="replace"),
            "root_path": "",
            "scheme": "http",
            "query_string": query.encode(),
            "headers": pairs,
            "client": client,
            **scope,
        }
        await app(request, receive, send)
        return answer

    def __call__(self, app: Any, path: str = "/", method: str = "GET", **more: Any) -> Answer:
        return asyncio.run(self.send(app, path, method, **more))


class Lines(io.StringIO):
    """What was logged."""

    def all(self) -> list[dict[str, Any]]:
        flush()
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def access(self) -> list[dict[str, Any]]:
        return [line for line in self.all() if line["event"] == "http_request"]


class Echo:
    """An application that says what it got, and with which headers it is told to."""

    def __init__(self, *headers: tuple[bytes, bytes]) -> None:
        self.headers = list(headers)
        self.seen: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.seen.append(scope)
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        self.bodies.append(body)
        await send({"type": "http.response.start", "status": 200, "headers": self.headers})
        await send({"type": "http.response.body", "body": body or b"ok"})


class Clock:
    """Monotonic seconds that move when a test says so."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def call() -> Caller:
    """A function that sends one request to an application and returns the answer."""
    return Caller()


@pytest.fixture
def echo() -> Echo:
    """An application that returns the body it got."""
    return Echo()


@pytest.fixture
def echo_with() -> Callable[..., Echo]:
    """A function that makes such an application, which sets some headers itself."""
    return Echo


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still."""
    return Clock()


@pytest.fixture
def lines() -> Iterator[Lines]:
    """What is logged as JSON from now on."""
    stream = Lines()
    setup_logging(json_logs=True, stream=stream)
    yield stream
    setup_logging()
