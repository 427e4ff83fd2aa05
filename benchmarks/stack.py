"""CPU per request of the whole edge, against bare FastAPI and against the same as BaseHTTPMiddleware.

Four servers run at the same time, each a uvicorn of its own with the same options, and take turns:
bare FastAPI with one endpoint; the platform around the very same endpoint, with everything that a
production service has on (headers, host check, CORS, rate limit, SSRF filter, body limit, request
id, access log); that with Sentry, sending to a sink in another process; and the same features
written the usual way, as BaseHTTPMiddleware. The figure is what the kernel says a server's threads
ran, per request; ratios are medians over rounds in changing order.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rows import Row
from services import (
    BenchmarkError,
    package_of,
    run_part,
    service_environment,
    service_python,
)

CONNECTIONS = 32
PATH = "/items/7"
_HERE = Path(__file__).parent
_START_S = 30.0
_PLENTY = 50_000_000
"""Requests per minute: the limiter counts and never refuses."""


@dataclass(frozen=True)
class Variant:
    """A server to measure.

    Attributes:
        app: What uvicorn loads.
        settings: Environment variables without the project's prefix.
    """

    app: str
    settings: dict[str, str]


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the CPU per request of each server and the ratios that matter.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer rounds, for a first signal.

    Raises:
        BenchmarkError: When a server does not start, or answers anything but 200.
    """
    requests, rounds = (1_500, 5) if quick else (4_000, 15)
    with tempfile.TemporaryDirectory() as made, ExitStack() as stack:
        sink = stack.enter_context(_server(project, Path(made), Variant("stack_apps:sink", {})))
        production = _production()
        sentry = {"SENTRY__DSN": f"http://key@127.0.0.1:{sink.port}/1"}
        variants = {
            "bare": Variant("stack_apps:bare", {}),
            "stack": Variant("stack_apps:platform", production),
            "sentry": Variant("stack_apps:platform", production | sentry),
            "usual": Variant("stack_apps:usual", {}),
        }
        servers = {
            name: stack.enter_context(_server(project, Path(made), variant))
            for name, variant in variants.items()
        }
        for server in servers.values():
            server.cpu_us(project, requests // 2)
        found = []
        for number in range(rounds):
            names = list(servers) if number % 2 else list(reversed(servers))
            found.append({name: servers[name].cpu_us(project, requests) for name in names})
    return _rows(found)


def _rows(found: list[dict[str, float]]) -> list[Row]:
    def ratio(name: str, to: str) -> float:
        return statistics.median(spent[name] / spent[to] for spent in found)

    words = {
        "bare": "bare FastAPI",
        "stack": "the whole stack",
        "sentry": "the whole stack with Sentry",
        "usual": "the same as BaseHTTPMiddleware",
    }
    return [
        Row(
            "request, whole stack / bare FastAPI", ratio("stack", "bare"), "x", 1.10, "at most 1.10"
        ),
        Row(
            "request, whole stack with Sentry / bare FastAPI",
            ratio("sentry", "bare"),
            "x",
            1.15,
            "at most 1.15",
        ),
        Row(
            "request, the same as BaseHTTPMiddleware / whole stack",
            ratio("usual", "stack"),
            "x",
            4.0,
            "at least 4",
            at_least=True,
        ),
        *(
            Row(f"CPU per request, {text}", statistics.median(s[name] for s in found), "us")
            for name, text in words.items()
        ),
    ]


def _production() -> dict[str, str]:
    return {
        "ENVIRONMENT": "production",
        "SECURITY__ALLOWED_HOSTS": "127.0.0.1",
        "SECURITY__ALLOWED_ORIGINS": "https://app.example.com",
        "RATE_LIMIT__REQUESTS_PER_MINUTE": str(_PLENTY),
    }


@dataclass(frozen=True)
class Server:
    """A running server."""

    process: subprocess.Popen[bytes]
    port: int

    def cpu_us(self, project: Path, requests: int) -> float:
        """Send requests from another process and return the CPU of this one per request.

        Raises:
            BenchmarkError: When an answer is not 200.
        """
        before = self._cpu_ns()
        found = run_part(project, __file__, self.port, PATH, requests)
        # Lines of the access log leave the buffer 10 ms later; they are part of the cost.
        time.sleep(0.03)
        spent = self._cpu_ns() - before
        if found["refused"]:
            message = f"{found['refused']} of {requests} requests were not answered with 200"
            raise BenchmarkError(message)
        return spent / requests / 1_000

    def _cpu_ns(self) -> int:
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)


@contextmanager
def _server(project: Path, folder: Path, variant: Variant) -> Iterator[Server]:
    """Serve a variant on a free port of the loopback interface."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    package = package_of(project)
    settings = {f"{package.upper()}_{name}": value for name, value in variant.settings.items()}
    command = [service_python(), "-m", "uvicorn", variant.app, "--factory", "--port", str(port)]
    log = folder / f"{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--no-access-log", "--no-proxy-headers", "--log-level", "warning"],
            cwd=folder,
            env=service_environment(project, _HERE) | settings | {"STACK_PACKAGE": package},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            _wait(process, port, log)
            yield Server(process, port)
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    message = f"{process.args!r} did not start:\n{log.read_text('utf-8', 'replace')}"
    raise BenchmarkError(message)


class _Client(asyncio.Protocol):
    """One connection that asks again as soon as it was answered."""

    def __init__(self, request: bytes, remaining: Iterator[int], refused: list[bytes]) -> None:
        self._request = request
        self._remaining = remaining
        self._refused = refused
        self._read = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def _ask(self) -> None:
        if next(self._remaining, None) is None:
            self._transport.close()
        else:
            self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head, end, body = self._read.partition(b"\r\n\r\n")
        if not end:
            return
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
        if len(body) >= length:
            if head[9:12] != b"200":
                self._refused.append(head[:80])
            self._read = b""
            self._ask()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set_result(exc)


async def _load(port: int, path: str, requests: int) -> dict[str, int]:
    request = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: */*\r\n\r\n".encode()
    remaining, refused = iter(range(requests)), list[bytes]()
    loop = asyncio.get_running_loop()
    clients = [
        (
            await loop.create_connection(
                lambda: _Client(request, remaining, refused), "127.0.0.1", port
            )
        )[1]
        for _ in range(CONNECTIONS)
    ]
    await asyncio.gather(*(client.closed for client in clients))
    return {"refused": len(refused) + sum(1 for _ in remaining)}


def main() -> None:
    """Send requests to a port and print how many were not answered with 200, as JSON."""
    work = _load(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        found = asyncio.run(work)
    else:
        found = uvloop.run(work)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
