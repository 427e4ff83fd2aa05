# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Structured logging: structlog and the standard library through one pipeline.

    log = get_logger(__name__)
    log.info("order_placed", order_id=order.id, items=len(order.items))

An event is a constant name with key-values. Each line says when, how severe and where, carries the
request and trace ids and whatever `structlog.contextvars` holds, and has been through the rules of
`redaction`, no matter which logger it came from. Exceptions are data: type, message, frames,
causes, never local variables.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import sys
from collections.abc import Callable, Generator, Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, Final, TextIO

from ._console import console_renderer
from ._log_handler import PipelineHandler, install
from ._log_pipeline import BOUND_VARS, LEVEL_NAMES, LogEvent, Observer, Pipeline, to_json
from ._log_writer import LogWriter
from ._structlog import structlog
from .context import current_request
from .redaction import Redactor

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

__all__ = [
    "BoundLogger",
    "LogEvent",
    "flush",
    "get_logger",
    "log_performance",
    "log_request",
    "observe",
    "printed_aside",
    "setup_logging",
]

_NUMBERS: Final = {name.upper(): number for number, name in LEVEL_NAMES.items()}
# "msg", "fatal" and "warn" are structlog's other names for these.
_METHODS: Final = {
    "debug": 10, "info": 20, "msg": 20, "warning": 30, "warn": 30,
    "error": 40, "critical": 50, "fatal": 50,
}  # fmt: skip


class _State:
    """What is in force in this process; one object, so that loggers made early see the change."""

    pipeline: Pipeline
    handler: PipelineHandler
    registered = False
    level = logging.WARNING


_state = _State()


class _Named:
    """What structlog calls the wrapped logger: here only its name."""

    __slots__ = ("name",)

    def __init__(self, name: str | None = None) -> None:
        self.name = name or ""


def _emit_last(logger: object, method: str, event_dict: EventDict) -> EventDict:
    """End structlog's chain for loggers that don't have our class: emit and stop."""
    level = _METHODS.get(method, logging.INFO)
    event = str(event_dict.pop("event", ""))
    name = str(getattr(logger, "name", "") or "")
    if level >= _state.level:
        _state.pipeline.emit(level, LEVEL_NAMES[level], name, event, None, event_dict)
    raise structlog.DropEvent


# One list for ever: structlog.testing.capture_logs swaps what is in it.
_PROCESSORS: Final[list[Processor]] = [_emit_last]


class BoundLogger(structlog.BoundLoggerBase):
    """A structlog logger whose methods go straight to the pipeline.

    `bind()`, `unbind()`, `try_unbind()` and `new()` are structlog's. The level methods are put on
    the class by `setup_logging`: below the level they do nothing, which costs a tenth of a
    microsecond, and loggers made before it change with the class.
    """

    _logger: _Named
    _context: dict[str, object]
    _processors: list[Processor]

    debug: Callable[..., None]
    info: Callable[..., None]
    warning: Callable[..., None]
    error: Callable[..., None]
    critical: Callable[..., None]

    def exception(self, event: str, *args: object, **fields: object) -> None:
        """Log at ERROR with the exception being handled."""
        fields.setdefault("exc_info", True)
        self.error(event, *args, **fields)

    def log(self, level: int, event: str, *args: object, **fields: object) -> None:
        """Log at a level given as the standard library's number."""
        getattr(self, LEVEL_NAMES[min(max(level // 10, 1), 5) * 10])(event, *args, **fields)

    def is_enabled_for(self, level: int) -> bool:
        """Return whether an event of this level would be written."""
        return level >= _state.level


def _nothing(self: BoundLogger, event: str = "", *args: object, **fields: object) -> None:
    """Take an event below the level and do nothing with it."""


def _method(name: str, level: int) -> Callable[..., None]:
    level_name = LEVEL_NAMES[level]
    # Looked up here, once per setup_logging, and not in each call.
    emit = _state.pipeline.emit

    def method(self: BoundLogger, event: str = "", *args: object, **fields: object) -> None:
        if args:
            event = _interpolate(event, args)
        if self._processors[0] is _emit_last:
            emit(level, level_name, self._logger.name, event, self._context, fields)
        else:
            self._proxy_to_logger(level_name, event, **fields)

    method.__name__ = method.__qualname__ = name
    return method


def _interpolate(event: str, args: tuple[object, ...]) -> str:
    values = args[0] if len(args) == 1 and isinstance(args[0], Mapping) and args[0] else args
    try:
        return event % values
    except (TypeError, ValueError, KeyError):
        return f"{event} {args!r}"


def _async_method(name: str) -> Callable[..., object]:
    async def method(self: BoundLogger, event: str = "", *args: object, **fields: object) -> None:
        # The buffer makes this as quick as handing it to a thread would be.
        getattr(self, name)(event, *args, **fields)

    method.__name__ = method.__qualname__ = f"a{name}"
    return method


def _set_level(level: int) -> None:
    _state.level = level
    for name, number in _METHODS.items():
        setattr(BoundLogger, name, _method(name, number) if number >= level else _nothing)


for _name in (*_METHODS, "exception", "log"):
    setattr(BoundLogger, f"a{_name}", _async_method(_name))


def _after_fork() -> None:
    _state.pipeline.writer.after_fork()


def _install(pipeline: Pipeline, level: int) -> None:
    """Put a pipeline in force; tests call this with rules that let everything through."""
    flush()
    pipeline.observer = _state.pipeline.observer
    _state.pipeline = pipeline
    _set_level(level)
    structlog.configure(
        processors=_PROCESSORS,
        wrapper_class=BoundLogger,
        context_class=dict,
        logger_factory=lambda *names: _Named(*names[:1]),
        cache_logger_on_first_use=True,
    )
    install(_state.handler, level)
    if not _state.registered:
        _state.registered = True
        atexit.register(flush)
        if hasattr(os, "register_at_fork"):  # Windows can't fork
            os.register_at_fork(before=flush, after_in_child=_after_fork)


def setup_logging(
    level: str = "INFO",
    json_logs: bool = False,
    include_timestamp: bool = True,
    *,
    redact_keys: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Send every log line of the process through one pipeline; calling again replaces it.

    Args:
        level: Lowest level that is written: DEBUG, INFO, WARNING, ERROR or CRITICAL.
        json_logs: One JSON object per line; otherwise columns, in colours on a terminal.
        include_timestamp: Whether lines say when (ISO 8601, UTC); nothing else changes.
        redact_keys: More names whose values are never written; see `redaction`.
        stream: Where lines go; by default standard output, whatever that is when they are written.

    Raises:
        ValueError: When there is no such level.
    """
    number = _NUMBERS.get(level.upper())
    if number is None:
        message = f"there is no log level {level!r}: use one of {', '.join(_NUMBERS)}"
        raise ValueError(message)
    pipeline = Pipeline(
        Redactor(redact_keys),
        to_json if json_logs else console_renderer(colors=_wants_colors(stream or sys.stdout)),
        LogWriter(lambda: stream or sys.stdout),
        timestamps=include_timestamp,
    )
    _install(pipeline, number)


def _wants_colors(stream: TextIO | None) -> bool:
    # https://no-color.org
    return stream is not None and stream.isatty() and not os.environ.get("NO_COLOR")


def get_logger(name: str | None = None) -> BoundLogger:
    """Return a logger; it may be made at import, before `setup_logging`, and follows it then.

    Until `setup_logging` is called only WARNING and above are written, to standard error.

    Args:
        name: Usually `__name__`; stands under `logger` on each line.
    """
    return BoundLogger(_Named(name), _PROCESSORS, {})


def log_performance(
    logger: BoundLogger,
    operation: str,
    duration_ms: float,
    success: bool = True,
    **context: object,
) -> None:
    """Log how long an operation took, in milliseconds, as the event `performance`."""
    logger.info(
        "performance",
        operation=operation,
        duration_ms=round(duration_ms, 2),
        success=success,
        **context,
    )


def log_request(
    *, method: str, path: str, status: int, duration_ms: float, client: str, **more: object
) -> None:
    """Log a request that was served.

    The line is that of `get_logger("access").info("http_request", ...)`. Observers don't see it:
    when it is written, the request that a breadcrumb would explain is over.
    """
    if _state.level > logging.INFO:
        return
    pipeline = _state.pipeline
    if not (more or BOUND_VARS is None or BOUND_VARS):
        now = time()
        record = (now, method, path, status, duration_ms, client, current_request.get())
        # Made when it is written, with its like.
        pipeline.writer.write((pipeline.request_line, record), False, now)
        return
    fields: dict[str, object] = {
        "method": method,
        "path": path,
        "status": status,
        "duration_ms": round(duration_ms, 3),
        "client": client,
    }
    fields.update(more)
    pipeline.emit(20, "info", "access", "http_request", None, fields, observed=False)


def flush() -> None:
    """Write the lines that wait in the buffer."""
    _state.pipeline.writer.flush()


@contextlib.contextmanager
def printed_aside() -> Generator[None]:
    """Send what is printed and logged meanwhile to standard error: it is not what a command prints."""
    with contextlib.redirect_stdout(sys.stderr):
        try:
            yield
        finally:
            flush()  # lines that wait in the buffer are of now


def observe(observer: Observer | None) -> None:
    """Show each event at INFO or above to a function (Sentry's, say), after it was made safe."""
    _state.pipeline.observer = observer


_state.handler = PipelineHandler(lambda: _state.pipeline)
_state.pipeline = Pipeline(
    Redactor(), console_renderer(colors=False), LogWriter(lambda: sys.stderr)
)
_set_level(logging.WARNING)
