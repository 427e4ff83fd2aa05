# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The probes over HTTP: what they answer, and what they never do."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from central_services.api.health import (
    HealthCheck,
    ReadinessCheck,
    check_external_service,
    install_health,
    router,
)
from central_services.core.config import (
    HealthSettings,
    HttpClientSettings,
    PlatformSettings,
)

pytestmark = pytest.mark.anyio

LOCAL = HttpClientSettings(allowed_internal_hosts=("127.0.0.1",))
PROBES = ("/health/live", "/health/ready", "/health/startup")


async def passes() -> bool:
    return True


async def fails() -> bool:
    return False


async def raises() -> None:
    msg = "password=hunter2 refused by db.internal"
    raise RuntimeError(msg)


async def hangs() -> None:
    await asyncio.Event().wait()


def service(*checks: HealthCheck, started: bool = True, **health: Any) -> FastAPI:
    """Return an application that has these checks."""
    app = FastAPI()
    settings = PlatformSettings(health=HealthSettings(**health), http_client=LOCAL)
    install_health(app, settings, checks=checks)
    if started:
        app.state.health.mark_started()
    return app


async def probe(app: FastAPI, path: str = "/health/ready", method: str = "GET") -> httpx2.Response:
    """Return what a probe of an application answers."""
    transport = httpx2.ASGITransport(app=app)
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.request(method, path)


@pytest.fixture
def server(listen):
    """A function that starts a server which sends these bytes, or never answers; yields its URL."""

    @asynccontextmanager
    async def start(reply: bytes | None, *, seen: list[bytes] | None = None):
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            if seen is not None:
                seen.append(request)
            if reply is None:
                await asyncio.Event().wait()
            else:
                writer.write(reply)
                await writer.drain()

        async with listen(answer) as port:
            yield f"http://127.0.0.1:{port}/health?token=s3cret"

    return start


def response(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()


async def test_live_depends_on_nothing():
    app = service(HealthCheck("database", raises), started=False)
    answer = await probe(app, "/health/live")
    assert (answer.status_code, answer.json()) == (200, {"status": "alive"})


async def test_startup_is_503_until_start_up_is_complete():
    app = service(started=False)
    before = await probe(app, "/health/startup")
    app.state.health.mark_started()
    after = await probe(app, "/health/startup")
    app.state.health.mark_stopping()
    during_shutdown = await probe(app, "/health/startup")
    assert (before.status_code, before.json()) == (503, {"status": "starting"})
    assert (after.status_code, after.json()) == (200, {"status": "started"})
    assert during_shutdown.status_code == 200


async def test_ready_is_503_before_start_up_and_touches_no_dependency():
    calls = []

    async def check() -> None:
        calls.append(1)

    answer = await probe(service(HealthCheck("database", check), started=False))
    assert (answer.status_code, answer.json()["status"], calls) == (503, "starting", [])


async def test_ready_is_503_when_shutdown_begins():
    app = service(HealthCheck("database", passes))
    before = await probe(app)
    app.state.health.mark_stopping()
    answer = await probe(app)
    assert before.status_code == 200
    assert (answer.status_code, answer.json()["status"]) == (503, "stopping")


async def test_service_without_checks_is_ready():
    answer = await probe(service())
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "checks": {}, "failed": [], "degraded": []}


async def test_ready_shows_each_check():
    answer = await probe(service(HealthCheck("database", passes)))
    check = answer.json()["checks"]["database"]
    assert check.pop("latency_ms") >= 0
    assert check == {"name": "database", "status": True, "critical": True, "detail": None}


async def test_failing_critical_check_is_503_in_json():
    checks = (HealthCheck("database", fails), HealthCheck("stock", passes))
    answer = await probe(service(*checks))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/json"
    assert (answer.json()["status"], answer.json()["failed"]) == ("not_ready", ["database"])


async def test_failing_informational_check_only_degrades():
    answer = await probe(service(HealthCheck("mail", fails, critical=False)))
    assert answer.status_code == 200
    assert (answer.json()["status"], answer.json()["degraded"]) == ("degraded", ["mail"])


async def test_exception_text_never_reaches_the_caller():
    text: Any = "hunter2"

    async def says_too_much() -> ReadinessCheck:
        return ReadinessCheck("x", status=False, latency_ms=0, detail=text)

    checks = (HealthCheck("database", raises), HealthCheck("vault", says_too_much))
    answer = await probe(service(*checks))
    assert "hunter2" not in answer.text
    assert "db.internal" not in answer.text
    assert answer.json()["checks"]["database"]["detail"] == "error"


async def test_hanging_dependency_does_not_hang_the_probe():
    checks = (HealthCheck("database", hangs, timeout_s=0.02), HealthCheck("stock", passes))
    async with asyncio.timeout(1):
        answer = await probe(service(*checks))
    assert answer.status_code == 503
    assert answer.json()["checks"]["database"]["detail"] == "timeout"
    assert answer.json()["checks"]["stock"]["status"] is True


async def test_check_timeout_comes_from_the_settings():
    async with asyncio.timeout(1):
        answer = await probe(service(HealthCheck("database", hangs), check_timeout_s=0.02))
    assert answer.json()["checks"]["database"]["detail"] == "timeout"


@pytest.mark.parametrize("path", PROBES)
async def test_probes_answer_head_too(path: str):
    assert (await probe(service(), path, "HEAD")).status_code == 200


@pytest.mark.parametrize("path", PROBES)
@pytest.mark.parametrize("started", [True, False])
async def test_no_cache_may_answer_for_a_probe(path: str, *, started: bool):
    answer = await probe(service(started=started), path)
    assert answer.headers["cache-control"] == "no-store"


async def test_description_shows_both_answers_of_a_probe_and_no_head():
    app = service()
    for path in ("/health/ready", "/health/startup"):
        assert set(app.openapi()["paths"][path]) == {"get"}
        assert set(app.openapi()["paths"][path]["get"]["responses"]) == {"200", "503"}


async def test_router_without_a_registry_says_what_to_call():
    app = FastAPI()
    app.include_router(router)
    with pytest.raises(RuntimeError, match="call install_health"):
        await probe(app)


async def test_configured_external_service_is_asked(server):
    async with server(response("204 No Content")) as url:
        answer = await probe(service(external_service_url=url))
    assert answer.status_code == 200
    assert answer.json()["checks"]["external_service"]["status"] is True


async def test_service_is_not_ready_while_the_external_one_fails(server):
    async with server(response("500 Internal Server Error")) as url:
        answer = await probe(service(external_service_url=url))
    assert answer.status_code == 503
    assert answer.json()["checks"]["external_service"]["detail"] == "unhealthy"
    assert "s3cret" not in answer.text


async def test_probe_does_not_retry(server):
    requests: list[bytes] = []
    async with server(response("503 Service Unavailable"), seen=requests) as url:
        result = await check_external_service(url=url, settings=LOCAL)
    assert (result.detail, len(requests)) == ("unhealthy", 1)


async def test_external_service_that_is_down_is_refused():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # the port is taken, and nobody listens
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        result = await check_external_service(url=url, settings=LOCAL)
    assert (result.name, result.status, result.detail) == ("external_service", False, "refused")


async def test_external_service_that_hangs_times_out(server):
    async with server(None) as url:
        result = await check_external_service(url=url, settings=LOCAL, timeout_s=0.05)
    assert (result.status, result.detail) == (False, "timeout")
    assert result.latency_ms >= 50


async def test_external_service_inside_the_network_must_be_allowed(server):
    async with server(response("200 OK")) as url:
        result = await check_external_service(url=url)
    assert (result.status, result.detail) == (False, "forbidden")


async def test_external_service_without_a_url_is_not_configured():
    result = await check_external_service()
    assert (result.status, result.detail) == (False, "not_configured")


async def test_project_can_check_further_services_under_its_own_names(server):
    async with server(response("200 OK")) as url:
        ask = partial(check_external_service, url=url, settings=LOCAL)
        answer = await probe(service(HealthCheck("mail", ask)))
    assert answer.json()["checks"]["mail"]["name"] == "mail"
