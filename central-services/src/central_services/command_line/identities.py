"""`central identities`: what services that run elsewhere need to call each other."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..core.config import ENV_PREFIX
from ..kit.identity import ServiceKeys, settings_of
from ..kit.services import choose
from ..services import SERVICES
from .context import CommandError, JsonOption, print_json

Urls = Annotated[
    list[str],
    typer.Option("--url", help="Where one is, as in auth=https://auth.example.com; repeatable."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def identities(*, url: Urls, as_json: JsonOption = False) -> None:
        """Print the settings that let services call each other, with new keys; they are secrets.

        Each service gets its own; what AUTH__CLIENTS holds of the others are their public keys.
        """
        found = new_identities(parse_urls(url))
        if as_json:
            print_json(found)
            return
        for name, settings in found.items():
            typer.echo(f"# {name}")
            for variable, value in settings.items():
                typer.echo(f"{variable}={shlex.quote(value)}")


def parse_urls(given: Sequence[str]) -> dict[str, str]:
    """Return the address of each service, from `name=url`.

    Raises:
        CommandError: One is no such pair.
        UnknownServiceError: There is no service of a name.
    """
    urls = {}
    for text in given:
        name, _, url = text.partition("=")
        if not url.startswith(("https://", "http://")):
            raise CommandError(f"--url {text}: write NAME=URL, as in auth=https://auth.example.com")
        urls[name] = url.rstrip("/")
    choose(SERVICES, urls)
    return urls


def new_identities(urls: dict[str, str]) -> dict[str, dict[str, str]]:
    """Return the settings of each service, by its name."""
    services = [service for service in SERVICES if service.name in urls]
    with tempfile.TemporaryDirectory() as folder:
        keys = ServiceKeys(Path(folder) / "identities.json")
        found = {one.name: settings_of(one, services, urls, keys) for one in services}
    return {
        name: {f"{ENV_PREFIX}{variable}": value for variable, value in settings.items()}
        for name, settings in found.items()
    }
