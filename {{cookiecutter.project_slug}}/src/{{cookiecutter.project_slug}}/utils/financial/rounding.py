# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How an exact amount becomes a whole number of minor units."""

from __future__ import annotations

from enum import StrEnum


class Rounding(StrEnum):
    """What happens to exactly half a minor unit; everything else goes to the nearest.

    Attributes:
        BANKERS: To the even neighbour, so that many roundings do not drift (IEEE 754).
        COMMERCIAL: Away from zero, as on invoices (DIN 1333).
    """

    BANKERS = "bankers"
    COMMERCIAL = "commercial"


def divide_rounded(numerator: int, denominator: int, rounding: Rounding) -> int:
    """Return a quotient as the nearest integer; the denominator is positive."""
    quotient, rest = divmod(abs(numerator), denominator)
    twice = 2 * rest
    half_goes_up = rounding is Rounding.COMMERCIAL or quotient % 2 == 1
    if twice > denominator or (twice == denominator and half_goes_up):
        quotient += 1
    return quotient if numerator >= 0 else -quotient
