"""Telemetry: what reaches a collector, what never does, and that one which is away harms nobody."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter, FastAPI, Request
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from pydantic import ValidationError
from sqlalchemy import text

from central_services.core.app import build_app
from central_services.core.config import InsecureSettingsError
from central_services.core.database import ReadSession
from central_services.kit.telemetry.recording import CLOSE_S, Telemetry
from central_services.kit.telemetry.settings import TelemetrySettings
from central_services.services import SERVICES
from central_services.settings import Settings

pytestmark = pytest.mark.anyio
TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SECRET = "code-canary-7d1f"


class Collector:
    """An OTLP/HTTP collector that keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[tuple[dict[str, Any], Span]] = []
        self.metrics: set[str] = set()
        self.tokens: set[str | None] = set()
        self.bodies: list[bytes] = []
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                if self.headers.get("content-encoding") == "gzip":
                    body = gzip.decompress(body)
                collector.take(self.path, self.headers.get("x-token"), body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its own name for it
                """Print nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._thread = threading.Thread(target=self.server.serve_forever)
        self._thread.start()

    def take(self, path: str, token: str | None, body: bytes) -> None:
        self.tokens.add(token)
        self.bodies.append(body)
        if path == "/v1/traces":
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
                about = attributes(resource.resource)
                for scope in resource.scope_spans:
                    self.spans += [(about, span) for span in scope.spans]
        else:
            assert path == "/v1/metrics"
            for found in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                for each in found.scope_metrics:
                    self.metrics |= {metric.name for metric in each.metrics}

    def named(self, name: str) -> Span:
        """Return the one span of a name."""
        (found,) = [span for _, span in self.spans if span.name == name]
        return found

    def close(self) -> None:
        self.server.shutdown()
        self._thread.join()
        self.server.server_close()


def attributes(of: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value or pair.value.int_value for pair in of.attributes}


@pytest.fixture
def collector() -> Iterator[Collector]:
    found = Collector()
    yield found
    found.close()


router = APIRouter()


@router.get("/stock/{sku}")
async def stock(sku: str, session: ReadSession) -> int:
    return int((await session.execute(text("SELECT :n"), {"n": len(sku)})).scalar_one())


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError(SECRET)


@router.get("/far")
async def far(request: Request) -> int:
    answer = await request.app.state.http.get(request.app.state.near, params={"code": SECRET})
    return int(answer.status_code)


@asynccontextmanager
async def running(
    settings: TelemetrySettings, service: str, **keywords: Any
) -> AsyncGenerator[tuple[httpx2.AsyncClient, FastAPI]]:
    telemetry = Telemetry(settings, service, "test")
    app = build_app(
        Settings(**keywords),
        routers=[router],
        lifespans=[telemetry.lifespan],
        telemetry=telemetry.config,
    )
    app.state.telemetry = telemetry
    transport = httpx2.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=transport, base_url="http://testserver") as client,
    ):
        yield client, app


@pytest.fixture
def settings(collector: Collector) -> TelemetrySettings:
    return TelemetrySettings.model_validate(
        {"endpoint": collector.url, "sample_ratio": 1, "headers": f"x-token={SECRET}"}
    )


async def test_request_and_its_statements_are_spans_of_the_callers_trace(
    settings: TelemetrySettings, collector: Collector, migrated_file: Path
) -> None:
    database = {"url": f"sqlite:///{migrated_file}"}
    async with running(settings, "stock", database=database) as (client, _):
        sent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        assert (await client.get("/stock/tea", headers=sent)).json() == 3
    request, statement = collector.named("GET /stock/{sku}"), collector.named("SELECT")
    assert {request.trace_id.hex(), statement.trace_id.hex()} == {TRACE}
    assert request.parent_span_id.hex() == CALLER
    assert statement.parent_span_id == request.span_id
    shown = attributes(statement)
    assert (shown["db.system.name"], shown["db.query.text"]) == ("sqlite", "SELECT ?")
    about, _ = collector.spans[0]
    assert about["service.name"] == "central-services-stock"
    assert about["deployment.environment.name"] == "test"
    assert collector.tokens == {SECRET}
    assert {"http.server.request.duration", "http.server.active_requests"} <= collector.metrics


async def test_called_service_continues_the_trace(
    settings: TelemetrySettings, collector: Collector, listen: Any
) -> None:
    received: list[bytes] = []

    async def answer(reader: Any, writer: Any) -> None:
        received.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()

    async with listen(answer) as port, running(settings, "caller") as (client, app):
        own = Settings(http_client={"allowed_internal_hosts": ["127.0.0.1"]}).http_client
        app.state.near = f"http://127.0.0.1:{port}/near"
        async with app.state.telemetry.http_client(own) as app.state.http:
            assert (await client.get("/far", params={"state": SECRET})).json() == 204
    request, call = collector.named("GET /far"), collector.named("GET")
    assert call.parent_span_id == request.span_id
    header = f"traceparent: 00-{call.trace_id.hex()}-{call.span_id.hex()}-"
    assert header.encode() in received[0].lower()
    assert attributes(call)["http.response.status_code"] == 204
    assert not any(SECRET.encode() in body for body in collector.bodies)


async def test_failure_is_marked_and_its_text_is_not_sent(
    settings: TelemetrySettings, collector: Collector
) -> None:
    async with running(settings, "stock") as (client, _):
        assert (await client.get("/broken")).status_code == 500
    span = collector.named("GET /broken")
    assert span.status.code == span.status.STATUS_CODE_ERROR
    assert attributes(span)["error.type"] == "500"
    assert not any(SECRET.encode() in body for body in collector.bodies)


async def test_probes_are_not_recorded(settings: TelemetrySettings, collector: Collector) -> None:
    async with running(settings, "stock") as (client, _):
        assert (await client.get("/health/live")).status_code == 200
    assert collector.spans == []


async def test_share_of_zero_records_no_trace_whatever_callers_ask_for(
    settings: TelemetrySettings, collector: Collector
) -> None:
    none = settings.model_copy(update={"sample_ratio": 0.0})
    async with running(none, "stock") as (client, _):
        await client.get("/broken", headers={"traceparent": f"00-{TRACE}-{CALLER}-01"})
    assert collector.spans == []


async def test_collector_that_is_away_delays_neither_answers_nor_the_end_for_long(
    dead: str,
) -> None:
    away = TelemetrySettings(endpoint=dead.replace("valkey", "http"), sample_ratio=1.0)
    async with running(away, "stock") as (client, _):
        for _ in range(20):
            assert (await client.get("/broken")).status_code == 500
        begun = time.monotonic()
    assert time.monotonic() - begun < CLOSE_S + 20.0  # the limit is 3; the rest is a busy machine


def test_off_costs_no_import() -> None:
    code = (
        "import sys; from central_services.auth_service.app import build;"
        "from central_services.settings import Settings; build(Settings());"
        "print(json.dumps([m for m in sys.modules if m.startswith('opentelemetry.sdk')]))"
    )
    source = str(Path(__file__).parents[3] / "src")
    done = subprocess.run(
        [sys.executable, "-c", f"import json; {code}"],
        env={**os.environ, "PYTHONPATH": source},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout.splitlines()[-1]) == []


def test_headers_are_pairs_and_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CENTRAL_SERVICES_TELEMETRY__HEADERS", SECRET)
    with pytest.raises(ValidationError, match="name=value") as caught:
        Settings()
    assert SECRET not in str(caught.value)


def test_production_sends_no_credentials_in_clear() -> None:
    own = {"endpoint": "http://collector:4318", "headers": "authorization=Bearer x"}
    with pytest.raises(InsecureSettingsError, match="TELEMETRY__ENDPOINT"):
        Settings(environment="production", telemetry=own).require_secure()


def test_every_service_has_it(monkeypatch: pytest.MonkeyPatch, collector: Collector) -> None:
    monkeypatch.setenv("CENTRAL_SERVICES_TELEMETRY__ENDPOINT", collector.url)
    for service in SERVICES:
        app = service.build(Settings())
        assert app.state.telemetry.config is not None, service.name
