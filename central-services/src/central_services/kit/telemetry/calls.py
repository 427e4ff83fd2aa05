"""Spans of outgoing HTTP calls, and the header that lets the called service continue the trace."""

from __future__ import annotations

import httpx2
from opentelemetry.propagate import inject
from opentelemetry.trace import SpanKind, StatusCode, Tracer

from ...clients._calls import loggable_url


class TracedTransport(httpx2.AsyncBaseTransport):
    """Records each attempt of a call as a span of its own, without the query of its URL.

    Args:
        inner: Sends it.
        tracer: Records it.
    """

    def __init__(self, inner: httpx2.AsyncBaseTransport, tracer: Tracer) -> None:
        self._inner = inner
        self._tracer = tracer

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the span ends with the head of the response."""
        url = request.url
        attributes: dict[str, str | int] = {
            "http.request.method": request.method,
            "server.address": url.host,
            "server.port": url.port or (443 if url.scheme == "https" else 80),
            "url.full": loggable_url(url),
        }
        with self._tracer.start_as_current_span(
            request.method,
            kind=SpanKind.CLIENT,
            attributes=attributes,
            record_exception=False,  # its text may repeat the URL
            set_status_on_exception=False,
        ) as span:
            inject(request.headers)
            try:
                response = await self._inner.handle_async_request(request)
            except BaseException as error:  # noted on the span, and raised on
                span.set_attribute("error.type", type(error).__name__)
                span.set_status(StatusCode.ERROR)
                raise
            span.set_attribute("http.response.status_code", response.status_code)
            if response.status_code >= 400:
                span.set_attribute("error.type", str(response.status_code))
                span.set_status(StatusCode.ERROR)
            return response

    async def aclose(self) -> None:
        """Close the connections."""
        await self._inner.aclose()
