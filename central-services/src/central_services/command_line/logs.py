"""`central logs`: what engines and services print."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from .context import CommandError, home_of, load_settings

FOLLOW_STEP_S = 0.2
"""Seconds between two looks at a log that grows; nothing portable tells when it does."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def logs(
        names: Annotated[
            list[str] | None, typer.Argument(help="Engines or services; all by default.")
        ] = None,
        *,
        lines: Annotated[int, typer.Option("--lines", "-n", min=0, help="How many of each.")] = 40,
        follow: Annotated[
            bool, typer.Option("--follow", "-f", help="Go on with what comes, until Ctrl-C.")
        ] = False,
    ) -> None:
        """Show what engines and services print."""
        home = home_of(load_settings())
        found = {path.stem: path for path in sorted(home.logs.glob("*.log"))}
        missing = sorted(set(names or []) - set(found))
        if missing or not found:
            known = f": there is {', '.join(found)}" if found else "; nothing was started yet"
            raise CommandError(f"there is no log of {', '.join(missing) or 'anything'}{known}")
        chosen = {name: path for name, path in found.items() if not names or name in names}
        width = max(map(len, chosen))
        for name, path in chosen.items():
            for line in last_lines(path, lines):
                typer.echo(f"{name:{width}} | {line}")
        if follow:
            for name, line in _follow(chosen):
                typer.echo(f"{name:{width}} | {line}")


def last_lines(path: Path, count: int) -> Sequence[str]:
    """Return the last lines of a log."""
    text = path.read_text("utf-8", errors="replace")
    return text.splitlines()[-count:] if count else []


def _follow(logs: dict[str, Path]) -> Iterator[tuple[str, str]]:
    """Yield each line that is written from now on."""
    files: dict[str, BinaryIO] = {}
    try:
        for name, path in logs.items():
            files[name] = path.open("rb")
            files[name].seek(0, 2)
        while True:
            news = [(name, line) for name, file in files.items() for line in file]
            yield from ((name, line.decode(errors="replace").rstrip()) for name, line in news)
            if not news:
                time.sleep(FOLLOW_STEP_S)
    except KeyboardInterrupt:
        return
    finally:
        for file in files.values():
            file.close()
