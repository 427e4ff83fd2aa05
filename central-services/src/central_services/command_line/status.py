"""`central status`: how everything stands."""

from __future__ import annotations

import typer

from ..kit.supervision.unit import State
from .context import JsonOption, home_of, load_settings, print_json, supervisor_of
from .display import read_status, show


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def status(*, as_json: JsonOption = False) -> None:
        """Show what `central up` runs, where it listens and whether it answers.

        Ends with 0 when everything is ready, otherwise with 1.
        """
        home = home_of(load_settings())
        process = supervisor_of(home).holder()
        standings = read_status(home) if process else []
        ready = bool(standings) and all(row["state"] == State.READY for row in standings)
        if as_json:
            print_json(
                {"up": process is not None, "pid": process, "ready": ready, "units": standings}
            )
        elif process is None:
            typer.echo("Nothing is up: `central up` starts it.")
        else:
            show(standings)
        raise typer.Exit(0 if ready else 1)
