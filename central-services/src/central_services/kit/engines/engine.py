"""What an engine is: how its data is made, how it starts, when it answers, where it is found."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ..services import EngineName

PROBE_LIMIT_S = 2.0
"""Seconds after which an engine that does not answer is taken for silent."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where one engine lives.

    Attributes:
        tools: The folder that the wheels are installed in.
        data: What it keeps; its own folder.
        port: Where it listens, on 127.0.0.1.
        password: What its clients authenticate with.
        user: The id of the user it runs as, or None for this process's own.
    """

    tools: Path
    data: Path
    port: int
    password: str
    user: int | None


class Engine(Protocol):
    """One kind of engine.

    Attributes:
        name: Its name.
        port: Where it listens unless that is taken.
        stop: The signal that ends it in order.
        stop_limit_s: Seconds after which it is killed; its data survives that.
    """

    name: EngineName
    port: int
    stop: signal.Signals
    stop_limit_s: float

    def prepare(self, place: Place) -> None:
        """Make what it needs to start, unless it is there; it blocks.

        A crash in the middle leaves nothing behind that the next call would take for whole.

        Raises:
            EngineError: It can't be made, or is another release's.
        """
        ...

    def command(self, place: Place) -> tuple[list[str], Mapping[str, str]]:
        """Return the program with its arguments, and its environment; neither holds the password."""
        ...

    def url(self, place: Place) -> str:
        """Return the address for a client, with credentials."""
        ...

    async def answers(self, url: str) -> bool:
        """Tell whether the engine at an address takes work from who has these credentials.

        It never raises for an engine that is away, starts or refuses: that is False.
        """
        ...
