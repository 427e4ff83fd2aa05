# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `auth`: can tokens be checked, what does one say, and this service's own."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer

from ..core.app import build_central_auth
from ..core.errors import ServiceError
from .auth import CentralAuth

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

T = TypeVar("T")


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _run(settings: PlatformSettings, work: Callable[[CentralAuth], Awaitable[T]]) -> T:
    """Return what some work with the issuer returns, or end with its error."""

    async def main() -> T:
        auth = build_central_auth(settings)
        try:
            return await work(auth)
        finally:
            await auth.aclose()

    try:
        return asyncio.run(main())
    except ServiceError as error:
        why = f" ({error.__cause__})" if error.__cause__ else ""
        _fail(f"{error}{why}")


def auth_commands(load: Callable[[], PlatformSettings]) -> typer.Typer:
    """Return the commands.

    Args:
        load: Returns the settings, or ends with what is wrong with them.
    """
    app = typer.Typer(help="Check tokens, and get this service's own.", no_args_is_help=True)

    @app.command()
    def keys() -> None:
        """Fetch the issuer's keys and show them: whether tokens can be checked from here."""
        settings = load()
        found = _run(settings, lambda auth: auth.keys())
        for key in found:
            typer.echo(f"{key.kid or '(no name)'}\t{', '.join(sorted(key.algorithms))}")

    @app.command()
    def explain() -> None:
        """Read a token from the standard input, and show whom it is of or why it is refused."""
        settings, token = load(), sys.stdin.read().strip()
        user = _run(settings, lambda auth: auth.current_user(token))
        shown = {
            "subject": user.subject,
            "org": user.org,
            "client_id": user.client_id,
            "roles": sorted(user.roles),
            "permissions": sorted(user.permissions),
            "scopes": sorted(user.scopes),
        }
        typer.echo(json.dumps(shown, indent=2, ensure_ascii=False))

    @app.command()
    def token(
        audience: Annotated[
            str, typer.Argument(help="Whom it is for; by default this service.")
        ] = "",
    ) -> None:
        """Print an access token of this service's own; it is a secret for as long as it lives."""
        settings = load()
        wanted = audience or settings.central_auth.audience
        typer.echo(_run(settings, lambda auth: auth.service_token(audience=wanted)))

    return app
