# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A trail of its own for each test, and actions to record in it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

from central_services.audit import (
    Action,
    ActionRegistry,
    AuditLog,
    Retention,
    Sensitivity,
    catalogue,
)
from central_services.audit.schema import TRIGGERS, connect
from central_services.audit.verify import Report, Verification
from central_services.core.audit_settings import AuditSettings

Tamper = Callable[[str], None]


class Shipment(BaseModel):
    """The data of an event, a field of each level."""

    carrier: str
    phone: Annotated[str, Sensitivity.CONFIDENTIAL] = ""
    iban: Annotated[str, Sensitivity.RESTRICTED] = ""


class OrderState(BaseModel):
    """Fields of an order that change."""

    status: str = ""
    address: Annotated[str, Sensitivity.CONFIDENTIAL] = ""


class Clock:
    """A clock that only the test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def forward(self, days: float) -> None:
        self.now += timedelta(days=days)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def actions() -> ActionRegistry:
    """The registry of a test: two actions of a shop, the holds and the drops."""
    registry = ActionRegistry()
    registry.register(Action("order.shipped", "An order left", Shipment, OrderState))
    registry.register(Action("order.seen", "Somebody looked", retention=Retention.SHORT))
    registry.register(catalogue.DROPPED)
    registry.register(catalogue.HOLD_PLACED)
    registry.register(catalogue.HOLD_RELEASED)
    return registry


@pytest.fixture(scope="session")
def new_trail(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trail without events, to be copied: making one waits for the disk a dozen times."""
    folder = tmp_path_factory.mktemp("audit") / "new"
    AuditLog(AuditSettings(path=folder)).close()
    return folder


@pytest.fixture
def folder(new_trail: Path, tmp_path: Path) -> Path:
    return shutil.copytree(new_trail, tmp_path / "audit")


@pytest.fixture
def audit(folder: Path, clock: Clock, actions: ActionRegistry) -> Iterator[AuditLog]:
    """A trail in a folder of its own; the test seals by hand."""
    log = AuditLog(AuditSettings(path=folder), clock=clock, actions=actions)
    keys: Any = log.keys._store
    for connection in (log.sealer.connection, keys._file, log._inbox._connection):
        # Nobody pulls the plug on these tests; the template's own ones do.
        connection.execute("PRAGMA synchronous = OFF")
    yield log
    log.close()


@pytest.fixture
def verify(audit: AuditLog, clock: Clock) -> Callable[..., Report]:
    """A function that verifies the trail, against an anchor if there is one."""

    def run(anchor: str | None = None) -> Report:
        with closing(connect(audit.file, read_only=True)) as connection:
            return Verification(
                connection,
                audit.secrets.verifier,
                audit.settings.origin,
                master=audit.secrets.master,
                now=clock(),
            ).run(anchor)

    return run


@pytest.fixture
def tamper(audit: AuditLog) -> Tamper:
    """A function that changes the trail as whoever can write its file would: without triggers."""

    def run(statement: str) -> None:
        with closing(sqlite3.connect(audit.file, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN")
            for name in TRIGGERS:
                connection.execute(f"DROP TRIGGER {name}")
            assert connection.execute(statement).rowcount > 0
            for trigger in TRIGGERS.values():
                connection.execute(trigger)
            connection.execute("COMMIT")

    return run
