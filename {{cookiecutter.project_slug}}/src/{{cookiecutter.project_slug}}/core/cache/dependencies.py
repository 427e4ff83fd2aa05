# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The cache as a FastAPI dependency: `async def endpoint(cache: Cache) -> ...`."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .client import CacheClient


async def get_cache(request: Request) -> CacheClient:
    """Return the application's cache."""
    cache: CacheClient = request.app.state.cache
    return cache


Cache = Annotated[CacheClient, Depends(get_cache)]
"""The application's cache, for a parameter of an endpoint."""
