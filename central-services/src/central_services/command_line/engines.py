"""`central engines`: the tool folder, for machines that are prepared before they start anything."""

from __future__ import annotations

import typer

from ..kit.engines.installation import install, is_installed
from .context import home_of, load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="The engines' programs.", no_args_is_help=True)
    app.add_typer(group, name="engines")

    @group.command("install")
    def install_command() -> None:
        """Install the engines now, so that `central up` needs no network."""
        home = home_of(load_settings())
        there = is_installed(home.path)
        home.make()
        typer.echo(f"{'They are' if there else 'Installed'} in {install(home.path)}.")

    @group.callback()
    def engines() -> None:
        """Look after the engines' programs."""
