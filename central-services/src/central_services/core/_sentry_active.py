# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What talks to the Sentry SDK; imported once there is a DSN, and only then."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Generator, Mapping
from datetime import UTC, datetime
from typing import Any, Final, cast

import sentry_sdk
from sentry_sdk.integrations.excepthook import ExcepthookIntegration
from sentry_sdk.scope import add_global_event_processor
from sentry_sdk.scrubber import EventScrubber
from sentry_sdk.tracing import Transaction
from sentry_sdk.types import Breadcrumb, Event, Hint
from sentry_sdk.utils import capture_internal_exceptions, event_from_exception
from starlette.types import Scope

from ..utils.context import current_request
from ..utils.logging import LogEvent
from ._sentry_scope import RequestScope, enter_request, remember_base, trace_headers

__all__ = ["enter_request"]

MAX_BREADCRUMBS: Final = 100
_ERROR: Final = 40
_LEVELS: Final = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "fatal"}
# The SDK and its transport log while they send; those lines must not be sent.
_OWN_LOGGERS: Final = ("sentry_sdk", "urllib3")
_SEEN: Final = "_seen_by_sentry"

_registered: list[bool] = []


def start(*, integrations: list[Any], **options: Any) -> None:  # noqa: ANN401  # the SDK's options
    """Start the SDK with nothing switched on but what is asked for."""
    sentry_sdk.init(
        default_integrations=False,
        auto_enabling_integrations=False,
        integrations=[ExcepthookIntegration(), *integrations],
        max_breadcrumbs=MAX_BREADCRUMBS,
        include_local_variables=False,
        max_request_body_size="never",
        # Ours sees all that the SDK's would, and more.
        event_scrubber=EventScrubber(denylist=[], pii_denylist=[]),
        auto_session_tracking=False,
        enable_backpressure_handling=False,
        spotlight=False,
        debug=False,
        **options,
    )
    remember_base()
    if not _registered:
        _registered.append(True)
        add_global_event_processor(_complete)


def stop(timeout_s: float) -> None:
    """Send what waits, end the worker, close the connections."""
    client = sentry_sdk.get_client()
    transport = client.transport
    client.close(timeout=timeout_s)
    sentry_sdk.get_global_scope().set_client(None)
    pool = getattr(transport, "_pool", None)
    if pool is not None and hasattr(pool, "clear"):
        pool.clear()


def message(
    text: str, level: str, tags: Mapping[str, str], extra: Mapping[str, object]
) -> str | None:
    """Send a message."""
    with sentry_sdk.new_scope() as scope:
        scope.set_tags(tags)
        for key, value in extra.items():
            scope.set_extra(key, value)
        return sentry_sdk.capture_message(text, level=cast("Any", level))


def exception(error: BaseException, mechanism: str, *, handled: bool) -> str | None:
    """Send an exception, unless this one was sent."""
    with capture_internal_exceptions():
        event, hint = event_from_exception(
            error,
            client_options=sentry_sdk.get_client().options,
            mechanism={"type": mechanism, "handled": handled},
        )
        return sentry_sdk.capture_event(event, hint=hint)
    return None


def breadcrumb(text: str, category: str, level: str, data: Mapping[str, object]) -> None:
    """Keep a step for the next event."""
    sentry_sdk.add_breadcrumb(message=text, category=category, level=level, data=dict(data))


@contextlib.contextmanager
def work_scope(tags: Mapping[str, str]) -> Generator[None]:
    """Keep what belongs to some work apart."""
    with sentry_sdk.isolation_scope() as scope:
        scope.set_tags(tags)
        yield


def user(values: dict[str, object]) -> None:
    """Set the user of this request."""
    sentry_sdk.set_user(values or None)


def observe_log(event: LogEvent) -> None:
    """Make an event of an error line and a breadcrumb of any other."""
    if event.logger.startswith(_OWN_LOGGERS):
        return
    if event.level >= _ERROR:
        with capture_internal_exceptions():
            _capture_line(event)
    request = current_request.get()
    if request is None:
        sentry_sdk.add_breadcrumb(_crumb(event))
        return
    # In a request they only wait here; few requests ever send an event that shows them.
    if request.data is None:
        request.data = {}
    request.data.setdefault("breadcrumbs", deque(maxlen=MAX_BREADCRUMBS)).append(event)


def _capture_line(line: LogEvent) -> None:
    event: Event = {}
    hint: Hint = {}
    if line.error is not None:
        event, hint = event_from_exception(
            line.error,
            client_options=sentry_sdk.get_client().options,
            mechanism={"type": "logging", "handled": True},
        )
    event["level"] = cast("Any", _LEVELS[min(line.level // 10, 5) * 10])
    event["logger"] = line.logger or "root"
    event["logentry"] = {"message": line.event, "formatted": line.event}
    event["extra"] = dict(line.fields)
    sentry_sdk.capture_event(event, hint=hint)


def _crumb(line: LogEvent) -> Breadcrumb:
    return {
        "type": "log",
        "category": "log",
        "level": cast("Any", _LEVELS[min(max(line.level // 10, 1), 5) * 10]),
        "message": line.event,
        "timestamp": datetime.fromtimestamp(line.time, UTC),
        "data": {"logger": line.logger, **line.fields},
    }


def _complete(event: Event, hint: Hint) -> Event | None:
    """Add what is known about the request; drop an exception that was sent already."""
    if _was_sent(hint):
        return None
    request = current_request.get()
    if request is not None:
        tags = cast("dict[str, str]", event.setdefault("tags", {}))
        if request.request_id:
            tags.setdefault("request_id", request.request_id)
        lines = (request.data or {}).get("breadcrumbs")
        if lines and event.get("type") != "transaction":
            _add_breadcrumbs(event, lines)
    scope = sentry_sdk.get_isolation_scope()
    asgi = scope.asgi if isinstance(scope, RequestScope) else None
    if asgi is not None:
        request_data = _request(asgi)
        event.setdefault("request", cast("Any", request_data))
        if event.get("type") == "transaction":
            # They tell nothing about a duration, and cost as much as the rest together.
            request_data.pop("headers")
        else:
            name, source = _name(asgi)
            event["transaction"] = name
            event["transaction_info"] = {"source": source}
    return event


def _was_sent(hint: Hint) -> bool:
    """Whether this exception was seen in this request before; mark it otherwise."""
    error = (hint.get("exc_info") or (None, None, None))[1]
    if error is None:
        return False
    mark = (current_request.get(),)
    if getattr(error, _SEEN, None) == mark:
        return True
    # Past a __setattr__ of its own (frozen dataclasses); the mark dies with the exception.
    with contextlib.suppress(AttributeError, TypeError):
        BaseException.__setattr__(error, _SEEN, mark)
    return False


def _add_breadcrumbs(event: Event, lines: deque[LogEvent]) -> None:
    group = cast("dict[str, list[Breadcrumb]]", event.setdefault("breadcrumbs", {}))
    values = group.setdefault("values", [])
    values.extend(_crumb(line) for line in lines)
    values.sort(key=lambda crumb: crumb["timestamp"])
    del values[:-MAX_BREADCRUMBS]


def _request(asgi: Scope) -> dict[str, object]:
    """Return the request without its body, its headers by name; the hook makes it safe."""
    headers: dict[str, str] = {}
    for raw_name, raw_value in asgi["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    host = headers.get("host", "")
    # ASGI's path includes root_path.
    return {
        "method": asgi.get("method", ""),
        "url": f"{asgi.get('scheme', 'http')}://{host}{asgi['path']}",
        "query_string": asgi.get("query_string", b"").decode("latin-1"),
        "headers": headers,
    }


def _name(asgi: Scope) -> tuple[str, str]:
    """Return the transaction's name and its source; paths of no route would be endless names."""
    path = getattr(asgi.get("route"), "path", None)
    method = asgi.get("method", "")
    return (f"{method} {path}", "route") if path else (f"{method} [no route]", "custom")


def begin_transaction(asgi: Scope, rate: float) -> Transaction | None:
    """Start the transaction of a request that is sampled."""
    with capture_internal_exceptions():
        transaction = sentry_sdk.continue_trace(
            trace_headers(asgi),
            op="http.server",
            name=f"{asgi.get('method', '')} [no route]",
            source="custom",
            origin="auto.http.asgi",
        )
        transaction.sampled = True
        started = sentry_sdk.start_transaction(transaction)
        if not isinstance(started, Transaction):
            return None
        # The decision was made before; Sentry extrapolates from the rate it was made at.
        started.sample_rate = rate
        sentry_sdk.get_current_scope().span = started
        return started
    return None


def end_transaction(transaction: Transaction, asgi: Scope, status: int) -> None:
    """Name the transaction and send it."""
    with capture_internal_exceptions():
        transaction.name, transaction.source = _name(asgi)
        transaction.set_data("http.request.method", asgi.get("method", ""))
        if transaction.source == "route":
            transaction.set_data("http.route", transaction.name.partition(" ")[2])
        if status:
            transaction.set_http_status(status)
        transaction.finish()
        sentry_sdk.get_current_scope().span = None
