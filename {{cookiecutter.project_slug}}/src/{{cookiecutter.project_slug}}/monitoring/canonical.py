# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The hash by which two results are the same."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import Enum


def canonical_hash(value: object) -> str:
    """Return the SHA-256 of a value in one canonical form, in hexadecimal.

    The order of keys and the spelling of numbers make no difference (1, 1.0 and Decimal("1.00") are
    the same); the order of a list does, that of a set does not.

    Raises:
        TypeError: When the value holds something that has no canonical form.
    """
    text = json.dumps(
        _canonical(value),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _canonical(value: object) -> object:
    if value is None or (isinstance(value, (bool, str)) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, (int, float, Decimal)):
        return _number(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): _canonical(item) for key, item in value.items()}
    if isinstance(value, (set, frozenset)):
        return sorted((_canonical(item) for item in value), key=canonical_hash)
    if isinstance(value, Sequence):
        return [_canonical(item) for item in value]
    raise TypeError(f"a {type(value).__name__} can't be compared: return plain JSON values")


def _number(value: float | Decimal) -> object:
    """Return a number as the shortest text that means it."""
    if isinstance(value, float):
        if not math.isfinite(value):
            return {"number": str(value)}
        value = Decimal(repr(value))
    elif isinstance(value, Decimal) and not value.is_finite():
        return {"number": str(value)}
    if value == int(value):
        return int(value)
    return {"number": format(Decimal(value).normalize(), "f")}
