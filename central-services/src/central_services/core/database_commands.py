# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `db`: bring a database to a revision, write one, see where things stand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from .config import PlatformSettings

if TYPE_CHECKING:
    from .migrations import Migrations

T = TypeVar("T")


def database_commands(load_settings: Callable[[], PlatformSettings]) -> typer.Typer:
    """Return the commands, for the program to add.

    Args:
        load_settings: Returns the settings, or ends the program.
    """
    app = typer.Typer(help="Bring the database to this release's migrations.", no_args_is_help=True)

    def migrations() -> Migrations:
        # The other commands of the program need no database library.
        from .migrations import Migrations  # noqa: PLC0415  # see above

        return Migrations(load_settings().database, report=typer.echo)

    @app.command()
    def upgrade(
        revision: Annotated[str, typer.Argument(help="Where to stop.")] = "heads",
    ) -> None:
        """Apply the migrations that the database lacks."""
        _run(migrations().upgrade(revision))
        typer.echo("The database is up to date." if revision == "heads" else f"At {revision}.")

    @app.command()
    def downgrade(
        revision: Annotated[str, typer.Argument(help="Where to go back to; base is empty.")],
        *,
        yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    ) -> None:
        """Undo migrations down to a revision. What their tables and columns hold is lost."""
        if not yes:
            typer.confirm(f"Undo migrations down to {revision}, and lose their data?", abort=True)
        _run(migrations().downgrade(revision))

    @app.command()
    def revision(
        message: Annotated[str, typer.Option("--message", "-m", help="What it does.")],
        *,
        package: Annotated[str, typer.Option(help="Package that keeps revisions of its own.")] = "",
        empty: Annotated[bool, typer.Option("--empty", help="Write no operations.")] = False,
    ) -> None:
        """Write a migration from what the models have and the database lacks; then read it."""
        typer.echo(_run(migrations().revise(message, package=package, empty=empty)))

    @app.command()
    def current() -> None:
        """Show the revisions that the database is at."""
        for name in _run(migrations().current()) or ["none"]:
            typer.echo(name)

    @app.command()
    def check() -> None:
        """Fail unless the database is at head, and the migrations make what the models say."""
        _run(migrations().check())
        typer.echo("The database is at head, and the migrations match the models.")

    return app


def require_migrated(settings: PlatformSettings) -> None:
    """End the program with a sentence when a service would refuse to start on its database."""
    from .database import Database, DatabaseUnavailableError  # noqa: PLC0415  # as above
    from .migrations import require_current  # noqa: PLC0415  # as above

    async def look() -> None:
        database = Database(settings.database)
        try:
            await require_current(database)
        except DatabaseUnavailableError:
            pass  # the service starts, and waits for it
        finally:
            await database.aclose()

    if settings.database.migrations == "require":
        _run(look())


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run something, and end the program with a sentence when it fails."""
    from .database import DatabaseUnavailableError  # noqa: PLC0415  # as above
    from .migrations import MigrationError  # noqa: PLC0415  # as above

    try:
        return asyncio.run(work)
    except MigrationError as error:
        message = str(error)
    except DatabaseUnavailableError as error:
        message = f"the database can't be used: {str(error.__cause__).splitlines()[0]}"
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(1)
