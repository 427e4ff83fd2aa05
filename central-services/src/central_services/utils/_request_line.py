# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The access log line of an ordinary request, as JSON, without a document in between.

It is the line that a service writes most. Whatever is not ordinary (an unprintable character, a
quote, what may be a secret) is left to the pipeline, which makes the same line of it.
"""

from __future__ import annotations

from time import gmtime, strftime

from .context import RequestContext
from .redaction import Redactor

_FIELDS = ("client", "duration_ms", "method", "path", "status")
_LONGEST = 1_024
# Up to this length the rules look at text only if one of their characters is in it.
_SHORT = 15
_OPEN, _CLOSE = "{", '"}\n'


RequestRecord = tuple[float, str, str, int, float, str, RequestContext | None]
"""Time, method, path, status, milliseconds, client, ids. A plain tuple: the name of a named one is
looked up in Python for every request."""


class RequestLines:
    """Renders such lines.

    Args:
        redactor: The rules.
        timestamps: Whether a line says when.
    """

    def __init__(self, redactor: Redactor, *, timestamps: bool) -> None:
        self._redact = redactor.text
        self._timestamps = timestamps
        # A project may count one of the fields among its secrets.
        self.possible = not any(redactor.is_sensitive(name) for name in _FIELDS)
        self._second = 0
        self._head = _OPEN
        # By the millisecond; made for the first line, which is not yet at start-up.
        self._thousandths: tuple[str, ...] = ()
        self._tails: tuple[str, ...] = ()

    def render(self, record: RequestRecord) -> bytes | None:
        """Return a line, or None when the pipeline has to make it."""
        now, method, path, status, duration_ms, client, context = record
        text = f"{method}{path}{client}"
        if not (text.isascii() and text.isprintable() and self.possible):
            return None
        if '"' in text or "\\" in text or "=" in text or " " in text or len(text) > _LONGEST:
            return None
        is_short = len(path) <= _SHORT and ":" not in text and "," not in text
        if not is_short and (self._redact(path) != path or self._redact(client) != client):
            return None
        second = int(now)
        if second != self._second:
            self._turn(second)
        ids = ""
        if context is not None and context.request_id:
            ids = f'"request_id":"{context.request_id}",'
            if context.trace_id:
                ids = f'{ids}"trace_id":"{context.trace_id}","span_id":"{context.span_id}",'
        us = int(duration_ms * 1_000 + 0.5)
        line = (
            f'{self._head}{self._tails[int((now - second) * 1_000)]}{ids}"method":"{method}",'
            f'"path":"{path}","status":{status},"duration_ms":{us // 1_000}'
            f'{self._thousandths[us % 1_000]},"client":"{client}{_CLOSE}'
        )
        return line.encode()

    def _turn(self, second: int) -> None:
        """Make what the lines of a second have in common."""
        self._second = second
        if not self._tails:
            tail = '"level":"info","event":"http_request","logger":"access",'
            self._thousandths = tuple(f".{number:03d}" for number in range(1_000))
            self._tails = tuple(
                f'{ms}Z",{tail}' if self._timestamps else tail for ms in self._thousandths
            )
        if self._timestamps:
            self._head = strftime(f'{_OPEN}"timestamp":"%Y-%m-%dT%H:%M:%S', gmtime(second))
