# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Numbers from callers as exact integers, within bounds that hostile input can't stretch.

Nothing here or in the modules beside it computes with `Decimal`, so the precision, rounding and
traps of the process's decimal context have no say: everything is integer arithmetic.
"""

from __future__ import annotations

import re
from decimal import Decimal

from .errors import InvalidAmountError

MAX_DIGITS = 36
"""The most digits an amount has, counted in minor units; it fits a NUMERIC(38) column."""

LIMIT = 10**MAX_DIGITS

AMOUNT_PATTERN = r"^-?(0|[1-9][0-9]{0,35})(\.[0-9]{1,4})?$"
"""An amount as text: no exponent, sign only when negative, no leading zeros, a point."""

MAX_TEXT = 1 + MAX_DIGITS + 1 + 4

_AMOUNT = re.compile(AMOUNT_PATTERN.rstrip("$"))
_MAX_FACTOR_DIGITS = 60


def scaled(value: Decimal | int) -> tuple[int, int]:
    """Return a number as (integer, decimals): `1.50` is `(150, 2)`.

    Raises:
        TypeError: For a float or another type.
        InvalidAmountError: When it is not finite, or has more than 60 digits before or after the
            point.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        if value.bit_length() > 199:  # 10**60 has 200 bits
            raise InvalidAmountError(f"A number has at most {_MAX_FACTOR_DIGITS} digits.")
        return value, 0
    if not isinstance(value, Decimal):
        raise TypeError(wrong_type(value))
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        raise InvalidAmountError("NaN and Infinity are no amounts.")
    if not any(digits):
        return 0, 0
    if len(digits) > _MAX_FACTOR_DIGITS or abs(exponent) > _MAX_FACTOR_DIGITS:
        raise InvalidAmountError(f"A number has at most {_MAX_FACTOR_DIGITS} digits.")
    whole = int(Decimal((sign, digits, 0)))
    return (whole, -exponent) if exponent < 0 else (whole * 10**exponent, 0)


def wrong_type(value: object) -> str:
    """Return why a value of this type can't be an amount or a factor."""
    if isinstance(value, float):
        return "A float can't hold most amounts exactly: pass a Decimal, an int or a string."
    return f"Pass a Decimal or an int, not a value of type {type(value).__name__}."


def minor_units(amount: Decimal | int | str, digits: int, code: str) -> int:
    """Return an amount in whole minor units of a currency that has so many decimals.

    A text may not have more decimals than the currency, not even zeros: `10.000` in EUR is ten
    thousand to some writers. A `Decimal` may, as databases pad them.
    """
    if isinstance(amount, str):
        if len(amount) > MAX_TEXT or not _AMOUNT.fullmatch(amount):
            raise InvalidAmountError('Write an amount as digits with a point, as in "1234.50".')
        decimals = len(amount.partition(".")[2])
        if decimals > digits:
            raise InvalidAmountError(_too_fine(code, digits))
        units = int(amount.replace(".", "")) * 10 ** (digits - decimals)
    else:
        number, decimals = scaled(amount)
        if decimals <= digits:
            units = number * 10 ** (digits - decimals)
        else:
            units, rest = divmod(number, 10 ** (decimals - digits))
            if rest:
                raise InvalidAmountError(_too_fine(code, digits))
    return bounded(units)


def bounded(units: int) -> int:
    """Return minor units, unless they have more digits than an amount may have."""
    if not -LIMIT < units < LIMIT:
        raise InvalidAmountError(f"An amount has at most {MAX_DIGITS} digits.")
    return units


def _too_fine(code: str, digits: int) -> str:
    decimals = f"at most {digits} decimals" if digits else "no decimals"
    return f"An amount in {code} has {decimals}."
