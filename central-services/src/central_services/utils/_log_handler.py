# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The standard library's records, brought into the pipeline: uvicorn, asyncio, any library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from ._log_pipeline import Pipeline, level_name
from ._plain import printed

# What every record has; the rest came in through `extra=`.
_STANDARD: Final = frozenset(
    (*vars(logging.makeLogRecord({})), "message", "asctime", "taskName", "color_message")
)
_SCALARS: Final = (str, int, float, bool, type(None))
# Lines of their own are written by these; the access log is the middleware's.
_UVICORN: Final = ("uvicorn", "uvicorn.error", "uvicorn.asgi")
_UVICORN_ACCESS: Final = "uvicorn.access"


class PipelineHandler(logging.Handler):
    """Hand records to the pipeline in force, which makes them safe and writes them."""

    def __init__(self, pipeline: Callable[[], Pipeline]) -> None:
        super().__init__()
        self._pipeline = pipeline

    def createLock(self) -> None:  # noqa: N802  # the standard library's name
        """Do without a lock: the pipeline has nothing that needs one."""
        self.lock = None

    def handle(self, record: logging.LogRecord) -> bool:
        """Filter and log a record, as the base class does, which in Python 3.13 enters the lock."""
        kept = self.filter(record)
        if isinstance(kept, logging.LogRecord):  # a filter may return another one since Python 3.12
            record = kept
        if kept:
            self.emit(record)
        return bool(kept)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record as an event, its `extra=` as key-values."""
        pipeline = self._pipeline()
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            fields["exc_info"] = record.exc_info
        if record.stack_info:
            fields["stack_info"] = record.stack_info
        message = _message(record, pipeline).rstrip("\n")
        name = level_name(record.levelno)
        pipeline.emit(record.levelno, name, record.name, message, None, fields)


def _message(record: logging.LogRecord, pipeline: Pipeline) -> str:
    """Return the formatted message; containers among the arguments are redacted by their keys."""
    args = record.args
    redactor = pipeline.redactor
    try:
        if isinstance(args, Mapping):
            # A single mapping serves "%(name)s" as well as "%s".
            safe: object = redactor.value(args)
            return str(record.msg) % (safe if isinstance(safe, dict) else args)
        if args:
            return str(record.msg) % tuple(
                a if isinstance(a, _SCALARS) else _safe(a, pipeline) for a in args
            )
        return str(record.msg)
    except Exception:  # noqa: BLE001  # an edge: a wrong format, an argument that cannot be printed
        return f"{printed(record.msg, str)} {redactor.value(args)}"


def _safe(arg: object, pipeline: Pipeline) -> object:
    if isinstance(arg, (Mapping, list, tuple, set, frozenset)):
        return pipeline.redactor.value(arg)
    return arg


def install(handler: PipelineHandler, level: int) -> None:
    """Make the handler the only one that writes to a console, for every logger there is.

    Handlers that write elsewhere (pytest's, a file's) stay: they are somebody's explicit choice,
    and they see records that are not redacted.
    """
    root = logging.getLogger()
    for name, logger in [("", root), *list(logging.root.manager.loggerDict.items())]:
        if not isinstance(logger, logging.Logger):
            continue
        own = [h for h in logger.handlers if _writes_to_a_console(h)]
        for console in own:
            logger.removeHandler(console)
        if (own and name) or name in _UVICORN:
            logger.propagate = True
    # Without a handler uvicorn skips its access log altogether; ours has the request id.
    logging.getLogger(_UVICORN_ACCESS).propagate = False
    root.addHandler(handler)
    root.setLevel(level)
    logging.captureWarnings(capture=True)


def _writes_to_a_console(handler: logging.Handler) -> bool:
    return isinstance(handler, PipelineHandler) or type(handler) is logging.StreamHandler
