# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Log lines, read back."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog

from central_services.utils.logging import flush, observe, setup_logging


class Lines(io.StringIO):
    """What was written."""

    def all(self) -> list[dict[str, Any]]:
        flush()
        return [json.loads(line) for line in self.getvalue().splitlines()]

    def one(self) -> dict[str, Any]:
        (line,) = self.all()
        return line


@pytest.fixture
def restored() -> Iterator[None]:
    """Leave logging as it was found."""
    yield
    observe(None)
    setup_logging()
    structlog.contextvars.clear_contextvars()


@pytest.fixture
def lines(restored: None) -> Lines:
    """What is logged as JSON from now on."""
    stream = Lines()
    setup_logging(json_logs=True, stream=stream)
    return stream


Run = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def run() -> Run:
    """A function that runs a script, which has the logging functions, in its own process."""

    def start(code: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        head = "from central_services.utils.logging import *\n"
        command = [sys.executable, "-c", head + code]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True)

    return start
