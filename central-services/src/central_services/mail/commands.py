# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The command line of mail: try what is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from ..core.config import PlatformSettings
from .errors import MailError
from .message import Email, SentEmail

_TEXT = "This message shows that {name} can send mail, as it is configured now.\n"


def mail_commands(load_settings: Callable[[], PlatformSettings]) -> typer.Typer:
    """Return the commands.

    Args:
        load_settings: Returns the settings, or ends the program with what is wrong with them.
    """
    app = typer.Typer(help="Try outgoing mail.", no_args_is_help=True)

    @app.callback()
    def group() -> None:
        """Try outgoing mail."""

    @app.command()
    def test(
        recipient: Annotated[str, typer.Argument(help="Address to send a message to.")],
    ) -> None:
        """Send a message with the configured delivery, and say what the server answered."""
        settings = load_settings()
        try:
            sent = asyncio.run(_send(settings, recipient))
        except MailError as error:
            _fail(f"error: {type(error).__name__}: {error}")
        typer.echo(f"Sent over {sent.delivery} as {sent.message_id} {sent.provider_id}".rstrip())

    @app.command()
    def check() -> None:
        """Connect and log in, without sending anything."""
        settings = load_settings()
        try:
            asyncio.run(_check(settings))
        except MailError as error:
            _fail(f"error: {type(error).__name__}: {error}")
        typer.echo("Messages can be sent.")

    @app.command("admins")
    def admins() -> None:
        """Tell the admins of a made-up outage and of its end, over the channel that works."""
        settings = load_settings()
        channels = asyncio.run(_tell(settings))
        if not channels:
            _fail("error: nobody was told: set MAIL__ADMINS or MAIL__ADMIN_WEBHOOK_URL")
        typer.echo(f"The admins were told over: {', '.join(channels)}")

    return app


async def _send(settings: PlatformSettings, recipient: str) -> SentEmail:
    from .composition import open_mail  # noqa: PLC0415  # no other command needs it

    name = settings.app_name
    text = _TEXT.format(name=name)
    email = Email(recipients=(recipient,), subject=f"Test message of {name}", text=text)
    async with open_mail(settings) as mail:
        return await mail.send(mail.compose("message", email, body=text))


async def _check(settings: PlatformSettings) -> None:
    from .composition import open_mail  # noqa: PLC0415  # no other command needs it

    async with open_mail(settings) as mail:
        await mail.check()


async def _tell(settings: PlatformSettings) -> list[str]:
    from .composition import open_admins  # noqa: PLC0415  # no other command needs it

    key, text = "test", "Somebody tried whether this reaches you. Nothing is wrong."
    async with open_admins(settings) as admins:
        told = await admins.notify(key, "A made-up outage", text)
        over = await admins.recovered(key, "The made-up outage is over", text)
    return [notice.channel for notice in (told, over) if notice.channel]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)
