# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The HTTP client as a dependency of endpoints."""

from __future__ import annotations

import pytest
from fastapi import APIRouter

from central_services.clients.dependencies import Http

pytestmark = pytest.mark.anyio
router = APIRouter()
seen: list[object] = []


@router.get("/uses-http")
async def uses_http(http: Http) -> None:
    seen.append(http)


async def test_every_request_gets_the_applications_one_client(serve) -> None:
    seen.clear()
    async with serve(routers=[router]) as api:
        for _ in range(2):
            assert (await api.get("/uses-http")).status_code == 200
        first, second = seen
        assert first is second


async def test_two_applications_share_no_client(serve) -> None:
    seen.clear()
    for _ in range(2):
        async with serve(routers=[router]) as api:
            assert (await api.get("/uses-http")).status_code == 200
    first, second = seen
    assert first is not second
