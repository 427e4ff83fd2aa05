# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The composition of a service."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest
from fastapi import APIRouter, FastAPI

from central_services.api.health import HealthCheck
from central_services.core.app import build_app
from central_services.core.config import InsecureSettingsError
from central_services.settings import Settings

pytestmark = pytest.mark.anyio
router = APIRouter()


@router.get("/hello")
async def hello() -> str:
    return "hello"


def test_an_insecure_production_service_is_not_built(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InsecureSettingsError):
        build_app(Settings(environment="production"))


async def test_a_projects_router_answers_with_the_platforms_headers(serve) -> None:
    async with serve(routers=[router]) as api:
        answer = await api.get("/hello")
        assert answer.json() == "hello"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-request-id"]


async def test_lifespans_open_in_order_and_close_in_reverse(serve) -> None:
    events: list[str] = []

    def part(name: str):
        @asynccontextmanager
        async def lifespan(_app: FastAPI) -> AsyncGenerator[None]:
            events.append(f"open {name}")
            yield
            events.append(f"close {name}")

        return lifespan

    async with serve(lifespans=[part("a"), part("b")]):
        assert events == ["open a", "open b"]
    assert events[2:] == ["close b", "close a"]


async def test_a_projects_check_decides_readiness(serve) -> None:
    async def broken() -> bool:
        return False

    async with serve(checks=[HealthCheck("warehouse", broken)]) as api:
        assert (await api.get("/health/ready")).status_code == 503
        assert (await api.get("/health/live")).status_code == 200


async def test_requests_are_counted_by_the_projects_key(serve) -> None:
    def by_tenant(scope) -> str | None:
        return dict(scope["headers"]).get(b"x-tenant", b"").decode() or None

    limit = {"requests_per_minute": 1}
    async with serve(rate_limit=limit, routers=[router], rate_limit_key=by_tenant) as api:
        assert (await api.get("/hello", headers={"x-tenant": "a"})).status_code == 200
        assert (await api.get("/hello", headers={"x-tenant": "b"})).status_code == 200
        assert (await api.get("/hello", headers={"x-tenant": "a"})).status_code == 429


async def test_the_description_carries_the_name_of_the_service(serve) -> None:
    async with serve() as api:
        assert (await api.get("/openapi.json")).json()["info"]["title"] == Settings.app_name


async def test_the_description_lists_the_probes_last(serve) -> None:
    async with serve(routers=[router]) as api:
        paths = list((await api.get("/openapi.json")).json()["paths"])
        assert paths[0] == "/hello"
        assert paths[-1].startswith("/health/")


def test_importing_the_application_imports_nothing_heavy() -> None:
    """Rich, Typer, Sentry, the HTTP client and Redis cost more than all the rest: until used, no."""
    heavy = ["rich", "typer", "sentry_sdk", "httpx2", "redis", "celery", "taskiq", "alembic"]
    name = build_app.__module__.partition(".")[0]
    if find_spec(f"{name}.core.database") is None:
        heavy += ["sqlalchemy"]
    code = f"import sys, {name}.main; print(*[m for m in {heavy!r} if m in sys.modules])"
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == ""
