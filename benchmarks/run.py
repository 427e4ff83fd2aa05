"""Measure what a rendered project costs, and print one table with the bars it has to reach.

    .venv/bin/python benchmarks/run.py [--quick] [--only NAME] [--json FILE]

The project is rendered from this checkout with default answers into a temporary folder. Exit code 1
means that a bar was missed, 2 that something could not be measured.
"""

from __future__ import annotations

import argparse
import datetime as dt
import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from render import with_cookiecutter
from rows import Row, table
from services import ROOT, service_python

MODULES = (
    "stack",
    "limiter",
    "logging_events",
    "http_client",
    "cache",
    "jobs",
    "startup",
    "render",
    "update",
    "audit",
    "fleet",
    "central",
)
LIBRARIES = ("fastapi", "starlette", "uvicorn", "pydantic", "structlog", "httpx2", "redis")
FLAGS = (
    "Both sides of a comparison: the same server and interpreter,",
    "  uvicorn's access log off, FastAPI's telemetry off.",
    "Sentry, where it is on: a tenth of requests sampled, and at most 5 transactions",
    "  per second and process (core/_sentry_sampling.py).",
)


def main() -> int:
    """Run what was asked for and return the exit code."""
    options = _options()
    print("\n".join(_conditions(quick=options.quick)), end="\n\n", flush=True)
    rows: dict[str, list[Row]] = {}
    failures = []
    with tempfile.TemporaryDirectory(prefix="slipway-benchmarks-") as made:
        _say("rendering a default project")
        project = with_cookiecutter(ROOT, Path(made))
        for name in options.only or _present():
            begun = time.monotonic()
            _say(name)
            try:
                rows[name] = importlib.import_module(name).measure(project, quick=options.quick)
            except (RuntimeError, subprocess.SubprocessError) as error:
                failures.append(f"{name}: {error}")
            _say(f"{name} took {time.monotonic() - begun:.0f} s")
    found = [row for part in rows.values() for row in part]
    print("\n".join(table(found)))
    print("".join(f"\ncould not measure {failure}" for failure in failures), file=sys.stderr)
    if options.json:
        _write(options.json, rows, quick=options.quick)
    if failures:
        return 2
    return 1 if any(row.missed for row in found) else 0


def _present() -> list[str]:
    folder = Path(__file__).parent
    return [name for name in MODULES if (folder / f"{name}.py").exists()]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure what a rendered project costs.")
    parser.add_argument("--quick", action="store_true", help="fewer rounds: a first signal only")
    parser.add_argument(
        "--only",
        action="append",
        choices=_present(),
        metavar="NAME",
        help=f"one of {', '.join(_present())}; may be given more than once",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    return parser.parse_args()


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _machine() -> str:
    model = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    load = " ".join(f"{figure:.1f}" for figure in os.getloadavg())
    system = f"{platform.system()} {platform.release()}"
    return f"{names[0] if names else model}, {os.cpu_count()} CPUs, {system}, load {load}"


def _versions() -> str:
    """Return the versions of what services run on, asked of the interpreter that runs them."""
    code = (
        "import importlib.metadata as m, platform\n"
        "print(f'Python {platform.python_version()}', end='')\n"
        f"for n in {LIBRARIES}:\n"
        "    print(f', {n} {m.version(n)}', end='')"
    )
    done = subprocess.run([service_python(), "-c", code], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(
            f"{service_python()} lacks what a rendered project needs: run scripts/test once, which "
            f"makes .venv-rendered, or set RENDERED_PYTHON\n{done.stderr.strip()}"
        )
    return done.stdout


def _conditions(*, quick: bool) -> Iterator[str]:
    today = dt.datetime.now(dt.UTC).date()
    yield f"Slipway benchmarks, {today.isoformat()}{', quick' if quick else ''}"
    yield f"Machine: {_machine()}"
    yield f"Versions: {_versions()}"
    engines = (f"{name} {importlib.metadata.version(name)}" for name in ("cookiecutter", "copier"))
    yield f"Engines: {', '.join(engines)}, on Python {platform.python_version()}"
    yield from FLAGS


def _write(path: Path, rows: dict[str, list[Row]], *, quick: bool) -> None:
    figures = {
        name: [{**asdict(row), "missed": row.missed} for row in part] for name, part in rows.items()
    }
    document = {"conditions": list(_conditions(quick=quick)), "benchmarks": figures}
    path.write_text(json.dumps(document, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    sys.exit(main())
