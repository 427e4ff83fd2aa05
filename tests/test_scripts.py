"""The scripts on a machine that has python3, git and a package index, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from processes import clean_environment, show

pytestmark = pytest.mark.slow
# What a fresh machine has; uv comes from the package index.
PROGRAMS = ("bash", "cat", "chmod", "cmp", "dirname", "env", "git", "mkdir", "rm", "uname")


@pytest.fixture
def fresh_machine(tmp_path: Path) -> dict[str, str]:
    """Return an environment with an empty home, an empty cache and few programs."""
    programs, home = tmp_path / "bin", tmp_path / "home"
    programs.mkdir()
    home.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found, f"{name} is not on PATH"
        (programs / name).symlink_to(found)
    base = Path(sys.base_prefix) / "bin" / f"python3.{sys.version_info.minor}"
    (programs / "python3").symlink_to(base)
    environment = clean_environment(online=True) | {"HOME": str(home), "PATH": str(programs)}
    for name in ("PYTHONPATH", "UV_CACHE_DIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        environment.pop(name, None)
    return environment


def test_demo_on_a_fresh_machine(
    template: Path, tmp_path: Path, fresh_machine: dict[str, str]
) -> None:
    checkout = tmp_path / "slipway"
    shutil.copytree(template, checkout)
    demo = subprocess.run(
        ["scripts/demo"],
        cwd=checkout,
        env=fresh_machine,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert demo.returncode == 0, show(demo)
    assert "installing uv" in demo.stderr
    assert " passed" in demo.stdout
    for exchange in ("GET  /health/ready", "201", "400"):
        assert exchange in demo.stdout
    assert "Try next" in demo.stdout
    project = checkout / ".demo/1/acme_orders"
    assert "service_stopped" in (project / "demo.log").read_text()
    changed = subprocess.run(
        ["git", "status", "--porcelain"], cwd=checkout, capture_output=True, text=True, check=True
    )
    assert changed.stdout == "", "the demo leaves something that git sees"
    assert not running_in(checkout)


def running_in(folder: Path) -> list[str]:
    """Return the processes whose current folder is inside one."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            where = (process / "cwd").readlink()
        except OSError:
            continue  # ended, or not ours to look at
        if where.is_relative_to(folder):
            found.append((process / "cmdline").read_text().replace("\0", " "))
    return found


def test_an_older_python_is_refused_in_one_line(
    template: Path, tmp_path: Path, fresh_machine: dict[str, str]
) -> None:
    old = tmp_path / "bin/python3"
    old.unlink()
    old.write_text('#!/bin/sh\ncase "$1" in -V) echo Python 3.9.1;; *) exit 1;; esac\n')
    old.chmod(0o755)
    done = subprocess.run(
        ["scripts/demo"],
        cwd=template,
        env=fresh_machine,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == "error: python3 is Python 3.9.1; Slipway needs 3.11 or newer\n"
