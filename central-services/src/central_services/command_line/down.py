"""`central down` and `central reset`: stop everything, and forget it."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Annotated

import typer

from ..kit.engines.home import Home
from ..kit.engines.installation import remove_others
from ..kit.supervision.supervisor import end_orphans
from ..services import SERVICES
from .context import CommandError, home_of, load_settings, supervisor_of
from .plan import stops


def register(app: typer.Typer) -> None:
    """Add the commands."""

    @app.command()
    def down() -> None:
        """Stop the services, then the engines, and what a killed start left behind."""
        ended = asyncio.run(stop_everything(home_of(load_settings())))
        typer.echo("Everything is down." if ended else "Nothing was up.")

    @app.command()
    def reset(
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Stop everything and delete its data, logs, ports and passwords; the tools stay."""
        home = home_of(load_settings())
        if not home.path.is_dir():
            typer.echo(f"There is nothing in {home.path}.")
            return
        if not yes:
            typer.confirm(f"Delete all data of engines and services in {home.path}?", abort=True)
        asyncio.run(stop_everything(home))
        home.clear()
        remove_others(home.path)
        typer.echo(f"{home.path} holds the tools only.")


async def stop_everything(home: Home) -> bool:
    """Stop the supervisor, or what it left behind when it was killed; tells whether anything ran.

    Raises:
        CommandError: The supervisor does not end.
    """
    if not home.run.is_dir():
        return False
    identity, limits = supervisor_of(home), stops(SERVICES)
    process = identity.holder()
    if process is not None:
        os.kill(process, signal.SIGTERM)
        # Services, then engines: the longest of each, and some air.
        limit = 2 * max(limit for _, limit in limits.values()) + 10
        if not await identity.released(limit):
            raise CommandError(f"process {process} does not end: kill it, and run this again")
    orphans = await end_orphans(home.run, limits)
    if orphans:
        typer.echo(f"Ended what an earlier start left behind: {', '.join(orphans)}.", err=True)
    return process is not None or bool(orphans)
