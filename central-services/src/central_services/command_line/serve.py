"""`central serve`: one service, or several in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import typer

from ..core.config import InsecureSettingsError
from ..core.database_commands import require_migrated
from ..kit.services import Service, choose
from ..services import SERVICES
from ..settings import Settings
from .context import CommandError, load_settings

Ports = Annotated[
    list[str] | None, typer.Option("--port", help="Where one listens, as in auth=8101; repeatable.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def serve(
        names: Annotated[
            list[str], typer.Argument(metavar="SERVICE...|all", help="What to serve.")
        ],
        *,
        port: Ports = None,
        migrate: Annotated[
            bool, typer.Option("--migrate", help="Bring the database to this release first.")
        ] = False,
    ) -> None:
        """Serve services, each on its own port, until SIGINT or SIGTERM.

        `all` serves every one in this process, which is enough for a small organisation. They share the
        settings of the process: one database, one audit trail, one queue.
        """
        settings, services = load_settings(), choose(SERVICES, names)
        if not services:
            raise CommandError("there is no service yet")
        ports = parse_ports(port or [], services)
        try:
            settings.require_secure()
        except InsecureSettingsError as error:
            raise CommandError(str(error)) from None
        if migrate:
            _migrate(settings)
        require_migrated(settings)
        if not _serve(settings, services, ports):
            raise typer.Exit(1)


def parse_ports(given: Sequence[str], services: Sequence[Service]) -> dict[str, int]:
    """Return the port of each service, from `name=port` and the table.

    Raises:
        CommandError: One names another service, or is no port.
    """
    ports = {service.name: service.port for service in services}
    for text in given:
        name, _, number = text.partition("=")
        if name not in ports or not number.isdecimal() or not 0 <= int(number) <= 65_535:
            known = ", ".join(ports)
            raise CommandError(f"--port {text}: write NAME=PORT with a name of {known}")
        ports[name] = int(number)
    return ports


def _migrate(settings: Settings) -> None:
    from ..core.migrations import MigrationError, Migrations  # noqa: PLC0415  # imports Alembic

    try:
        asyncio.run(Migrations(settings.database, report=typer.echo).upgrade())
    except MigrationError as error:
        raise CommandError(str(error)) from None


def _serve(settings: Settings, services: Sequence[Service], ports: dict[str, int]) -> bool:
    from ..kit.serving import Listener, serve  # noqa: PLC0415  # imports the server

    host = settings.server.host
    listeners = [Listener(s.name, s.build(settings), host, ports[s.name]) for s in services]
    limit = settings.server.shutdown_timeout_s
    return asyncio.run(serve(listeners, shutdown_timeout_s=limit))
