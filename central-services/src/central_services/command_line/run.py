"""`central run`: the project's own commands, as a service that is up runs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..kit.services import Service, choose, engines_of
from ..services import SERVICES
from .context import CommandError, home_of, load_settings
from .plan import Plan


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command(
        context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
    )
    def run(
        name: Annotated[str, typer.Argument(metavar="SERVICE", help="Whose settings are used.")],
        command: Annotated[
            list[str], typer.Argument(metavar="COMMAND...", help="What `central-services` is told.")
        ],
    ) -> None:
        """Run a command of `central-services` with the database and the settings of a service here.

        As in `central run auth auth add-organisation acme --name Acme`. Its engines have to be up.
        """
        plan, service = plan_of(name)
        os.chdir(plan.home.data / name)
        os.execve(sys.executable, program(command), plan.environment(service))  # noqa: S606  # no shell is wanted


def plan_of(name: str) -> tuple[Plan, Service]:
    """Return a service of this machine, and the plan that it is part of.

    Raises:
        CommandError: It was never started.
        UnknownServiceError: There is none of that name.
    """
    settings = load_settings()
    services = choose(SERVICES, [name])
    if len(services) != 1:
        raise CommandError("name one service")
    home = home_of(settings)
    if not (home.data / name).is_dir():
        raise CommandError(f"{name} was never started here: `central up` does that")
    return Plan(settings, home, SERVICES, engines_of(SERVICES)), services[0]


def program(command: Sequence[str]) -> list[str]:
    """Return the command line of a command of `central-services`."""
    return [sys.executable, "-m", __name__.partition(".")[0], *command]
