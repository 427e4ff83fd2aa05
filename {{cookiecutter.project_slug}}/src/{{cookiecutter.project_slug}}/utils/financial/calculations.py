# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rounding, percentages and sharing out."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from ._exact import scaled
from .currency import currency_of
from .errors import InvalidAmountError
from .money import Money
from .rounding import Rounding, divide_rounded

MAX_PARTS = 10_000
"""The most parts that an amount is shared out into at once."""


def round_currency(
    amount: Decimal | int, currency: str, *, rounding: Rounding = Rounding.BANKERS
) -> Money:
    """Return the nearest amount that the currency can hold.

    Raises:
        InvalidAmountError: When the number is not finite or has too many digits.
        UnknownCurrencyError: When there is no such currency.
        TypeError: For a float.
    """
    digits = currency_of(currency).digits
    number, decimals = scaled(amount)
    units = divide_rounded(number * 10**digits, 10**decimals, rounding)
    return Money.from_minor_units(units, currency)


def calculate_percentage(
    amount: Money, percentage: Decimal | int, *, rounding: Rounding = Rounding.BANKERS
) -> Money:
    """Return a percentage of an amount: 19 % of EUR 10.00 are EUR 1.90.

    Raises:
        InvalidAmountError: When the percentage is not finite or has too many digits.
        TypeError: For a float.
    """
    number, decimals = scaled(percentage)
    units = divide_rounded(amount.minor_units * number, 10 ** (decimals + 2), rounding)
    return Money.from_minor_units(units, amount.currency, historic=True)


def allocate(amount: Money, into: int | Sequence[Decimal | int]) -> list[Money]:
    """Share an amount out, exactly: the parts always add up to it.

    Each part is its exact share rounded down (toward zero), and the minor units that are left over
    go one each to the parts that lost most, the first of equals first (largest remainder, or
    Hamilton's method).

    Args:
        amount: What is shared out; may be negative.
        into: A number of equal parts, or the ratios of the parts, as in `[50, 30, 20]`.

    Raises:
        InvalidAmountError: For no parts, more than 10,000, negative ratios, or ratios that are all
            zero.
    """
    if isinstance(into, int):
        _check_parts(into)
        ratios = [1] * into
    else:
        _check_parts(len(into))
        ratios = _whole(into)
    whole = sum(ratios)
    if not whole:
        raise InvalidAmountError("At least one ratio is above zero.")
    sign = -1 if amount.minor_units < 0 else 1
    shares = [divmod(abs(amount.minor_units) * ratio, whole) for ratio in ratios]
    parts = [share for share, _ in shares]
    left = abs(amount.minor_units) - sum(parts)
    by_loss = sorted(range(len(shares)), key=lambda index: -shares[index][1])  # sorting is stable
    for index in by_loss[:left]:
        parts[index] += 1
    code = amount.currency
    return [Money.from_minor_units(sign * part, code, historic=True) for part in parts]


def _check_parts(count: int) -> None:
    if not 1 <= count <= MAX_PARTS:
        raise InvalidAmountError(f"An amount is shared out into 1 to {MAX_PARTS} parts.")


def _whole(ratios: Sequence[Decimal | int]) -> list[int]:
    """Return integers in the same ratios."""
    numbers = [scaled(ratio) for ratio in ratios]
    if any(number < 0 for number, _ in numbers):
        raise InvalidAmountError("Ratios are not negative.")
    finest = max(decimals for _, decimals in numbers)
    return [number * 10 ** (finest - decimals) for number, decimals in numbers]
