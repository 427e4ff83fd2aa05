# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""OpenTelemetry: off unless it is asked for, and then what a request does belongs to its span."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import APIRouter
from opentelemetry import trace

from {{ cookiecutter.project_slug }}.utils.context import current_request

pytestmark = pytest.mark.anyio
router = APIRouter()

TRACE, CALLER = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@router.get("/orders/{order_id}")
async def order(order_id: str) -> list[str]:
    context = current_request.get()
    return [context.trace_id, context.span_id] if context else [order_id]


class Span(trace.NonRecordingSpan):
    """A span that is kept here."""

    def __init__(self, own: trace.SpanContext, parent: trace.SpanContext, name: str) -> None:
        super().__init__(own)
        self.parent = parent
        self.name = name

    def update_name(self, name: str) -> None:
        self.name = name


class Provider(trace.TracerProvider, trace.Tracer):
    """Makes spans with the ids 1, 2, 3..., and keeps them."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def get_tracer(self, *_: Any, **__: Any) -> trace.Tracer:
        return self

    def start_span(self, name: str, context: Any = None, *_: Any, **__: Any) -> trace.Span:
        parent = trace.get_current_span(context).get_span_context()
        flags = trace.TraceFlags(trace.TraceFlags.SAMPLED)
        own = trace.SpanContext(parent.trace_id or 7, len(self.spans) + 1, False, flags)
        self.spans.append(Span(own, parent, name))
        return self.spans[-1]

    @contextmanager
    def start_as_current_span(self, name: str, *_: Any, **__: Any) -> Generator[trace.Span]:
        with trace.use_span(self.start_span(name)) as span:
            yield span


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def observed(serve, provider):
    telemetry = {"tracer_provider": provider, "metrics": False, "logs": False}
    return serve(routers=[router], telemetry={**telemetry, "operation_spans": False})


async def test_nothing_is_recorded_unless_it_is_asked_for(
    serve, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    async with serve(routers=[router]) as api:
        sent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        assert (await api.get("/orders/7", headers=sent)).json() == [TRACE, CALLER]
    assert provider.spans == []


async def test_request_continues_its_callers_trace_in_a_span_of_its_own(
    observed, provider: Provider
) -> None:
    async with observed as api:
        sent = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
        answer = await api.get("/orders/7", headers=sent)
    (span,) = provider.spans
    assert answer.json() == [TRACE, f"{1:016x}"]
    assert f"{span.parent.span_id:016x}" == CALLER
    assert span.name == "GET /orders/{order_id}"


async def test_request_without_a_trace_begins_one(observed, provider: Provider) -> None:
    async with observed as api:
        assert (await api.get("/orders/7")).json() == [f"{7:032x}", f"{1:016x}"]


async def test_answers_are_those_without_telemetry(observed, serve) -> None:
    async with observed as api, serve(routers=[router]) as plain:
        for method, path in (("POST", "/orders/7"), ("GET", "/nothing"), ("GET", "/orders/7/")):
            one, other = [await client.request(method, path) for client in (api, plain)]
            assert one.status_code == other.status_code
            assert one.headers.get("allow") == other.headers.get("allow")
