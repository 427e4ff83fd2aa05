# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a worker opens for tasks: the platform's parts, then what the project registered."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..clients.http import HttpClient
from ..core.database import Database
from .context import providers

if TYPE_CHECKING:
    from ..core.config import PlatformSettings


@asynccontextmanager
async def open_resources(settings: PlatformSettings) -> AsyncGenerator[Mapping[type[Any], object]]:
    """Open everything that tasks may ask their context for, and close it in reverse order."""
    opened: dict[type[Any], object] = {}
    async with AsyncExitStack() as stack:
        opened[HttpClient] = await stack.enter_async_context(HttpClient(settings.http_client))
        database = Database(settings.database)
        stack.push_async_callback(database.aclose)
        opened[Database] = database
        for kind, opener in providers().items():
            opened[kind] = await stack.enter_async_context(opener(settings))
        yield opened
