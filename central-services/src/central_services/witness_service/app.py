"""The witness, put together; the only module that makes its parts."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import orjson
from fastapi import FastAPI

from ..clients.errors import HttpClientError
from ..clients.http import HttpClient
from ..core.app import build_app
from ..kit.telemetry.recording import Telemetry
from ..utils.logging import get_logger
from .endpoints import router
from .service import Witness, keys_by_origin, make_cosigner

if TYPE_CHECKING:
    from ..settings import Settings

_log = get_logger(__name__)


def build(settings: Settings) -> FastAPI:
    """Return a new application; nothing is opened before its lifespan starts."""
    limits = settings.rate_limit
    # Each log comes with each of its checkpoints, one a second; they have proven who they are.
    routes = {"POST /add-checkpoint": 60_000, **limits.routes}
    own = settings.model_copy(update={"rate_limit": limits.model_copy(update={"routes": routes})})
    telemetry = Telemetry(settings.telemetry, "witness", settings.environment)
    app = build_app(
        own,
        routers=[router],
        lifespans=[telemetry.lifespan, witness_lifespan],
        telemetry=telemetry.config,
    )
    app.state.settings, app.state.telemetry = settings, telemetry
    return app


@dataclass(frozen=True, slots=True)
class KeyLists:
    """Looks logs up at the audit services that the settings name.

    Attributes:
        addresses: Where they are.
        http: Calls them.
    """

    addresses: Sequence[str]
    http: HttpClient

    async def find(self, origin: str) -> list[str]:
        """Return the keys of a log; none when no list has it, or none can be had."""
        for address in self.addresses:
            try:
                answer = await self.http.get(f"{address.rstrip('/')}/v1/log/keys")
                keys = orjson.loads(answer.content)["keys"] if answer.status_code == 200 else []
            except (HttpClientError, orjson.JSONDecodeError, KeyError, TypeError):
                _log.warning("log_list_unavailable", address=address, exc_info=True)
                continue
            found = keys_by_origin(key for key in keys if isinstance(key, str)).get(origin)
            if found:
                return found
        return []


def _utc_now() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def witness_lifespan(app: FastAPI) -> AsyncGenerator[None]:
    """Make the witness.

    Raises:
        WitnessKeyError: Its key is malformed.
    """
    settings: Settings = app.state.settings
    options = settings.witness
    http = app.state.telemetry.http_client(settings.http_client, inside=options.log_lists)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(http.aclose)
        app.state.witness = Witness(
            app.state.database,
            make_cosigner(options),
            keys_by_origin(options.log_keys),
            KeyLists(options.log_lists, http),
            _utc_now,
        )
        yield
