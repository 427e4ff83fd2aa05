# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A worker's probes and counters over HTTP, for orchestrators: a worker serves nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .consumer import Consumer

TIMEOUT_S = 2.0
MOST_BYTES = 4_096


@asynccontextmanager
async def health_server(port: int | None, consumer: Consumer) -> AsyncGenerator[int]:
    """Answer `/health/live`, `/health/ready` and `/metrics` on all addresses of the machine.

    Args:
        port: Where; 0 picks one, None answers nothing.
        consumer: The worker.

    Yields:
        The port, or 0.
    """
    if port is None:
        yield 0
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(
            TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, OSError
        ):
            async with asyncio.timeout(TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(_answer(head.split(b" ", 2)[1:2], consumer))
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, None, port, limit=MOST_BYTES)
    try:
        # Each address family gets a free port of its own when none is named.
        listening = sorted(server.sockets, key=lambda one: one.family != socket.AF_INET)
        yield int(listening[0].getsockname()[1])
    finally:
        server.close()
        await server.wait_closed()


def _answer(path: list[bytes], consumer: Consumer) -> bytes:
    """Return a whole response for a path."""
    status, kind, body = "404 Not Found", "text/plain", "not found\n"
    if path == [b"/metrics"]:
        status, kind, body = "200 OK", "text/plain; version=0.0.4", consumer.metrics.render()
    elif path in ([b"/health/live"], [b"/health/ready"]):
        good = consumer.is_alive if path == [b"/health/live"] else consumer.is_ready
        status = "200 OK" if good else "503 Service Unavailable"
        kind = "application/json"
        body = '{"status":"' + ("ok" if good else "failing") + '"}\n'
    content = body.encode()
    head = (
        f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(content)}\r\n"
        "cache-control: no-store\r\nconnection: close\r\n\r\n"
    )
    return head.encode() + content
