# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The checks that come with the platform, against servers on this machine."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest

from {{ cookiecutter.project_slug }}.clients.http import HttpClient
from {{ cookiecutter.project_slug }}.core.config import (
    ENV_PREFIX,
    HttpClientSettings,
)
from {{ cookiecutter.project_slug }}.jobs.client import JobClient
from {{ cookiecutter.project_slug }}.jobs.records import QueueStats
from {{ cookiecutter.project_slug }}.monitoring.checks import (
    CheckContext,
    CheckResult,
    load_checks,
)
from {{ cookiecutter.project_slug }}.monitoring.errors import (
    PermanentCheckError,
    TransientCheckError,
)
from {{ cookiecutter.project_slug }}.settings import Settings

pytestmark = pytest.mark.anyio
Listen = Callable[..., Any]
ENDPOINT_BODY = b'{"status": "ready", "checks": [{"name": "db"}]}'


async def run(kind: str, context: CheckContext, **parameters: object) -> CheckResult:
    """Run a check as a task would."""
    checks = load_checks()
    result: CheckResult = await checks.find(kind).run(checks.read(kind, parameters), context)
    return result


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one request, by its path."""
    head = await reader.readuntil(b"\r\n\r\n")
    status = b"503 Busy" if b"/busy" in head else b"200 OK"
    length = str(len(ENDPOINT_BODY)).encode()
    writer.write(
        b"HTTP/1.1 " + status + b"\r\ncontent-length: " + length + b"\r\n\r\n" + ENDPOINT_BODY
    )
    await writer.drain()


async def test_endpoint_that_answers_as_expected_is_fine(
    context: CheckContext, listen: Listen
) -> None:
    async with listen(answer) as port:
        result = await run(
            "http_endpoint",
            context,
            url=f"http://127.0.0.1:{port}/ready",
            contains="ready",
            pattern='"status": *"ready"',
            json_equals={"status": "ready", "checks.0.name": "db"},
        )
    assert result.ok
    assert result.facts == {"problems": []}


async def test_endpoint_that_does_not_is_a_result_that_names_each_problem(
    context: CheckContext, listen: Listen
) -> None:
    async with listen(answer) as port:
        result = await run(
            "http_endpoint",
            context,
            url=f"http://127.0.0.1:{port}/busy",
            contains="green",
            json_equals={"checks.1.name": "db", "status": "green"},
            max_ms=0.000001,
        )
    assert not result.ok
    assert result.facts == {
        "problems": [
            "answered 503 instead of 200",
            "the expected text is missing",
            "checks.1.name is missing",
            "status is not 'green'",
            "slower than 1e-06 ms",
        ]
    }


async def test_endpoint_that_is_down_is_a_result_and_one_inside_is_refused(
    context: CheckContext, dead: str
) -> None:
    url = dead.replace("valkey://", "http://")
    down = await run("http_endpoint", context, url=url)
    assert (down.ok, down.facts) == (False, {"problems": ["no answer: ConnectionFailed"]})
    with pytest.raises(PermanentCheckError, match="ALLOWED_INTERNAL_HOSTS"):
        await run("http_endpoint", context, url="http://169.254.169.254/latest/meta-data")


class _Connection(httpx2.AsyncBaseTransport):
    """A connection whose other side has a certificate, or one that nobody vouches for."""

    def __init__(self, ends: str = "") -> None:
        self._ends = ends

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if not self._ends:
            refused = ssl.SSLCertVerificationError(1, "certificate verify failed")
            refused.verify_message = "certificate has expired"
            raise httpx2.ConnectError("handshake failed", request=request) from refused
        return httpx2.Response(405, request=request, extensions={"network_stream": self})

    def get_extra_info(self, name: str) -> _Connection:
        assert name == "ssl_object"
        return self

    def getpeercert(self) -> dict[str, str]:
        return {"notAfter": self._ends}


async def test_certificate_is_judged_by_its_last_day(context: CheckContext) -> None:
    async def look(ends: str) -> CheckResult:
        connection = _Connection(ends)
        async with HttpClient(HttpClientSettings(max_retries=0), transport=connection) as http:
            known = CheckContext(settings=context.settings, http=http, clock=context.clock)
            return await run("tls_certificate", known, host="example.com", warn_days=21)

    fine = await look("Apr  1 12:00:00 2026 GMT")
    assert (fine.ok, fine.summary) == (True, "valid until 2026-04-01, 29 days")
    assert not (await look("Mar 20 12:00:00 2026 GMT")).ok
    expired = await look("")
    assert (expired.ok, expired.summary) == (False, "not valid: certificate has expired")


async def test_server_without_tls_is_a_transient_error(
    context: CheckContext, listen: Listen
) -> None:
    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 smtp.example.com\r\n")

    async with listen(hang_up) as port:
        with pytest.raises(TransientCheckError):
            await run("tls_certificate", context, host="127.0.0.1", port=port)


async def test_disk_with_too_little_space_is_noticed(context: CheckContext, tmp_path: Path) -> None:
    free = 100 * shutil.disk_usage(tmp_path).free / shutil.disk_usage(tmp_path).total
    fine = await run("disk_space", context, path=str(tmp_path), min_free_percent=free / 2)
    short = await run("disk_space", context, path=str(tmp_path), min_free_percent=100)
    assert (fine.ok, short.ok) == (True, False)
    with pytest.raises(PermanentCheckError, match="No such file"):
        await run("disk_space", context, path=str(tmp_path / "nowhere"))


class _Jobs(JobClient):
    """A job client that says what the test says."""

    def __init__(self, *stats: QueueStats) -> None:
        self._stats = list(stats)

    async def stats(self) -> list[QueueStats]:
        return self._stats


async def test_full_queue_is_noticed(context: CheckContext) -> None:
    busy = QueueStats(queue="mail", ready=5, oldest_s=90, failed=1)
    jobs = CheckContext(
        settings=context.settings, http=context.http, resources={JobClient: _Jobs(busy)}
    )
    full = await run("queue_depth", jobs, queue="mail", max_ready=4, max_age_s=60)
    assert full.summary.startswith("more than 4 jobs wait; the oldest has waited more than 60 s")
    assert (await run("queue_depth", jobs, queue="mail", max_failed=1)).ok
    assert (await run("queue_depth", jobs, queue="other")).ok
    with pytest.raises(PermanentCheckError, match="there is no JobClient"):
        await run("queue_depth", context, queue="mail")


async def test_short_parts_are_reported_the_worst_first(inventory: CheckContext) -> None:
    result = await run(
        "stock_levels",
        inventory,
        url="http://inventory.test",
        parts=[
            {"id": "R-10K", "quantity": 200},
            {"id": "M3-SCREW", "quantity": 100},
            {"id": "PCB-2", "quantity": 3},
            {"id": "NEW-1", "quantity": 1},
        ],
    )
    assert result.summary == (
        "3 of 4 parts are short: NEW-1 (unknown) (1 missing), Board (3 missing), "
        "Resistor 10k (80 missing)"
    )
    assert result.facts == {"short": {"NEW-1": 1.0, "PCB-2": 3.0, "R-10K": 80.0}}
    assert result.rows[2] == {
        "Part": "Resistor 10k",
        "Id": "R-10K",
        "Needed": 200,
        "In stock": 120,
        "Missing": 80,
    }


async def test_stock_that_suffices_is_fine(inventory: CheckContext) -> None:
    parts = [{"id": "R-10K", "quantity": 120}]
    assert (await run("stock_levels", inventory, url="http://inventory.test", parts=parts)).ok


async def test_inventory_that_is_away_is_tried_again(context: CheckContext, dead: str) -> None:
    url, parts = dead.replace("valkey://", "http://"), [{"id": "R-10K", "quantity": 1}]
    with pytest.raises(TransientCheckError):
        await run("stock_levels", context, url=url, parts=parts)


async def test_secret_is_asked_of_the_settings_by_name(
    context: CheckContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PermanentCheckError, match="no secret 'token'"):
        context.secret("token")
    monkeypatch.setenv(f"{ENV_PREFIX}MONITORING__SECRETS", '{"token": "s3cret"}')
    known = CheckContext(settings=Settings(), http=context.http)
    assert known.secret("token") == "s3cret"


async def test_checks_of_the_project_are_known(context: CheckContext) -> None:
    assert {check.kind for check in load_checks()} >= {"python_support", "stock_levels"}
    assert "Python" in (await run("python_support", context)).summary


@pytest.mark.parametrize(
    ("kind", "parameters", "said"),
    [
        ("http_endpoint", {"url": "ftp://x"}, "parameters.url: write http://"),
        ("http_endpoint", {"url": "http://user:pw@x/"}, "no user name"),
        ("http_endpoint", {"url": "http://x", "pattern": "("}, "no regular expression"),
        ("stock_levels", {"url": "http://x", "parts": []}, "parameters.parts"),
        ("stock_levels", {"url": "http://x", "parts": [{"id": "../a", "quantity": 1}]}, "pattern"),
        ("tls_certificate", {"host": "a b"}, "parameters.host"),
        ("disk_space", {"size": 1}, "parameters.size"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(
    kind: str, parameters: dict[str, object], said: str
) -> None:
    assert said in load_checks().problems(kind, parameters)[0]
