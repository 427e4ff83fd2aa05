# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""One way to write a value as JSON, so that equal values have equal hashes (RFC 8785, JCS)."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import orjson

from .errors import InvalidEventError

_EXACT = 2**53 - 1
"""The largest integer that every JSON reader keeps exact (RFC 7493 section 2.2)."""


def canonical(value: object) -> bytes:
    """Return the canonical JSON of a value, in UTF-8.

    Raises:
        InvalidEventError: For NaN, infinity, an integer beyond 2**53 - 1, a key that is no string,
            text that is no Unicode, or a type that JSON has not.
    """
    try:
        if _is_simple(value):
            # For such values orjson's output is the canonical one, thirty times faster.
            return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
        return _write(value).encode()
    except (orjson.JSONEncodeError, UnicodeEncodeError, RecursionError) as error:
        raise InvalidEventError(f"not representable as JSON: {error}") from error


def _is_simple(value: Any) -> bool:  # noqa: ANN401  # the types are what it finds out
    """Whether a value has no floats, and keys that sort alike in UTF-8 and UTF-16."""
    kind = type(value)
    if kind is str or value is None or kind is bool:
        return True
    if kind is int:
        return bool(-_EXACT <= value <= _EXACT)
    if kind is dict:
        # A loop: for each event this is most of what canonical JSON costs, and all() doubles it.
        for key, item in value.items():
            if type(key) is not str or not key.isascii():
                return False
            if type(item) is not str and not _is_simple(item):
                return False
        return True
    if kind is list or kind is tuple:
        return all(map(_is_simple, value))
    return False


def _write(value: object) -> str:
    if value is None or isinstance(value, bool | str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, int):
        if not -_EXACT <= value <= _EXACT:
            raise InvalidEventError(
                "an integer beyond 2**53 - 1 is not exact in JSON: use a string"
            )
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise InvalidEventError("a key of a JSON object must be a string")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        parts = [f"{_write(key)}:{_write(value[key])}" for key in keys]
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_write, value)) + "]"
    raise InvalidEventError(f"{type(value).__name__} can't be written as JSON")


def _number(value: float) -> str:
    """Return a number as ECMAScript does (ECMA-262, Number::toString)."""
    if not math.isfinite(value):
        raise InvalidEventError("NaN and infinity can't be written as JSON")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Python's repr has the same shortest digits; only where the point stands differs.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    digits = mantissa.replace(".", "")
    point = len(mantissa.partition(".")[0]) + int(exponent or 0)
    stripped = digits.lstrip("0")
    point -= len(digits) - len(stripped)
    digits = stripped.rstrip("0")
    count = len(digits)
    if count <= point <= 21:
        return sign + digits + "0" * (point - count)
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    power = f"e{point - 1:+d}"
    return sign + digits[0] + ("." + digits[1:] if count > 1 else "") + power
