"""Several services in one process, each on its own port, as `central serve` runs them."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI


@dataclass(frozen=True, slots=True)
class Listener:
    """One application and where it listens.

    Attributes:
        name: The service.
        app: Its application.
        host: The address to listen on.
        port: The port; taken by another program, the process ends with exit code 1.
    """

    name: str
    app: FastAPI
    host: str
    port: int


class _Server(uvicorn.Server):
    """A server that leaves the signals to the process, which runs several."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        yield


async def serve(listeners: Sequence[Listener], *, shutdown_timeout_s: int) -> bool:
    """Serve until SIGINT or SIGTERM, or until one of them ends; then stop all.

    Args:
        listeners: What to serve.
        shutdown_timeout_s: Seconds that open requests may finish in.

    Returns:
        Whether each was started and stopped in order.
    """
    servers = [_server(listener, shutdown_timeout_s) for listener in listeners]

    def stop() -> None:
        for server in servers:
            # A second signal does not wait for open requests.
            server.force_exit = server.should_exit
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    try:
        tasks = [asyncio.create_task(_run(server)) for server in servers]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for server in servers:
            server.should_exit = True
        return all(await asyncio.gather(*tasks))
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def _server(listener: Listener, shutdown_timeout_s: int) -> _Server:
    return _Server(
        uvicorn.Config(
            listener.app,
            host=listener.host,
            port=listener.port,
            timeout_graceful_shutdown=shutdown_timeout_s,
            access_log=False,  # the edge writes one structured line per request
            log_config=None,  # uvicorn's lines go through the project's own pipeline
            proxy_headers=False,  # SECURITY__TRUSTED_PROXIES decides whom to believe
            server_header=False,
        )
    )


async def _run(server: _Server) -> bool:
    """Serve, and tell whether it was started and stopped in order."""
    try:
        await server.serve()
    except (
        SystemExit
    ):  # uvicorn's answer to a port that is taken, which would end the others unasked
        return False
    return server.started
