# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line of uploads: ask what would become of a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ..core.config import PlatformSettings
from .errors import UploadError
from .processing import ProcessedUpload, UploadProcessor


def uploads_commands(load_settings: Callable[[], PlatformSettings]) -> typer.Typer:
    """Return the commands.

    Args:
        load_settings: Returns the settings, or ends the program with what is wrong with them.
    """
    app = typer.Typer(help="Look at uploaded files.", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Look at uploaded files."""

    @app.command()
    def check(
        file: Annotated[Path, typer.Argument(help="The file; it stays where it is.")],
        *,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Say whether a file would be accepted; exit code 2 when it would be refused."""
        processor = UploadProcessor(load_settings().uploads)
        result = _run(processor, file)
        if as_json:
            typer.echo(json.dumps(asdict(result), indent=2))
        else:
            why = f": {result.reason} {result.detail}".rstrip() if result.reason else ""
            typer.echo(f"{result.status}{why}")
            typer.echo(f"{result.size} bytes, {result.media_type}, sha256 {result.sha256}")
            typer.echo("scanned" if result.scanned else "not scanned")
        if result.status == "refused":
            raise typer.Exit(2)

    @app.command()
    def scanner() -> None:
        """Show the version of the configured scanner, and the date of its signatures."""
        processor = UploadProcessor(load_settings().uploads)
        try:
            version = asyncio.run(processor.scanner_version())
        except UploadError as error:
            _fail(f"error: {error}")
        typer.echo(version or "No scanner: set UPLOADS__CLAMD_URL.")

    return app


def _run(processor: UploadProcessor, file: Path) -> ProcessedUpload:
    try:
        return asyncio.run(processor.check(file))
    except (UploadError, OSError) as error:
        _fail(f"error: {error}")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
