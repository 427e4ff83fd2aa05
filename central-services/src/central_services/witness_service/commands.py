"""The commands `witness ...`."""

from __future__ import annotations

import typer

witness_app = typer.Typer(help="Administer the witness.", no_args_is_help=True)


@witness_app.callback()
def _group() -> None:
    """Administer the witness."""


@witness_app.command()
def keygen() -> None:
    """Print a new key, for WITNESS__KEY."""
    from .service import new_key  # noqa: PLC0415  # heavy

    typer.echo(new_key())
