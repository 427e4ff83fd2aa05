# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A service's side of an issuer: the client under test, and a clock that only the test moves."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from central_services.clients.auth import CentralAuth
from central_services.core.central_auth_settings import CentralAuthSettings
from central_services.core.config import HttpClientSettings
from tests.auth_fixtures import AUDIENCE, Issuer

MakeAuth = Callable[..., CentralAuth]


class Clock:
    """Seconds that pass only when the test says so, on top of the time it began at."""

    def __init__(self) -> None:
        self.began = time.time()
        self.passed = 0.0

    def __call__(self) -> float:
        return self.began + self.passed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def make_auth(issuer: Issuer, clock: Clock) -> AsyncIterator[MakeAuth]:
    """A function that makes a client of the issuer; keywords are its settings."""
    made = []

    def make(**settings: Any) -> CentralAuth:
        known: dict[str, Any] = {"issuer": issuer.url, "audience": AUDIENCE}
        chosen = CentralAuthSettings(**(known | settings))
        http = HttpClientSettings(max_retries=0)
        made.append(CentralAuth(chosen, http, realm="acme", clock=clock, monotonic=clock))
        return made[-1]

    yield make
    for auth in made:
        await auth.aclose()
