# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the commands of `tasks` share: a place to work in, and how they print and fail."""

from __future__ import annotations

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import typer
from pydantic import BaseModel

from ..core.config import PlatformSettings
from ..core.errors import ServiceError
from ..utils.logging import printed_aside
from .errors import InvalidTaskError

if TYPE_CHECKING:
    from .presets import PresetsManager
    from .service import MonitoringService

T = TypeVar("T")
Load = Callable[[], PlatformSettings]


class Session:
    """Opens what a command needs, and ends the program with a sentence when it fails."""

    def __init__(self, load: Load) -> None:
        self.load = load

    def presets(self, work: Callable[[PresetsManager], Awaitable[T]]) -> T:
        """Return what some work with the tasks returns."""
        from .composition import open_presets  # keeps --help quick  # noqa: PLC0415  # keeps --help quick

        async def session() -> T:
            async with open_presets(self.load()) as presets:
                return await work(presets)

        return _sentences(session)

    def service(self, work: Callable[[MonitoringService], Awaitable[T]]) -> T:
        """Return what some work with the service returns."""
        from .composition import open_monitoring  # as above  # noqa: PLC0415  # keeps --help quick

        async def session() -> T:
            async with open_monitoring(self.load()) as service:
                return await work(service)

        return _sentences(session)


def _sentences(session: Callable[[], Coroutine[Any, Any, T]]) -> T:
    try:
        # In development a mail is printed, for example.
        with printed_aside():
            return asyncio.run(session())
    except InvalidTaskError as error:
        fail("The task is not valid:\n" + "\n".join(f"  {line}" for line in error.problems))
    except ServiceError as error:
        fail(str(error))


def fail(message: str) -> NoReturn:
    """End with a message for people, and exit code 1."""
    typer.echo(message, err=True)
    raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print what a command found, as JSON."""

    def plain(item: object) -> object:
        return item.model_dump(mode="json") if isinstance(item, BaseModel) else str(item)

    typer.echo(json.dumps(value, indent=2, ensure_ascii=False, default=plain))


def me(operator: str) -> str:
    """Return who makes a change: who was named, or the system's user."""
    if operator:
        return operator
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user has no name
        return ""


def values(pairs: Sequence[str]) -> dict[str, Any]:
    """Return parameters as they were written, each value read as JSON where it is some."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            fail(f"{pair!r} is not name=value.")
        try:
            found[name] = json.loads(value)
        except ValueError:
            found[name] = value
    return found
