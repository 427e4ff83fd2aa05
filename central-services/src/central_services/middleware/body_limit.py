# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A limit on the size of request bodies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from .refusals import Fields, Refusal


class BodyTooLargeError(HTTPException):
    """Raised into an application that reads a body past the limit, so that it never sees a part."""

    def __init__(self) -> None:
        super().__init__(413)


class BodyLimit:
    """Refuse bodies over a number of bytes.

    A `Content-Length` is checked up front; the server holds the client to it. A body without one
    is counted as it comes in.
    """

    __slots__ = ("max_bytes",)

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes

    def check(self, scope: Scope, fields: Fields) -> Refusal | None:
        """Return the refusal of a request whose declared length is too large or no number."""
        declared = fields.get(b"content-length")
        if declared is None:
            return None
        if not declared.isdigit():
            return Refusal(400, "The Content-Length header is not a number.")
        # Twenty digits are more than any limit; int() of a very long one would be slow work.
        if len(declared) > 20 or int(declared) > self.max_bytes:
            return self.refusal(scope)
        return None

    def refusal(self, scope: Scope) -> Refusal:
        """Return the answer to a body that is too large.

        An HTTP/1 connection is closed, so that the client does not go on sending (RFC 9110 section
        15.5.14); later versions stop a single stream, and forbid the header.
        """
        detail = f"The body is larger than {self.max_bytes} bytes."
        close = ((b"connection", b"close"),) if scope["http_version"].startswith("1") else ()
        return Refusal(413, detail, headers=close)


def has_body(scope: Scope, fields: Fields) -> bool:
    """Whether a request may have a body: HTTP/1 announces one, later versions need not."""
    return (
        b"content-length" in fields
        or b"transfer-encoding" in fields
        or not scope["http_version"].startswith("1")
    )


class CountedBody:
    """Hand a body on while counting it; past the limit, answer 413 and stop the reader.

    Args:
        receive: Where the body comes from.
        max_bytes: The limit.
        on_overflow: Sends the 413, if a response has not started.
    """

    __slots__ = ("_left", "_on_overflow", "_receive")

    def __init__(
        self, receive: Receive, max_bytes: int, on_overflow: Callable[[], Awaitable[None]]
    ) -> None:
        self._receive = receive
        self._left = max_bytes
        self._on_overflow = on_overflow

    async def __call__(self) -> Message:
        """Return the next part.

        Raises:
            BodyTooLargeError: Past the limit, now and on every later call.
        """
        if self._left >= 0:
            message = await self._receive()
            self._left -= len(message.get("body", b""))
            if self._left >= 0:
                return message
            await self._on_overflow()
        raise BodyTooLargeError
