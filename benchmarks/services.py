"""Run parts of a benchmark the way a service runs: its interpreter, a clean environment."""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_KEPT = ("PATH", "HOME", "LANG", "TMPDIR", "SYSTEMROOT")
_LONGEST_S = 900


class BenchmarkError(RuntimeError):
    """A measurement could not be made; the text says what to do."""


def service_python() -> str:
    """Return the interpreter that has what rendered projects depend on.

    RENDERED_PYTHON; or else the one of `.venv-rendered`, which `scripts/test` makes; or else this.
    """
    chosen = os.environ.get("RENDERED_PYTHON")
    if chosen:
        return chosen
    made = ROOT / ".venv-rendered/bin/python"
    return str(made) if made.exists() else sys.executable


def package_of(project: Path) -> str:
    """Return the name of a rendered project's package."""
    return next(path.parents[1].name for path in project.glob("src/*/core/config.py"))


def service_environment(project: Path, *more: Path) -> dict[str, str]:
    """Return an environment without settings of this machine, with the project importable."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, (project / "src", *more)))}


def on_uvloop(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine on uvloop where there is one, as uvicorn does, and return what it returns."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def run_part(project: Path, script: str, *arguments: object) -> dict[str, Any]:
    """Run a benchmark module in the service's interpreter and return the JSON that it prints.

    Raises:
        BenchmarkError: When it fails, with what it wrote.
    """
    done = subprocess.run(
        [service_python(), script, *map(str, arguments)],
        cwd=project,
        env=service_environment(project),
        capture_output=True,
        text=True,
        timeout=_LONGEST_S,
    )
    if done.returncode:
        name = Path(script).name
        message = f"{name} {' '.join(map(str, arguments))} failed:\n{done.stderr.strip()}"
        raise BenchmarkError(message)
    found: dict[str, Any] = json.loads(done.stdout)
    return found
