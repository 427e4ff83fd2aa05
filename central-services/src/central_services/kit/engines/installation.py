"""The tool folder: the wheels of the engines, installed once, by hash, apart from any Python environment."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from .errors import EngineError

LOCK = Path(__file__).parent / "engines.txt"
_LIMIT_S = 900


def tool_folder(home: Path) -> Path:
    """Return where the wheels of this release's lock file are, or will be."""
    return home / "tools" / hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]


def is_installed(home: Path) -> bool:
    """Tell whether nothing has to be downloaded."""
    return tool_folder(home).is_dir()


def install(home: Path) -> Path:
    """Install the engines unless they are there, and return their folder; it blocks.

    Raises:
        EngineError: They can't be installed; the text holds what the installer said.
    """
    folder = tool_folder(home)
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = folder.with_name(f".{folder.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        _run([*_installer(), "--target", str(fresh), "--requirement", str(LOCK)])
        _move(fresh, folder)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return folder


def remove_others(home: Path) -> list[Path]:
    """Delete what earlier lock files brought, and return it."""
    mine = tool_folder(home)
    found = [path for path in sorted((home / "tools").glob("*")) if path != mine]
    for path in found:
        shutil.rmtree(path)
    return found


def installer_name() -> str | None:
    """Return the program that installs wheels here, or None when there is none."""
    try:
        return _installer()[0]
    except EngineError:
        return None


def _installer() -> list[str]:
    """Return the command that installs wheels, and only wheels, that match their hashes."""
    checks = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
    uv = os.environ.get("UV") or shutil.which("uv")  # uv tells what it runs where it is
    if uv:
        python = ["--python", sys.executable]
        return [uv, "pip", "install", "--quiet", *python, *checks]
    probe = [sys.executable, "-m", "pip", "--version"]
    if subprocess.run(probe, capture_output=True, check=False).returncode == 0:  # noqa: S603  # ours
        quiet = ["--quiet", "--disable-pip-version-check"]
        return [sys.executable, "-m", "pip", "install", *quiet, *checks]
    raise EngineError("neither uv nor pip is here to install the engines: put uv on PATH")


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603  # the installer, with a lock file of ours
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
            umask=0o022,  # another user runs them where this one is root
        )
    except subprocess.TimeoutExpired as error:
        raise EngineError(f"the engines were not installed within {_LIMIT_S} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()[-2000:]
        raise EngineError(
            f"the engines can't be installed ({LOCK.name} says which):\n{said}\n"
            "The first start needs a package index; later ones need none."
        )


def _move(fresh: Path, folder: Path) -> None:
    try:
        fresh.rename(folder)
    except OSError:
        if not folder.is_dir():  # unless somebody else has installed the same meanwhile
            raise
