"""How often one address may ask, by route."""

from __future__ import annotations

import httpx2
import pytest

from central_services.auth_service.app import build
from central_services.settings import Settings

from .conftest import ISSUER, KEY

pytestmark = pytest.mark.anyio


async def refused_of(settings: Settings, method: str, path: str, requests: int) -> int:
    """Return how many requests from one address get 429."""
    app = build(settings)
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url=ISSUER) as http,
    ):
        answers = [await http.request(method, path) for _ in range(requests)]
    return sum(answer.status_code == 429 for answer in answers)


async def test_many_services_of_a_host_get_tokens_and_the_rest_is_limited_as_before() -> None:
    settings = Settings(auth={"encryption_key": KEY}, rate_limit={"requests_per_minute": 5})
    assert await refused_of(settings, "POST", "/oauth2/token", 40) == 0
    assert await refused_of(settings, "POST", "/login", 40) > 0
    assert await refused_of(settings, "POST", "/auth/login", 40) > 0


async def test_own_limit_replaces_that_of_the_service() -> None:
    routes = {"POST /oauth2/token": 3}
    settings = Settings(auth={"encryption_key": KEY}, rate_limit={"routes": routes})
    assert await refused_of(settings, "POST", "/oauth2/token", 20) > 0
