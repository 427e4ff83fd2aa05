"""The commands of `central`, brought together; each module adds its own and defers its heavy imports."""

from __future__ import annotations

import sys

import typer

from ..kit.engines.errors import EngineError
from ..kit.services import UnknownServiceError
from ..kit.supervision.unit import UnitError
from . import connect, doctor, down, engines, env, identities, logs, run, serve, status, up
from .context import CommandError


def build() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        name="central",
        help="Run the engines and services that an organisation's projects share.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 fine, 1 something is not, 2 usage.",
    )
    for module in (up, serve, run, status, logs, env, connect, identities, doctor, down, engines):
        module.register(app)
    return app


def main() -> None:
    """Run the command line; an expected error is one sentence, without a traceback."""
    try:
        build()(prog_name="central")
    except (CommandError, EngineError, UnitError, UnknownServiceError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
