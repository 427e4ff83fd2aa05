"""What starting the web process costs, and what a default project installs.

The process is uvicorn loading the application, as `uvicorn <package>.main:app` does before it
serves. Against it: the same uvicorn loading a FastAPI that does nothing but include the very same
router of orders, its telemetry off too. Both in fresh interpreters, one after the other in changing
order; the figure is user and system CPU of the whole process, the ratio the median over rounds.
"""

from __future__ import annotations

import json
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from rows import Row
from services import ROOT, BenchmarkError, package_of, service_environment, service_python

HEAVY = ("rich", "typer", "sentry_sdk", "redis", "httpx2", "taskiq", "sqlite3")
"""Libraries that the web process imports only when it uses them."""

_LOAD = "import uvicorn; uvicorn.Config('{}:app', log_config=None).load()"
_IMPORTED = "\nimport json, sys; print(json.dumps([n for n in {} if sys.modules.get(n)]))"
_BARE = """from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from {package}.orders import router

app = FastAPI(
    telemetry=TelemetryConfig(tracing=False, metrics=False, logs=False, operation_spans=False)
)
app.include_router(router)
"""


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the import ratio, the heavy libraries imported and the distributions installed.

    Args:
        project: A rendered project, installed or not.
        quick: Fewer rounds, for a first signal.

    Raises:
        BenchmarkError: When a process fails, or uv is missing.
    """
    package = package_of(project)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        (folder / "bare_app.py").write_text(_BARE.replace("{package}", package))
        ours = Fresh(project, folder, _LOAD.format(f"{package}.main"))
        bare = Fresh(project, folder, _LOAD.format("bare_app"))
        rounds = _interleaved(ours, bare, 5 if quick else 31)
        heavy = json.loads(ours.run(_IMPORTED.format(HEAVY)))
    cpu_ours, cpu_bare = (statistics.median(side) for side in zip(*rounds, strict=True))
    ratio = statistics.median(a / b for a, b in rounds)
    return [
        Row("start of the web process, CPU / bare FastAPI", ratio, "x", 1.15, "at most 1.15"),
        Row("start of the web process, CPU", cpu_ours, "s"),
        Row("start of bare FastAPI with the same router, CPU", cpu_bare, "s"),
        Row(f"of {', '.join(HEAVY)}: imported", len(heavy), "", 0, "none"),
        Row("distributions of a default project", distributions(project), "", 75, "at most 75"),
    ]


class Fresh:
    """One kind of process, started anew for each measurement."""

    def __init__(self, project: Path, folder: Path, code: str) -> None:
        """Take the project, a folder that is importable too, and what the process runs."""
        self._code = code
        self._project = project
        self._environment = service_environment(project, folder)

    def run(self, more: str = "") -> str:
        """Run it to its end and return what it printed.

        Raises:
            BenchmarkError: When it fails.
        """
        done = subprocess.run(
            [service_python(), "-c", self._code + more],
            cwd=self._project,
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode:
            message = f"{self._code} failed:\n{done.stderr.strip()}"
            raise BenchmarkError(message)
        return done.stdout

    def cpu_s(self) -> float:
        """Run it and return the seconds of CPU that it took."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        self.run()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def _interleaved(ours: Fresh, bare: Fresh, rounds: int) -> list[tuple[float, float]]:
    """Return (ours, bare) of each round; the first runs, which compile, don't count."""
    for process in (ours, bare):
        process.run()
    found = []
    for number in range(rounds):
        first, second = (ours, bare) if number % 2 else (bare, ours)
        spent = {first: first.cpu_s(), second: second.cpu_s()}
        found.append((spent[ours], spent[bare]))
    return found


def distributions(project: Path) -> int:
    """Return how many distributions `uv sync` installs here, the project itself not counted.

    Resolved, not installed: what the project depends on and the group `dev`, which is installed by
    default, on this platform.

    Raises:
        BenchmarkError: When uv is missing, or finds no package index.
    """
    uv = shutil.which("uv") or shutil.which("uv", path=str(ROOT / ".tools/uv/bin"))
    if uv is None:
        message = "uv is not on PATH: install it, or run scripts/check once, which does"
        raise BenchmarkError(message)
    options = ("--quiet", "--no-header", "--no-annotate", "--group", "dev")
    done = subprocess.run(
        [uv, "pip", "compile", *options, "--python", service_python(), "pyproject.toml"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        message = f"uv could not resolve the project's dependencies:\n{done.stderr.strip()}"
        raise BenchmarkError(message)
    return sum("==" in line and line[0].isalnum() for line in done.stdout.splitlines())


if __name__ == "__main__":
    sys.exit("run benchmarks/run.py --only startup")
