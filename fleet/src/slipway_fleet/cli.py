"""The command `fleet`. Each module of `commands` adds its own; this one only brings them together."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

from . import __version__, commands
from .errors import Exit, FleetError


def build() -> typer.Typer:
    """Return the whole command line.

    Every module of `slipway_fleet.commands` has `register(app)`, and defers its heavy imports.
    """
    app = typer.Typer(
        name="fleet",
        help="See, enforce and move every project that was made from a Slipway template.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        epilog="Exit codes: 0 clean, 1 findings, 2 usage, 3 some projects could not be checked.",
    )

    @app.callback(invoke_without_command=True)
    def root(version: bool = typer.Option(False, "--version", help="Show the version.")) -> None:
        if version:
            typer.echo(__version__)
            raise typer.Exit(Exit.CLEAN)

    for module in sorted(m.name for m in pkgutil.iter_modules(commands.__path__)):
        importlib.import_module(f"{commands.__name__}.{module}").register(app)
    return app


def main() -> None:
    """Run the command line; an expected error is one sentence, without a traceback."""
    try:
        build()()
    except FleetError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(error.exit)


if __name__ == "__main__":
    main()
