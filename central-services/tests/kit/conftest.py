"""Programs that are killed in the middle of their work."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

KillAfter = Callable[..., list[str]]


@pytest.fixture
def kill_after() -> KillAfter:
    """A function that runs code, kills it with SIGKILL after some lines, and returns what it had said.

    A line is an acknowledgement: what the code prints has to hold after the kill. What it says between
    the last line that was waited for and the kill is returned, too.
    """

    def run(code: str, *arguments: str, lines: int) -> list[str]:
        source = str(Path(__file__).parents[2] / "src")
        process = subprocess.Popen(
            [sys.executable, "-u", "-c", code, *arguments],
            env={**os.environ, "PYTHONPATH": source},
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert process.stdout
            said = [process.stdout.readline() for _ in range(lines)]
            process.kill()
            said += process.stdout.read().splitlines(keepends=True)
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
        assert "" not in said[:lines], "it ended by itself"
        return [line.strip() for line in said if line.endswith("\n")]

    return run
