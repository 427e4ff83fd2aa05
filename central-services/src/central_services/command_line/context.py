"""What the commands share: settings, the folder of this machine, JSON."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from pydantic import ValidationError
from pydantic_settings import SettingsError

from ..core.config import ENV_PREFIX
from ..kit.engines.home import Home, default_home
from ..kit.supervision.identity import Identity
from ..settings import Settings

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
SUPERVISOR = "supervisor"


class CommandError(Exception):
    """A command can't do its work; the text says what to do."""


def load_settings() -> Settings:
    """Return the settings.

    Raises:
        CommandError: They are not valid; each variable is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        lines = [
            f"  {ENV_PREFIX}{'__'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
            for item in error.errors()
        ]
        raise CommandError("the configuration is not valid:\n" + "\n".join(lines)) from None
    except SettingsError as error:
        raise CommandError(f"the configuration can't be read: {error}") from None


def home_of(settings: Settings) -> Home:
    """Return the folder of this machine; it need not exist."""
    path = settings.engines.home
    return Home((path.expanduser() if path else default_home()).absolute())


def supervisor_of(home: Home) -> Identity:
    """Return the identity of the process that `central up` is."""
    return Identity(home.run, SUPERVISOR)


def print_json(data: object) -> None:
    """Print one JSON document on stdout."""
    typer.echo(json.dumps(data, indent=2, ensure_ascii=False))
