"""Several services in one process."""

from __future__ import annotations

import asyncio
import os
import signal
import socket

import httpx2
import pytest
from fastapi import FastAPI

from central_services.kit.serving import Listener, serve

pytestmark = pytest.mark.anyio
LIMIT_S = 30


def application(name: str) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    async def answer() -> str:
        return name

    return app


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def get(port: int) -> str:
    async with httpx2.AsyncClient() as client, asyncio.timeout(LIMIT_S):
        while True:
            try:
                text: str = (await client.get(f"http://127.0.0.1:{port}/")).json()
            except httpx2.ConnectError:
                await asyncio.sleep(0.01)  # it is about to listen
            else:
                return text


async def test_each_service_answers_on_its_port_until_a_signal_ends_all() -> None:
    listeners = [
        Listener(name, application(name), "127.0.0.1", free_port()) for name in ("first", "second")
    ]
    serving = asyncio.create_task(serve(listeners, shutdown_timeout_s=5))
    assert await get(listeners[0].port) == "first"
    assert await get(listeners[1].port) == "second"
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(LIMIT_S):
        assert await serving
    for listener in listeners:
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", listener.port)) != 0


async def test_port_that_is_taken_ends_the_others_in_order() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listeners = [
            Listener("fine", application("fine"), "127.0.0.1", free_port()),
            Listener("late", application("late"), "127.0.0.1", port),
        ]
        async with asyncio.timeout(LIMIT_S):
            assert not await serve(listeners, shutdown_timeout_s=5)
