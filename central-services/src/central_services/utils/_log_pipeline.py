# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one pipeline that every log event takes, whichever logger it came from."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping
from itertools import islice
from time import gmtime, strftime, time
from typing import Final, NamedTuple

import orjson

from ._exception_data import exception_data, stack_data
from ._lazy_pattern import LazyPattern
from ._log_writer import LogWriter
from ._request_line import RequestLines, RequestRecord
from ._structlog import structlog
from .context import RequestContext, current_request
from .redaction import Redactor

MAX_LINE: Final = 32_768
_MAX_FIELDS: Final = 64
_MAX_SHORT: Final = 256
_KNOWN_EVENTS: Final = 1024
_KNOWN_LENGTH: Final = 64
_INFO: Final = logging.INFO
_ERROR: Final = logging.ERROR
_MILLISECONDS: Final = tuple(f".{ms:03d}Z" for ms in range(1000))

Document = dict[str, object]

LEVEL_NAMES: Final = {10: "debug", 20: "info", 30: "warning", 40: "error", 50: "critical"}

# Every bound key has a ContextVar of its own in here. It is structlog's private name; without it
# the public function is asked, which copies the whole context and costs a microsecond per event.
BOUND_VARS = getattr(structlog.contextvars, "_CONTEXT_VARS", None)

# What JSON leaves as it is, but a terminal obeys or a reader takes for the end of a line: the C1
# controls, NEL, the line and paragraph separators and the marks that turn text around.
_UNSAFE = LazyPattern("[\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")


class LogEvent(NamedTuple):
    """What an observer sees of an event; its fields are safe already.

    Attributes:
        level: As in the standard library: 20 is INFO, 40 is ERROR.
        logger: Name of the logger, or an empty string.
        event: What happened.
        time: Seconds since the epoch.
        fields: The key-values.
        error: The exception that was logged with it.
    """

    level: int
    logger: str
    event: str
    time: float
    fields: Mapping[str, object]
    error: BaseException | None


Observer = Callable[[LogEvent], None]


def level_name(level: int) -> str:
    """Return the name of a level; levels between two have the lower one's."""
    return LEVEL_NAMES.get(level) or LEVEL_NAMES[min(max(level // 10, 1), 5) * 10]


def _escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def to_json(document: Document) -> bytes:
    """Return a document as one line of JSON."""
    line = orjson.dumps(document, option=orjson.OPT_APPEND_NEWLINE)
    if not line.isascii():
        line = _UNSAFE.compiled.sub(_escape, line.decode()).encode()
    return line


class Pipeline:
    """Make an event safe, render it, hand it to the writer.

    Args:
        redactor: The rules; tests pass rules that let everything through to prove that the rules
            make the difference.
        render: Makes a line of a document.
        writer: Where lines go.
        timestamps: Whether a line says when.
    """

    def __init__(
        self,
        redactor: Redactor,
        render: Callable[[Document], bytes],
        writer: LogWriter,
        *,
        timestamps: bool = True,
    ) -> None:
        self.redactor = redactor
        self.writer = writer
        self.observer: Observer | None = None
        self._render = render
        self._write = writer.write
        self._timestamps = timestamps
        self._second = (0, "")
        self._known_events: set[str] = set()
        self._requests = RequestLines(redactor, timestamps=timestamps)
        if render is not to_json:
            self._requests.possible = False

    def emit(
        self,
        level: int,
        level_name: str,
        logger: str,
        event: str,
        bound: Mapping[str, object] | None,
        fields: Mapping[str, object],
        *,
        observed: bool = True,
    ) -> None:
        """Log one event. Never raises: a log line must not fail the work it tells of."""
        now = time()
        try:
            error = None
            if "exc_info" in fields or "stack_info" in fields:
                error, fields = _take_error(fields)
            if type(event) is not str or event not in self._known_events:
                event = self._safe_event(event)
            document: Document
            if self._timestamps:
                stamp = self._stamp(now)
                document = {"timestamp": stamp, "level": level_name, "event": event}
            else:
                document = {"level": level_name, "event": event}
            if logger:
                document["logger"] = logger
            request = current_request.get()
            if request is not None:
                _add_ids(document, request)
            add = self.redactor.update
            if BOUND_VARS is None or BOUND_VARS:
                add(document, _bound_contextvars())
            if bound:
                add(document, bound)
            if fields:
                add(document, fields if len(fields) <= _MAX_FIELDS else _first(fields))
            # A field may go by the name of one of these; it does not get to replace it.
            document["level"] = level_name
            document["event"] = event
            if self._timestamps:
                document["timestamp"] = stamp
            if error is not None:
                document["exception"] = exception_data(error, self.redactor)
            self._write(self._line(document), level >= _ERROR, now)
            if observed and self.observer is not None and level >= _INFO:
                self.observer(LogEvent(level, logger, event, now, _fields_of(document), error))
        except Exception as failure:  # noqa: BLE001  # an edge: any object's code runs in here
            self._complain(level_name, failure)

    def request_line(self, record: RequestRecord) -> bytes:
        """Return the line of a request that was served; never raises."""
        try:
            return self._requests.render(record) or self._line(self._request_document(record))
        except Exception as failure:  # noqa: BLE001  # an edge: the writer has other lines to write
            return self._complaint("info", failure)

    def _request_document(self, record: RequestRecord) -> Document:
        now, method, path, status, duration_ms, client, context = record
        document: Document = {"timestamp": self._stamp(now)} if self._timestamps else {}
        document |= {"level": "info", "event": "http_request", "logger": "access"}
        if context is not None:
            _add_ids(document, context)
        fields = {
            "method": method,
            "path": path,
            "status": status,
            "duration_ms": round(duration_ms, 3),
            "client": client,
        }
        self.redactor.update(document, fields)
        return document

    def _line(self, document: Document) -> bytes:
        """Render a safe document, whatever it holds."""
        try:
            line = self._render(document)
        except (TypeError, ValueError):
            line = self._render(_cleaned(document))
        return line if len(line) <= MAX_LINE else self._render(_shortened(document))

    def _safe_event(self, event: object) -> str:
        """Return the event's text; constant names, which most are, are looked at once."""
        text = event if type(event) is str else str(event)
        safe = self.redactor.text(text)
        if safe == event and len(text) <= _KNOWN_LENGTH:
            if len(self._known_events) >= _KNOWN_EVENTS:
                self._known_events.clear()
            self._known_events.add(text)
        return safe

    def _stamp(self, now: float) -> str:
        """Return ISO 8601 in UTC with milliseconds; what changes once a second is made then."""
        whole = int(now)
        second, text = self._second
        if second != whole:
            text = strftime("%Y-%m-%dT%H:%M:%S", gmtime(whole))
            self._second = (whole, text)
        return text + _MILLISECONDS[int((now - whole) * 1000)]

    def _complain(self, level_name: str, failure: Exception) -> None:
        self._write(self._complaint(level_name, failure), True, time())

    def _complaint(self, level_name: str, failure: Exception) -> bytes:
        name = type(failure).__name__
        return self._render({"level": level_name, "event": "log_event_failed", "error": name})


def _add_ids(document: Document, request: RequestContext) -> None:
    if request.request_id:
        document["request_id"] = request.request_id
    if request.trace_id:
        document["trace_id"] = request.trace_id
        document["span_id"] = request.span_id


_OWN = frozenset(
    ("timestamp", "level", "event", "logger", "request_id", "trace_id", "span_id", "exception")
)


def _fields_of(document: Document) -> Document:
    return {key: value for key, value in document.items() if key not in _OWN}


def _first(fields: Mapping[str, object]) -> Document:
    kept = dict(islice(fields.items(), _MAX_FIELDS))
    kept["fields_left_out"] = len(fields) - _MAX_FIELDS
    return kept


def _bound_contextvars() -> Document:
    if BOUND_VARS is None:
        return dict(structlog.contextvars.get_contextvars())
    prefix = len(structlog.contextvars.STRUCTLOG_KEY_PREFIX)
    # A copy, since another thread may bind a new key meanwhile; Ellipsis means unbound.
    found = ((name, var.get(...)) for name, var in tuple(BOUND_VARS.items()))
    return {name[prefix:]: value for name, value in found if value is not ...}


def _cleaned(document: Document) -> Document:
    """Return a safe document without what JSON can't hold: large integers, lone surrogates."""
    return {_plain_text(key): _held(value) for key, value in document.items()}


def _plain_text(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _held(value: object) -> object:
    if isinstance(value, str):
        return _plain_text(value)
    if isinstance(value, int):
        return value if value.bit_length() < 64 else f"[integer of {value.bit_length()} bits]"
    if isinstance(value, dict):
        return _cleaned(value)
    return [_held(member) for member in value] if isinstance(value, list) else value


def _shortened(document: Document) -> Document:
    """Return the document with every large value replaced by the beginning of its text."""
    short: Document = {}
    for key, value in document.items():
        text = _plain_text(value if isinstance(value, str) else repr(value))
        fits = len(text) <= (MAX_LINE // 4 if key == "exception" else _MAX_SHORT)
        short[key] = _held(value) if fits else f"{text[:_MAX_SHORT]}...[clipped]"
    return short


def _take_error(
    fields: Mapping[str, object],
) -> tuple[BaseException | None, Mapping[str, object]]:
    """Take exc_info and stack_info out of the fields; a stack stays, as data."""
    rest = {k: v for k, v in fields.items() if k not in {"exc_info", "stack_info"}}
    stack = fields.get("stack_info")
    if isinstance(stack, str):
        rest["stack"] = stack.splitlines()
    elif stack:
        rest["stack"] = stack_data(sys._getframe(3))  # noqa: SLF001  # the caller's own frame
    return error_of(fields.get("exc_info")), rest


def error_of(exc_info: object) -> BaseException | None:
    """Return the exception that `exc_info=` means: True, an exception or the old triple."""
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple):
        return exc_info[1] if len(exc_info) == 3 else None
    return sys.exc_info()[1] if exc_info else None
