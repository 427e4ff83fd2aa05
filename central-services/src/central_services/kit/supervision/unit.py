"""What is supervised, and how it stands."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from .process import Program


class State(StrEnum):
    """How a unit stands."""

    WAITING = "waiting"  # for what it needs
    PREPARING = "preparing"
    STARTING = "starting"
    READY = "ready"
    UNHEALTHY = "unhealthy"  # it runs and does not answer
    RESTARTING = "restarting"  # it ended, and is started again in a moment
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"  # it never became ready


class UnitError(Exception):
    """A unit can't be prepared; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One engine or one process of services.

    Attributes:
        name: What it is called in the status, the logs and `run/`.
        kind: What it is.
        address: Where it listens, without credentials.
        answers: Tells whether it takes work; it never raises.
        prepare: Makes what it needs and returns what to run, or raises `UnitError`; None for what runs
            elsewhere and is only asked.
        after: The names of the units that have to be ready before.
    """

    name: str
    kind: Literal["engine", "service"]
    address: str
    answers: Callable[[], Awaitable[bool]]
    prepare: Callable[[], Awaitable[Program]] | None = None
    after: tuple[str, ...] = ()


@dataclass(slots=True)
class Standing:
    """How one unit stands now.

    Attributes:
        unit: The unit.
        state: Its state.
        process: The id of its process, or None.
        restarts: How often it was started again.
        since: When it got into this state, in seconds since the epoch.
        problem: Why it is in trouble, in one line, or an empty string.
    """

    unit: Unit
    state: State = State.WAITING
    process: int | None = None
    restarts: int = 0
    since: float = 0.0
    problem: str = field(default="")

    def as_json(self) -> dict[str, object]:
        """Return it as plain data."""
        return {
            "name": self.unit.name,
            "kind": self.unit.kind,
            "state": self.state.value,
            "address": self.unit.address,
            "external": self.unit.prepare is None,
            "pid": self.process,
            "restarts": self.restarts,
            "since": self.since,
            "problem": self.problem,
        }
