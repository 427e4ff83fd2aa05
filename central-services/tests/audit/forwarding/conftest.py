# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A trail, a stand-in of the central audit service, and a forwarder between them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from central_services.audit import AuditLog
from central_services.audit.catalogue import STARTED
from central_services.audit.forwarder import Forwarder, open_forwarder
from central_services.audit.forwarding import Forwarding
from central_services.clients.audit import AuditServiceClient
from central_services.core.audit_settings import AuditSettings
from central_services.core.central_audit_settings import CentralAuditSettings
from central_services.core.config import HttpClientSettings

from .stand_in import Server, StandIn

Open = Callable[..., AbstractAsyncContextManager[Forwarder]]
Record = Callable[[int], Awaitable[list[str]]]


@pytest.fixture
def service() -> Iterator[StandIn]:
    server = Server()
    yield server.service
    server.close()


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[AuditLog]:
    log = AuditLog(AuditSettings(path=tmp_path / "audit"))
    yield log
    log.close()


@pytest.fixture
def record(trail: AuditLog) -> Record:
    """A function that records and seals events, and returns their ids."""

    async def go(count: int) -> list[str]:
        made = [
            await trail.record(STARTED, target="service:test", data={"version": str(number)})
            for number in range(count)
        ]
        trail.sealer.seal()
        return [event.id for event in made]

    return go


@pytest.fixture
def forwarding(trail: AuditLog) -> Iterator[Forwarding]:
    """What was forwarded, as another process sees it."""
    kept = Forwarding(trail.settings.path)
    yield kept
    kept.close()


@pytest.fixture
def open_one(trail: AuditLog, service: StandIn) -> Open:
    """A function that opens a forwarder; keywords are settings."""

    @asynccontextmanager
    async def start(**settings: Any) -> Any:
        known: dict[str, Any] = {"url": service.url, "interval_s": 0.01}
        chosen = CentralAuditSettings(**(known | settings))
        client = AuditServiceClient(chosen, HttpClientSettings(max_retries=0))
        async with open_forwarder(chosen, client, trail.settings, trail.codec) as forwarder:
            yield forwarder
        await client.aclose()

    return start
