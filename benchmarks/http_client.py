"""CPU of the rendered project's `HttpClient` against plain `httpx2.AsyncClient`.

A successful, pooled GET of 1 KB of JSON from a loopback server in another process, both clients in
one process and interleaved, the CPU time of that process only. What the resilience layer adds (the
circuit breaker and the retry budget) is also timed by itself.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import statistics
import subprocess
import sys
import time
import timeit
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path

from rows import Row
from services import package_of, run_part

CONCURRENCY = 8
WARM_UP = 100


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the client's CPU ratio and the cost of its resilience layer.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer rounds, for a first signal.
    """
    found = run_part(project, __file__, package_of(project), 7 if quick else 25)
    return [
        Row(
            "HTTP client, CPU of a successful call / plain httpx2",
            found["ratio"],
            "x",
            1.10,
            "at most 1.10",
        ),
        Row(
            "HTTP client, resilience layer per successful call",
            found["resilience_us"],
            "us",
            2.0,
            "at most 2 us",
        ),
    ]


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each request of a connection with the same kilobyte."""
    body = json.dumps({"id": 42, "name": "x" * 1_000}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    answer = head % len(body) + body
    while await reader.readuntil(b"\r\n\r\n"):
        writer.write(answer)


async def _serve() -> None:
    """Listen on a free loopback port, print it, and stop with the parent."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await _answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def _cpu_us(call: Callable[[], Awaitable[object]], calls: int) -> float:
    """Return this process's CPU time per call, in microseconds."""
    remaining = iter(range(calls))

    async def work() -> None:
        for _ in remaining:
            await call()

    start = time.process_time()
    await asyncio.gather(*(work() for _ in range(CONCURRENCY)))
    return (time.process_time() - start) / calls * 1e6


async def _compare(package: str, url: str, rounds: int) -> dict[str, float]:
    httpx2 = importlib.import_module("httpx2")
    settings = importlib.import_module(f"{package}.core.config").HttpClientSettings
    client_class = importlib.import_module(f"{package}.clients.http").HttpClient
    limits = httpx2.Limits(max_connections=100, max_keepalive_connections=100)
    async with (
        httpx2.AsyncClient(limits=limits, trust_env=False) as plain,
        client_class(settings(allowed_internal_hosts=("127.0.0.1",))) as ours,
    ):
        clients = [plain, ours]
        for client in clients:
            await _cpu_us(partial(client.get, url), WARM_UP)
        ratios, costs = [], []
        for number in range(rounds):
            cost = {}
            for client in clients if number % 2 else reversed(clients):
                cost[client] = await _cpu_us(partial(client.get, url), 200)
            ratios.append(cost[ours] / cost[plain])
            costs.append((cost[plain], cost[ours]))
    return {
        "ratio": statistics.median(ratios),
        "plain_us": statistics.median(plain_us for plain_us, _ in costs),
        "ours_us": statistics.median(ours_us for _, ours_us in costs),
    }


def _resilience_us(package: str) -> float:
    """Return what finding a host, passing its breaker and recording a success take."""
    registry_class = importlib.import_module(f"{package}.clients.resilience").HostRegistry
    hosts = registry_class(failures=5, reset_s=30.0, budget=0.2)

    def call() -> None:
        host = hosts.get(b"stock.example.com:8443")
        host.admit()
        host.succeeded()

    calls = 20_000
    return min(timeit.repeat(call, number=calls, repeat=7)) / calls * 1e6


def main() -> None:
    """Run as the server or as the clients of a measurement."""
    if sys.argv[1] == "serve":
        asyncio.run(_serve())
        return
    package, rounds = sys.argv[1], int(sys.argv[2])
    server = subprocess.Popen(
        [sys.executable, __file__, "serve"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdin is not None
    assert server.stdout is not None
    with server:
        port = int(server.stdout.readline())
        found = asyncio.run(_compare(package, f"http://127.0.0.1:{port}/items/42", rounds))
        server.stdin.close()
    print(json.dumps({**found, "resilience_us": _resilience_us(package)}))


if __name__ == "__main__":
    main()
