# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Identity of a request: its id, the trace it belongs to, and text that is safe to write down."""

from __future__ import annotations

import os
from itertools import count
from secrets import token_hex

from ..utils._lazy_pattern import LazyPattern

MAX_PATH = 1024
"""Characters of a path that reach a log line."""

_PLAIN_ID = LazyPattern(rb"[A-Za-z0-9._-]{1,64}")
_TRACEPARENT = LazyPattern(
    rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}(-.*)?"
)


class RequestIds:
    """Make ids such as `9f86d081884c7d65-1842`: a random number per process, then a count.

    They are unique rather than secret; 0.15 us each, where `uuid4` takes 2.
    """

    def __init__(self) -> None:
        self._restart()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._restart)

    def _restart(self) -> None:
        self._process = token_hex(8) + "-"
        self._next = count(1).__next__

    def new(self) -> str:
        """Return the next id."""
        return f"{self._process}{self._next()}"


new_request_id = RequestIds().new


def is_plain_id(value: bytes) -> bool:
    """Whether a caller's `X-Request-ID` may be used: 1 to 64 of A-Z a-z 0-9 . _ -."""
    return _PLAIN_ID.compiled.fullmatch(value) is not None


def parse_traceparent(value: bytes) -> tuple[str, str]:
    """Return the trace id and the parent span id of a `traceparent` header.

    Both are empty when the header is not valid (W3C Trace Context, section 3.2.2): version ff, ids
    of zeros, upper-case digits, or more fields than version 00 has.
    """
    match = _TRACEPARENT.compiled.fullmatch(value)
    if match is None or (match[3] is not None and value.startswith(b"00")):
        return "", ""
    return match[1].decode(), match[2].decode()


def printable(text: str, limit: int = MAX_PATH) -> str:
    """Return the text, at most `limit` characters, with every unprintable one escaped.

    Line breaks, terminal escapes and bidirectional marks can then forge no log line.
    """
    if len(text) <= limit and text.isprintable():
        return text
    escaped = (
        char if char.isprintable() else char.encode("unicode_escape").decode()
        for char in text[:limit]
    )
    return "".join(escaped)[:limit]
