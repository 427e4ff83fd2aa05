"""A real NATS server with JetStream for tests, from the wheel that requirements/dev.in names."""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

START_S = 30.0


def _program() -> str:
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    assert found, "nats-server is not installed: use scripts/test"
    return found


class Nats:
    """A server on a port of 127.0.0.1; what was published is there after a restart.

    Attributes:
        port: Where it listens; the same after a restart.
        url: For a service's settings, credentials included.
    """

    def __init__(self, folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        self.url = f"nats://jobs:of-a-test@127.0.0.1:{self.port}"
        self._config = folder / "nats.conf"
        settings = {
            "listen": f"127.0.0.1:{self.port}",
            "jetstream": {"store_dir": str(folder / "jetstream"), "max_mem": 0},
            "authorization": {"users": [{"user": "jobs", "password": "of-a-test"}]},
        }
        self._config.write_text(json.dumps(settings))
        self.start()

    def start(self) -> None:
        """Start it, and wait until it greets."""
        self.process = subprocess.Popen(
            [_program(), "-c", str(self._config)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_S
        while not self._greets():
            assert self.process.poll() is None, "the server ended at once"
            assert time.monotonic() < deadline, f"no greeting in {START_S} s"
            time.sleep(0.01)

    def _greets(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                return connection.recv(4) == b"INFO"
        except OSError:
            return False

    def stop(self) -> None:
        """End it in order."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it as a crash does."""
        self.process.kill()
        self.process.wait()
