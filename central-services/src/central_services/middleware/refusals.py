# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a middleware answers when it turns a request away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from ..core.errors import PROBLEM_JSON, problem_body

Pair = tuple[bytes, bytes]
"""A header as ASGI has it: lower-case name, value."""

Fields = Mapping[bytes, bytes]
"""The headers of a request that a policy reads, by name."""

READ = frozenset(
    (
        b"access-control-request-headers",
        b"access-control-request-method",
        b"content-length",
        b"host",
        b"origin",
        b"traceparent",
        b"transfer-encoding",
        b"x-forwarded-for",
        b"x-forwarded-proto",
        b"x-request-id",
    )
)


class Refusal(NamedTuple):
    """An answer that is given without asking the application.

    Attributes:
        status: HTTP status code; under 400 the answer has no body (a redirect, a preflight).
        detail: What the caller did wrong, in a sentence; never an internal.
        headers: Headers of this answer alone, such as `retry-after`.
        type: URI of the kind of problem (RFC 9457 section 3.1.1).
        extensions: More members of the problem document.
    """

    status: int
    detail: str = ""
    headers: tuple[Pair, ...] = ()
    type: str = "about:blank"
    extensions: Mapping[str, Any] = MappingProxyType({})

    def render(self) -> tuple[list[Pair], bytes]:
        """Return the headers and the body: an RFC 9457 problem, or nothing under status 400."""
        if self.status < 400:
            if self.status == 204:
                return list(self.headers), b""
            return [*self.headers, (b"content-length", b"0")], b""
        body = problem_body(
            self.status, detail=self.detail, type_=self.type, extensions=self.extensions
        )
        length = str(len(body)).encode()
        content = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", length)]
        return [*content, *self.headers], body


def read_fields(headers: Iterable[Pair]) -> dict[bytes, bytes]:
    """Return the headers that policies read; repeated ones joined (RFC 9110 section 5.3).

    A second `Host` then makes a value that no policy accepts, instead of one of the two winning.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        if name in READ:
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields
