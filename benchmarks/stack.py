"""CPU per request of the whole stack against bare FastAPI, and against `BaseHTTPMiddleware`.

Six servers run side by side under the same uvicorn and are loaded in turn, round by round. A
figure is the CPU time of the server process per request, from the scheduler's own count
(/proc/PID/task/*/schedstat, Linux only): the lower quartile of the rounds, because other work on the
machine only ever adds to it. How fast a process is also depends on where its memory came to lie,
by some 4 %, so new servers are started several times, and a ratio is the median over those.
"""

from __future__ import annotations

import contextlib
import os
import socket
import statistics
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from rows import Row
from services import service_python

HERE = Path(__file__).parent
VARIANTS = ("bare", "whole", "sentry", "layers", "bare-routes", "whole-routes")
CONNECTIONS = 32
REQUESTS = 1_500
SECONDS_OF_REQUESTS = 12_000


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return CPU ratios of the whole stack.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer rounds, for a first signal.
    """
    starts, rounds = (1, 7) if quick else (7, 6)
    found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
    for _ in range(starts):
        for variant, figure in _measure_once(project, rounds).items():
            found[variant].append(figure)
    whole = _ratio(found["whole"], found["bare"])
    return [
        Row("CPU per request, bare FastAPI", statistics.median(found["bare"]), "us"),
        Row("CPU per request, whole stack", statistics.median(found["whole"]), "us"),
        Row("whole stack / bare FastAPI", whole, "x", 1.10, "at most 1.10"),
        Row(
            "whole stack with Sentry / bare FastAPI",
            _ratio(found["sentry"], found["bare"]),
            "x",
            1.15,
            "at most 1.15",
        ),
        Row(
            "whole stack / bare FastAPI, both with 30 routes",
            _ratio(found["whole-routes"], found["bare-routes"]),
            "x",
            1.10,
            "at most 1.10",
        ),
        Row(
            "same features as BaseHTTPMiddleware / whole stack",
            _ratio(found["layers"], found["whole"]),
            "x",
            4.0,
            "at least 4",
        ),
    ]


def _measure_once(project: Path, rounds: int) -> dict[str, float]:
    """Start each server once and return the microseconds of CPU that a request costs it."""
    with contextlib.ExitStack() as stack:
        dsn = stack.enter_context(_ingest())
        servers = {v: stack.enter_context(_served(v, project, dsn)) for v in VARIANTS}
        for server in servers.values():
            server.load(REQUESTS)
        found: dict[str, list[float]] = {variant: [] for variant in VARIANTS}
        for number in range(rounds):
            for variant in VARIANTS if number % 2 else VARIANTS[::-1]:
                if variant == "sentry":
                    # The share of requests that is recorded follows the traffic within a second,
                    # and between two measurements there was none.
                    servers[variant].load(SECONDS_OF_REQUESTS)
                found[variant].append(servers[variant].load(REQUESTS))
    return {variant: statistics.quantiles(figures, n=4)[0] for variant, figures in found.items()}


def _ratio(over: list[float], under: list[float]) -> float:
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


class _Server:
    """A server process under measurement."""

    def __init__(self, process: int, port: int) -> None:
        self._process = process
        self._port = port

    def load(self, requests: int) -> float:
        """Send requests and return the microseconds of CPU that each cost the server."""
        before = self._cpu_ns()
        command = [service_python(), str(HERE / "load.py"), str(self._port), "/items/7"]
        command += [str(CONNECTIONS), str(requests)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        if done.stdout.strip() != "0":
            message = f"{done.stdout.strip()} of {requests} requests were not answered with 200"
            raise RuntimeError(message)
        return (self._cpu_ns() - before) / requests / 1_000

    def _cpu_ns(self) -> int:
        tasks = Path(f"/proc/{self._process}/task").glob("*/schedstat")
        return sum(int(task.read_text().split()[0]) for task in tasks)


@contextlib.contextmanager
def _served(variant: str, project: Path, dsn: str) -> Iterator[_Server]:
    package = next(path.parents[1].name for path in (project / "src").glob("*/core/app.py"))
    port = _free_port()
    environment = {**os.environ, "PYTHONPATH": str(project / "src"), "BENCHMARK_DSN": dsn}
    command = [service_python(), str(HERE / "stack_app.py"), variant, package, str(port)]
    # The log goes into a pipe, as it does in a container.
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as process:
        threading.Thread(target=_drain, args=[process], daemon=True).start()
        try:
            _wait_for(port, process)
            yield _Server(process.pid, port)
        finally:
            process.terminate()
            process.wait(30)


def _drain(process: subprocess.Popen[bytes]) -> None:
    assert process.stdout is not None
    with contextlib.suppress(OSError, ValueError):  # closed meanwhile
        while os.read(process.stdout.fileno(), 65_536):
            pass


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return
        time.sleep(0.05)
    message = "a server under measurement did not start"
    raise RuntimeError(message)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextlib.contextmanager
def _ingest() -> Iterator[str]:
    """Yield the DSN of a server that takes what Sentry's client sends and throws it away."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://public@127.0.0.1:{server.server_port}/1"
    finally:
        server.shutdown()
        server.server_close()
