"""A central service in a process of its own, on SQLite, with nothing beside it."""

from __future__ import annotations

import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx2
from combinations import ROOT
from processes import clean_environment, rendered_python, run_in

LIMIT_S = 60.0
_PREFIX = "CENTRAL_SERVICES_"
_SERVE = """
import importlib, socket, sys, uvicorn
from central_services.settings import Settings
app = importlib.import_module(f"central_services.{sys.argv[1]}.app").build(Settings())
listening = socket.socket(fileno=int(sys.argv[2]))
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listening])
"""


class CentralProcess:
    """A running service.

    Attributes:
        url: Where it is.

    Args:
        package: Its package, as in `audit_service`.
        url_setting: The setting that tells it its own address, when it has one.
        settings: Its settings, as in `CENTRAL_AUTH__ISSUER="http://..."`.
    """

    def __init__(self, package: str, *, url_setting: str = "", **settings: str) -> None:
        self._folder = tempfile.TemporaryDirectory()
        folder = Path(self._folder.name)
        self._log = folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as listening, self._log.open("wb") as log:
            self.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
            own = {url_setting: self.url} if url_setting else {}
            environment = self._environment(folder, own | settings)
            run_in(folder, "python", "-m", "central_services", "db", "upgrade", **environment)
            self._process = subprocess.Popen(
                [rendered_python(), "-c", _SERVE, package, str(listening.fileno())],
                cwd=folder,
                env=clean_environment(**environment),
                pass_fds=[listening.fileno()],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        # The socket takes connections from the start: the first answer comes when it is there.
        deadline = time.monotonic() + LIMIT_S
        while True:
            try:
                ready = httpx2.get(f"{self.url}/health/ready", timeout=LIMIT_S).status_code == 200
            except httpx2.HTTPError:
                ready = False
            if ready:
                return
            assert self._process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)  # between two looks

    def log(self) -> str:
        """Return the end of what it has written."""
        return self._log.read_text("utf-8", "replace")[-3_000:]

    def stop(self) -> None:
        """End the process, and delete its data."""
        self._process.terminate()
        self._process.wait(timeout=LIMIT_S)
        self._folder.cleanup()

    def _environment(self, folder: Path, settings: dict[str, str]) -> dict[str, Any]:
        usual = {
            "ENVIRONMENT": "test",
            "LOG_LEVEL": "WARNING",
            "DATABASE__URL": f"sqlite:///{folder / 'service.db'}",
            "AUDIT__PATH": str(folder / "own-trail"),
            "JOBS__PATH": str(folder / "jobs.db"),
            "JOBS__EMBEDDED_WORKER": "false",
            "AUDIT_SERVICE__PATH": str(folder / "keys"),
            "WITNESS__DEVELOPMENT_KEY_FILE": str(folder / "witness.key"),
            "RATE_LIMIT__REQUESTS_PER_MINUTE": "1000000",
        }
        named = {f"{_PREFIX}{name}": value for name, value in (usual | settings).items()}
        return named | {"PYTHONPATH": str(ROOT / "central-services/src")}
