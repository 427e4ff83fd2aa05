"""Programs that are supervised."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from central_services.kit.supervision.process import Program
from central_services.kit.supervision.unit import Unit

SERVER = """
import signal, socket, sys
if "stubborn" in sys.argv: signal.signal(signal.SIGTERM, signal.SIG_IGN)
else: signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True: server.accept()[0].close()
"""
"""Listens until it is told to end, or killed when it is stubborn."""

MakeUnit = Callable[..., Unit]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def make_unit(tmp_path: Path) -> MakeUnit:
    """A function that returns a unit with a small server, or with other code for one."""

    def make(name: str, *, code: str = SERVER, after: tuple[str, ...] = (), **options: str) -> Unit:
        port = free_port()
        flags = list(options.values())
        program = Program(
            argv=[sys.executable, "-I", "-c", code, str(port), *flags],
            environment={},
            folder=tmp_path,
            log=tmp_path / f"{name}.log",
            stop_limit_s=0.3 if flags else 20.0,
        )

        async def prepare() -> Program:
            return program

        async def answers() -> bool:
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        return Unit(name, "engine", f"127.0.0.1:{port}", answers, prepare, after)

    return make
