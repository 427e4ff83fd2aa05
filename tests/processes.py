"""Run the programs of a rendered project in a clean environment, bounded in time."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Protocol

import pytest

KEPT = (
    "HOME",
    "LANG",
    "TMPDIR",
    "SYSTEMROOT",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
)
ONLINE = (
    "UV_",
    "PIP_",
    "NPM_CONFIG_",
    "npm_config_",
    "NODE_EXTRA_CA_CERTS",
    "SSL_",
    "REQUESTS_",
    "CURL_",
    "PYENV_",
    "HTTP_",
    "HTTPS_",
    "NO_PROXY",
    "http_",
    "https_",
    "no_proxy",
)


def rendered_python() -> str:
    """Return the interpreter that has what rendered projects depend on."""
    beside = Path(__file__).resolve().parent.parent / ".venv-rendered/bin/python"
    return os.environ.get("RENDERED_PYTHON") or str(beside if beside.exists() else sys.executable)


def clean_environment(*, online: bool = False, **extra: str) -> dict[str, str]:
    """Return an environment without settings of the machine; `online` keeps those of the package registry."""
    kept = {name: value for name, value in os.environ.items() if name in KEPT}
    if online:
        kept |= {name: value for name, value in os.environ.items() if name.startswith(ONLINE)}
    folders = [str(Path(python).parent) for python in (rendered_python(), sys.executable)]
    path = os.pathsep.join([*folders, os.environ["PATH"]])
    fixed = {
        "PATH": path,
        "PYTHONPATH": "src",
        "PYTHONUTF8": "1",
        "NO_COLOR": "1",
        "COLUMNS": "120",
    }
    return kept | fixed | {"RUFF_NO_CACHE": "true"} | extra


def show(done: subprocess.CompletedProcess[str]) -> str:
    """Return a finished process as text for a failing assertion."""
    command = " ".join(map(str, done.args))
    return f"\n$ {command}\n{done.stdout}{done.stderr}\nexit code {done.returncode}"


def run_in(
    folder: Path,
    *argv: str | Path,
    check: bool = True,
    timeout: float = 120,
    online: bool = False,
    stdin: str | None = None,
    **environment: str,
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder and return it when it has ended.

    Args:
        folder: Where it runs; its `src` is on the import path.
        argv: The program and its arguments; `python` is the one that has
            what rendered projects depend on.
        check: Fail, with everything it printed, unless it exits with 0.
        timeout: Seconds that it may take.
        online: Keep the settings it needs to reach a package registry.
        stdin: What it reads; nothing by default.
        environment: More environment variables.
    """
    command = [str(part) for part in argv]
    if command[0] == "python":
        command[0] = rendered_python()
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=clean_environment(online=online, **environment),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        printed = b"".join(
            p for p in (expired.stdout, expired.stderr) if isinstance(p, bytes)
        ).decode(errors="replace")
        pytest.fail(f"\n$ {' '.join(command)}\n{printed}\nstill running after {timeout} s")
    if check:
        assert done.returncode == 0, show(done)
    return done


class RunIn(Protocol):
    """`processes.run_in`, as the type of its fixture."""

    def __call__(
        self,
        folder: Path,
        *argv: str | Path,
        check: bool = True,
        timeout: float = 120,
        online: bool = False,
        stdin: str | None = None,
        **environment: str,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in a folder."""


def find_uv() -> str:
    """Return the path of uv: from the variable UV, or from PATH."""
    found = os.environ.get("UV") or shutil.which("uv")
    assert found, "uv is not on PATH; scripts/test brings it, or set UV to its path"
    return found
