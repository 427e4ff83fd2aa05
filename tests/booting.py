"""Start a rendered service in a process of its own, call it, and stop it by its process id."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from processes import clean_environment, rendered_python, run_in
from rendering import slug_of

STARTUP_S = 60.0
"""Longest wait for the first answer; it takes one second on an idle machine."""

# Not uvicorn's --fd, which takes the socket for a Unix one: Nagle's algorithm stays on, 40 ms each.
_SERVE = """
import importlib, socket, sys, uvicorn
app = importlib.import_module(f"{sys.argv[1]}.main").app
listening = socket.socket(fileno=int(sys.argv[2]))
uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listening])
"""


@dataclass(frozen=True)
class Answer:
    """What the service said."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    log: Path

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Send one request, and fail with the service's log when there is no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=STARTUP_S)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            fields = {name.lower(): value for name, value in answer.getheaders()}
            return Answer(answer.status, fields, answer.read())
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(
                f"no answer to {method} {path}: {error}\n{self.log.read_text()}"
            ) from error
        finally:
            connection.close()


@contextmanager
def serving(project: Path, **environment: str) -> Iterator[Service]:
    """Serve a project on a free port of 127.0.0.1; one with a database migrates it first."""
    if (project / "src" / slug_of(project) / "core/migrations.py").is_file():
        more: dict[str, Any] = {**environment}
        run_in(project, "python", "-m", slug_of(project), "db", "upgrade", **more)
    with serving_as_it_is(project, **environment) as service:
        yield service


@contextmanager
def serving_as_it_is(project: Path, **environment: str) -> Iterator[Service]:
    """Serve a project, whatever state its database is in.

    The socket listens before the process starts, so that the first request waits in its queue
    instead of being tried again and again, and the port cannot be taken by another test.
    """
    with socket.socket() as listening, tempfile.TemporaryDirectory() as folder:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        log = Path(folder) / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [rendered_python(), "-c", _SERVE, slug_of(project), str(listening.fileno())],
                cwd=project,
                env=clean_environment() | environment,
                pass_fds=[listening.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        port = int(listening.getsockname()[1])
        try:
            # Without this a service that dies at once would leave the request in the queue.
            assert _answers(process, port), f"the service ended at once:\n{log.read_text()}"
            yield Service(port, log)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shown = log.read_text()
        assert process.returncode in (0, -15), f"stopped with {process.returncode}:\n{shown}"
        assert "Traceback" not in shown, shown


def _answers(process: subprocess.Popen[bytes], port: int) -> bool:
    """Wait for the first answer or for the end of the process, whichever comes first."""
    pid_ended = os.pidfd_open(process.pid) if hasattr(os, "pidfd_open") else None
    with socket.create_connection(("127.0.0.1", port), timeout=STARTUP_S) as probe:
        probe.sendall(b"GET /health/live HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        if pid_ended is not None:
            import select  # noqa: PLC0415  # Linux only, as pidfd_open is

            both: list[Any] = [probe, pid_ended]
            ready, _, _ = select.select(both, [], [], STARTUP_S)
            os.close(pid_ended)
            return probe in ready
        return bool(probe.recv(1))
