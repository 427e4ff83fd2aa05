"""Spans of database statements inside of what is recorded anyway; parameters are never shown."""

from __future__ import annotations

from typing import Any

from opentelemetry import trace
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer
from sqlalchemy import event

from ...core.database import Database

_SPAN = "telemetry.span"
_LONGEST = 2_000
"""Characters of a statement that are shown."""


def trace_statements(database: Database, tracer: Tracer) -> None:
    """Record the statements of a database.

    Polling in the background has no span around it and is not recorded.

    Args:
        database: The database.
        tracer: Records them.
    """

    def before(
        connection: Any,  # noqa: ANN401  # SQLAlchemy's events have six arguments of little interest
        _cursor: object,
        statement: str,
        _parameters: object,
        _context: object,
        _many: object,
    ) -> None:
        if not trace.get_current_span().is_recording():
            return
        operation = statement.split(None, 1)[0].upper() if statement.strip() else "STATEMENT"
        connection.info[_SPAN] = tracer.start_span(
            operation,
            kind=SpanKind.CLIENT,
            attributes={
                "db.system.name": connection.dialect.name,
                "db.operation.name": operation,
                "db.query.text": statement[:_LONGEST],
            },
        )

    engines = database.engine.sync_engine, database.reader.sync_engine
    # Where both share one pool, the reader inherits what is told to the other.
    for engine in {engine.pool: engine for engine in reversed(engines)}.values():
        event.listen(engine, "before_cursor_execute", before)
        event.listen(engine, "after_cursor_execute", _after)
        event.listen(engine, "handle_error", _failed)


def _after(connection: Any, *_: object) -> None:  # noqa: ANN401  # as above
    span: Span | None = connection.info.pop(_SPAN, None)
    if span is not None:
        span.end()


def _failed(context: Any) -> None:  # noqa: ANN401  # SQLAlchemy's, whose fields are optional
    connection = context.connection
    span: Span | None = connection.info.pop(_SPAN, None) if connection is not None else None
    if span is not None:
        span.set_attribute("error.type", type(context.original_exception).__name__)
        span.set_status(StatusCode.ERROR)
        span.end()
