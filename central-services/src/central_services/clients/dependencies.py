# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The HTTP client as a FastAPI dependency: `async def endpoint(http: Http) -> ...`.

Importing this module imports the HTTP library; a service that calls nobody never pays for it.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .http import HttpClient


async def get_http_client(request: Request) -> HttpClient:
    """Return the application's one pooled client, opened at first use and closed at shutdown."""
    state = request.app.state
    client: HttpClient | None = getattr(state, "http_client", None)
    if client is None:
        client = state.http_client = HttpClient(state.settings.http_client)

        async def close() -> None:
            del state.http_client  # a service that is started again opens a new one
            await client.aclose()

        state.exit_stack.push_async_callback(close)
    return client


Http = Annotated[HttpClient, Depends(get_http_client)]
"""The application's HTTP client, for a parameter of an endpoint."""
