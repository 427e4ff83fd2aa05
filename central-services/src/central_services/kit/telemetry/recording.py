"""What a service records of its requests, statements and calls, and how it gets to the collector.

Traces continue what callers send (W3C Trace Context); names and attributes are those of the semantic
conventions for HTTP and databases. Export never holds a request up: spans wait in a queue of limited
length for a thread, and are dropped when it is full or the collector is away.
"""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig
from opentelemetry.trace import NoOpTracer

from ...core.app import service_version
from .settings import TelemetrySettings
from .statements import trace_statements

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import Tracer

    from ...clients.http import HttpClient
    from ...core.config import HttpClientSettings

NAMESPACE = "central-services"
EXPORT_S, CLOSE_S = 5.0, 3.0
"""Seconds that one export may take, and that the end of a process waits for the last one."""


class Telemetry:
    """What one service records; of several in a process each has its own.

    Args:
        settings: Where it goes.
        service: The service's name, `service.name` of what is recorded.
        environment: `deployment.environment.name`.
    """

    def __init__(self, settings: TelemetrySettings, service: str, environment: str) -> None:
        self._settings = settings
        self._providers: tuple[TracerProvider, MeterProvider] | None = None
        self.tracer: Tracer = NoOpTracer()
        self.config: TelemetryConfig | None = None
        """What `build_app` is told; None while telemetry is off."""
        if settings.endpoint:
            self._start(settings.endpoint, service, environment)

    def http_client(
        self, settings: HttpClientSettings, *, inside: Iterable[str] = ()
    ) -> HttpClient:
        """Return a client whose calls are recorded.

        Args:
            settings: How it calls.
            inside: URLs whose hosts it may call although they are inside; those of the settings.
        """
        from ...clients.http import HttpClient, guarded_transport  # noqa: PLC0415  # not all call others
        from .calls import TracedTransport  # noqa: PLC0415  # as above

        hosts = filter(None, (urlsplit(url).hostname for url in inside))
        allowed = (*settings.allowed_internal_hosts, *hosts)
        settings = settings.model_copy(update={"allowed_internal_hosts": allowed})
        if self._providers is None:
            return HttpClient(settings)
        transport = TracedTransport(guarded_transport(settings), self.tracer)
        return HttpClient(settings, transport=transport)

    @asynccontextmanager
    async def lifespan(self, app: FastAPI) -> AsyncGenerator[None]:
        """Record the statements of the application's database, and export what is left at the end."""
        if self._providers:
            trace_statements(app.state.database, self.tracer)
        try:
            yield
        finally:
            await self._close()

    def _start(self, endpoint: str, service: str, environment: str) -> None:
        # Those who export nothing do not pay for the import.
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  # see above

        resource = Resource.create(
            {
                "service.name": f"{NAMESPACE}-{service}",
                "service.namespace": NAMESPACE,
                "service.version": service_version(),
                "service.instance.id": str(uuid.uuid4()),
                "deployment.environment.name": environment,
            }
        )
        headers = self._settings.header_pairs
        traces = _traces(endpoint, headers, resource, self._settings.sample_ratio)
        interval_s = self._settings.metrics_interval_s
        metrics = _metrics(endpoint, headers, resource, interval_s)
        self._providers = traces, metrics
        self.tracer = traces.get_tracer("central_services", service_version())
        self.config = TelemetryConfig(
            tracer_provider=traces,
            meter_provider=metrics,
            logs=False,  # the service writes its own, with the ids of the trace
            operation_spans=False,
            auto_configure=False,
            exclude=lambda scope: scope["path"].startswith("/health/"),
        )

    async def _close(self) -> None:
        """Export what is left, for `CLOSE_S` at most: the thread is not waited for after that."""
        providers, self._providers = self._providers, None
        if providers is None:
            return
        loop, closed = asyncio.get_running_loop(), asyncio.Event()

        def close() -> None:
            for provider in providers:
                provider.shutdown()
            if not loop.is_closed():
                loop.call_soon_threadsafe(closed.set)

        threading.Thread(target=close, name="telemetry-end", daemon=True).start()
        try:
            await asyncio.wait_for(closed.wait(), CLOSE_S)
        except TimeoutError:
            return


def _traces(
    endpoint: str, headers: Mapping[str, str], resource: Resource, ratio: float
) -> TracerProvider:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415  # see `_start`
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # as above
    from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased  # noqa: PLC0415  # as above

    class WithoutQueries(SpanProcessor):
        """Keeps codes, tokens and names of people out of spans: queries hold them."""

        def on_start(self, span: Any, parent_context: object = None) -> None:  # noqa: ANN401, ARG002  # the SDK's
            if "url.query" in (span.attributes or ()):
                span.set_attribute("url.query", "REDACTED")

    # Callers are not believed whether to record, else anybody could have everything recorded.
    share = TraceIdRatioBased(ratio)
    sampler = ParentBased(root=share, remote_parent_sampled=share, remote_parent_not_sampled=share)
    provider = TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", headers=headers, timeout=EXPORT_S)
    provider.add_span_processor(WithoutQueries())
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return provider


def _metrics(
    endpoint: str, headers: Mapping[str, str], resource: Resource, interval_s: float
) -> MeterProvider:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415  # see `_start`
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415  # as above
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader  # noqa: PLC0415  # as above

    exporter = OTLPMetricExporter(
        endpoint=f"{endpoint}/v1/metrics", headers=dict(headers), timeout=EXPORT_S
    )
    reader = PeriodicExportingMetricReader(exporter, export_interval_millis=interval_s * 1_000)
    return MeterProvider([reader], resource=resource, shutdown_on_exit=False)
