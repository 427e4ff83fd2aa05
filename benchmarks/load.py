"""A load generator on raw sockets: `python load.py PORT PATH CONNECTIONS REQUESTS`.

Keeps connections alive, one request in flight on each, and prints how many answers were not 200.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from typing import cast


class Client(asyncio.Protocol):
    """One connection, which sends the next request when it has the whole answer to the last.

    Args:
        request: The bytes to send.
        tickets: Shared by all connections; a request takes one.
    """

    def __init__(self, request: bytes, tickets: Iterator[int]) -> None:
        """Take the request and the tickets, which all connections share."""
        self.done = asyncio.get_running_loop().create_future()
        self.failures = 0
        self._request = request
        self._tickets = tickets
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first request."""
        # uvloop's transports are not registered as such.
        self._transport = cast("asyncio.Transport", transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        """Take a part of an answer."""
        self._got += data
        head, separator, body = self._got.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n", 1)[0])
        if len(body) >= length:
            self.failures += not head.startswith(b"HTTP/1.1 200")
            self._got = b""
            self._next()

    def connection_lost(self, error: Exception | None) -> None:
        """Say that this connection is through."""
        if error is not None:
            self.failures += 1
        self.done.set_result(None)

    def _next(self) -> None:
        if next(self._tickets, None) is None:
            self._transport.close()
        else:
            self._transport.write(self._request)


async def run(port: int, path: str, connections: int, requests: int) -> int:
    """Send the requests and return the number of failures."""
    loop = asyncio.get_running_loop()
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n"
    )
    tickets = iter(range(requests))
    made = [
        await loop.create_connection(lambda: Client(head.encode(), tickets), "127.0.0.1", port)
        for _ in range(connections)
    ]
    clients = [client for _, client in made]
    await asyncio.gather(*(client.done for client in clients))
    return sum(client.failures for client in clients)


if __name__ == "__main__":
    try:
        from uvloop import run as run_loop
    except ImportError:
        from asyncio import run as run_loop
    print(run_loop(run(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))))
