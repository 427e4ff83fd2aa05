"""`central env`: what a project needs to connect."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Annotated

import typer

from ..kit.services import EngineName, Service, engines_of
from ..services import SERVICES
from .context import JsonOption, home_of, load_settings, print_json
from .plan import Plan
from .up import With

ENGINE_SETTINGS = {
    EngineName.VALKEY: ("RATE_LIMIT__URL", "CACHE__URL"),
    EngineName.NATS: ("JOBS__URL",),
}
"""The settings of a project that take an engine's address. A database is for one service alone."""


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def env(
        *,
        prefix: Annotated[
            str, typer.Option(help="Prefix of the project's variables, as in ACME_ORDERS_.")
        ] = "",
        more: With = None,
        export: Annotated[bool, typer.Option("--export", help="Lines for a shell.")] = False,
        as_json: JsonOption = False,
    ) -> None:
        """Print the settings that connect a project to the services here; they hold passwords.

        `central env --prefix ACME_ORDERS_ >> .env` in the project's folder is enough.
        """
        settings = load_settings()
        home = home_of(settings)
        home.make()
        needed = {*engines_of(SERVICES), *(more or [])}
        plan = Plan(settings, home, SERVICES, [e for e in EngineName if e in needed])
        found = {f"{prefix}{name}": value for name, value in variables(plan, SERVICES).items()}
        if as_json:
            print_json(found)
            return
        show_variables(found, export=export)


def show_variables(found: Mapping[str, str], *, export: bool = False) -> None:
    """Print settings as a shell, or a `.env`, takes them."""
    for name, value in found.items():
        typer.echo(f"{'export ' if export else ''}{name}={shlex.quote(value)}")


def variables(plan: Plan, services: Iterable[Service]) -> dict[str, str]:
    """Return the settings of a project, without its prefix."""
    found: dict[str, str] = {}
    for service in services:
        url = plan.service_url(service)
        found |= {name: text.replace("{url}", url) for name, text in service.exports}
    for engine in plan.engines:
        found |= dict.fromkeys(ENGINE_SETTINGS.get(engine, ()), plan.engine_url(engine))
    return found
