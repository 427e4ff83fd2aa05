"""Pages by cursor: the next page starts after the last row of this one, however much was added meanwhile.

A cursor is opaque and signed: a caller can neither read a position out of it as a promise, nor make one up,
nor use one that was given for another list, tenant or filter.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from pydantic import BaseModel

from ..core.errors import ServiceError

Item = TypeVar("Item")

_TAG_BYTES = 16


class InvalidCursorError(ServiceError):
    """The cursor was not made here, for this list."""

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Invalid cursor"

    def __init__(self) -> None:
        super().__init__(
            "Send a cursor as it came with a page of the same list, or none for the first."
        )


class Page(BaseModel, Generic[Item]):
    """One page of a list.

    Attributes:
        items: What is on it.
        next: The cursor of the next page; null on the last one.
    """

    items: list[Item]
    next: str | None


@dataclass(frozen=True, slots=True)
class Cursors:
    """Makes and reads the cursors of one service.

    Attributes:
        key: At least 32 bytes that only this service has; cursors end with it.
    """

    key: bytes

    def __post_init__(self) -> None:
        if len(self.key) < 32:
            message = "the key of cursors needs at least 32 bytes"
            raise ValueError(message)

    def write(self, position: Sequence[str | int], scope: Mapping[str, str | None]) -> str:
        """Return the cursor of what comes after a position.

        Args:
            position: The sort columns' values in the last row of the page.
            scope: What the list is: its name, its tenant, its filters.
        """
        body = json.dumps(list(position), separators=(",", ":")).encode()
        return base64.urlsafe_b64encode(self._tag(body, scope) + body).decode().rstrip("=")

    def read(self, cursor: str, scope: Mapping[str, str | None]) -> list[str | int]:
        """Return the position of a cursor.

        Raises:
            InvalidCursorError: It was not made here for this scope.
        """
        try:
            raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise InvalidCursorError from None
        tag, body = raw[:_TAG_BYTES], raw[_TAG_BYTES:]
        if not hmac.compare_digest(tag, self._tag(body, scope)):
            raise InvalidCursorError
        position: list[str | int] = json.loads(body)
        return position

    def _tag(self, body: bytes, scope: Mapping[str, str | None]) -> bytes:
        about = json.dumps(scope, sort_keys=True).encode()
        message = len(about).to_bytes(4, "big") + about + body
        return hmac.digest(self.key, message, hashlib.sha256)[:_TAG_BYTES]
