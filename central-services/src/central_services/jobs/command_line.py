# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands that come with background jobs."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import typer

from ..mail.commands import mail_commands
from ..uploads.commands import uploads_commands
from .commands import jobs_commands, worker_command

if TYPE_CHECKING:
    from ..core.config import PlatformSettings


def add_job_commands(app: typer.Typer, load_settings: Callable[[], PlatformSettings]) -> None:
    """Add `jobs`, `worker`, `mail` and `uploads` to the program."""
    app.add_typer(jobs_commands(load_settings), name="jobs")
    app.command("worker")(worker_command(load_settings))
    app.add_typer(mail_commands(load_settings), name="mail")
    app.add_typer(uploads_commands(load_settings), name="uploads")
