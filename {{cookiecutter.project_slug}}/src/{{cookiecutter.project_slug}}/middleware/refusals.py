# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a middleware answers when it turns a request away."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import PROBLEM_JSON, problem_body

Pair = tuple[bytes, bytes]
"""A header as ASGI has it: lower-case name, value."""

Fields = Mapping[bytes, bytes]
"""The headers of a request by name; a repeated one is joined with ", " (RFC 9110 section 5.3)."""


@dataclass(frozen=True, slots=True)
class Refusal:
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
    extensions: Mapping[str, Any] = field(default_factory=dict)

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


def joined(headers: list[Pair]) -> Fields:
    """Return the headers by name, repeated ones joined; for the rare request that repeats one.

    A second `Host` then makes a value that no policy accepts, instead of one of the two winning.
    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        before = fields.get(name)
        fields[name] = value if before is None else before + b", " + value
    return fields
