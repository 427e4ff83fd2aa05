# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Values as bytes: JSON that is validated against the declared type, never pickle.

What is read may have been written by anybody who reaches the server. The worst that it can do is to
be refused: nothing in it names a class, code or a size that is believed.
"""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError

from .namespace import Namespace

T = TypeVar("T")

Reason = Literal["malformed", "not_of_its_type", "too_large", "not_serialisable", "forged"]
"""Why a value was not stored, or not believed; the value itself is never logged."""

VALUE = b"v"
NOTHING = b"n"


class UnusableValueError(ValueError):
    """A value that can't be stored, or what was read is none.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Reason = reason


def encode(space: Namespace[Any], value: object, *, max_bytes: int) -> bytes:
    """Return a value as bytes; None is what `NOTHING` stands for.

    Raises:
        UnusableValueError: When it is not of the namespace's type, or too large.
    """
    if value is None:
        return NOTHING
    try:
        # Field names, whatever aliases a model has for its callers; see `decode`.
        text = space.adapter.dump_json(value, by_alias=False, round_trip=True, warnings="error")
    except (PydanticSerializationError, ValueError, RecursionError) as error:
        reason: Reason = "not_serialisable"
        raise UnusableValueError(reason) from error
    if len(text) >= max_bytes:
        reason = "too_large"
        raise UnusableValueError(reason)
    return VALUE + text


def decode(space: Namespace[T], raw: bytes, *, max_bytes: int) -> T | None:
    """Return the value that bytes stand for; None for `NOTHING`.

    Raises:
        UnusableValueError: When they stand for none of the namespace's type.
    """
    reason: Reason
    if raw == NOTHING:
        return None
    if len(raw) > max_bytes:
        reason = "too_large"
        raise UnusableValueError(reason)
    if raw[:1] != VALUE:
        reason = "malformed"
        raise UnusableValueError(reason)
    try:
        return space.adapter.validate_json(raw[1:], by_alias=False, by_name=True)
    except ValidationError as error:
        invalid = any(found["type"] == "json_invalid" for found in error.errors(include_url=False))
        reason = "malformed" if invalid else "not_of_its_type"
    except Exception:  # noqa: BLE001  # the edge: a project's own validators meet hostile data here
        reason = "not_of_its_type"
    raise UnusableValueError(reason) from None
