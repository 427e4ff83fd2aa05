# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Starts the page: on this machine only, with a password, and without calling home."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

from ...core.config import ENV_PREFIX, PlatformSettings

PAGE = Path(__file__).with_name("page.py")


class UiError(Exception):
    """The page can't start; the text says what to do."""


def command(settings: PlatformSettings, *, port: int | None = None) -> list[str]:
    """Return the command that serves the page.

    Raises:
        UiError: When there is no password, or Streamlit is not installed.
    """
    if settings.monitoring.ui_password is None:
        raise UiError(
            f"Set {ENV_PREFIX}MONITORING__UI_PASSWORD: the page is not shown without one."
        )
    if importlib.util.find_spec("streamlit") is None:
        raise UiError(
            "The page needs Streamlit: install the extra `ui`, as in `uv sync --extra ui`."
        )
    options = {
        "server.address": "127.0.0.1",
        "server.port": str(settings.monitoring.ui_port if port is None else port),
        "server.headless": "true",
        "server.fileWatcherType": "none",
        "server.enableXsrfProtection": "true",
        "server.enableStaticServing": "false",
        "browser.gatherUsageStats": "false",
        "client.toolbarMode": "minimal",
        "client.showErrorDetails": "none",
        "theme.base": "light",
    }
    arguments = [f"--{name}={value}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(PAGE), *arguments]


def serve(settings: PlatformSettings, *, port: int | None = None) -> None:
    """Serve the page until it is stopped; this process becomes it, where that is possible.

    Raises:
        UiError: As for `command`; also when it ended with an error.
    """
    program = command(settings, port=port)
    if os.name == "posix":
        os.execv(program[0], program)  # noqa: S606  # our own; so signals reach the page itself
    try:
        done = subprocess.run(program, check=False)  # noqa: S603  # our own
    except KeyboardInterrupt:
        return
    if done.returncode not in (0, -2, -15):
        raise UiError(f"The page ended with exit code {done.returncode}.")
