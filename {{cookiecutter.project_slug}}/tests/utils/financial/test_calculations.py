# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rounding, percentages and sharing out, against an exact rational model."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.utils.financial import (
    InvalidAmountError,
    Money,
    Rounding,
    allocate,
    calculate_percentage,
    currency_of,
    round_currency,
)

FLOAT: Any = 0.5

CODES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF"])
UNITS = st.integers(-100, 100) | st.integers(-(10**30), 10**30)
NUMBERS = st.builds(
    lambda number, exponent: Decimal(f"{number}E{exponent}"),
    st.integers(-(10**9), 10**9) | st.integers(-(10**40), 10**40),
    st.integers(-60, -30) | st.integers(-12, 6),
)
# Half minor units, where the two ways of rounding differ.
HALVES = st.integers(-(10**6), 10**6).map(lambda number: Decimal(f"{number}5E-3"))


def rounded(value: Fraction, rounding: Rounding) -> int:
    """Return the nearest integer, as the definition of each rule says."""
    below = value.numerator // value.denominator
    above = below + 1
    if value - below != above - value:
        return below if value - below < above - value else above
    if rounding is Rounding.BANKERS:
        return below if below % 2 == 0 else above
    return above if value > 0 else below


# --- rounding ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "bankers", "commercial"),
    [
        ("2.345", "EUR", "2.34", "2.35"),
        ("2.355", "EUR", "2.36", "2.36"),
        ("-2.345", "EUR", "-2.34", "-2.35"),
        ("2.3451", "EUR", "2.35", "2.35"),
        ("0.5", "JPY", "0", "1"),
        ("1.5", "JPY", "2", "2"),
        ("0.0005", "KWD", "0.000", "0.001"),
        ("0.00005", "CLF", "0.0000", "0.0001"),
        ("1E-60", "EUR", "0.00", "0.00"),
    ],
)
def test_half_goes_to_the_even_neighbour_or_away_from_zero(
    amount: str, currency: str, bankers: str, commercial: str
) -> None:
    number = Decimal(amount)
    assert round_currency(number, currency).amount_text == bankers
    assert round_currency(number, currency, rounding=Rounding.COMMERCIAL).amount_text == commercial


@settings(deadline=None)
@given(NUMBERS | HALVES, CODES, st.sampled_from(Rounding))
def test_rounding_is_that_of_the_model(amount: Decimal, code: str, rounding: Rounding) -> None:
    wanted = rounded(Fraction(amount) * 10 ** currency_of(code).digits, rounding)
    if abs(wanted) < 10**36:
        assert round_currency(amount, code, rounding=rounding).minor_units == wanted
    else:
        with pytest.raises(InvalidAmountError):
            round_currency(amount, code, rounding=rounding)


@settings(deadline=None)
@given(UNITS, CODES, NUMBERS, st.sampled_from(Rounding))
def test_percentage_is_that_of_the_model(
    units: int, code: str, percentage: Decimal, rounding: Rounding
) -> None:
    wanted = rounded(Fraction(units) * Fraction(percentage) / 100, rounding)
    money = Money.from_minor_units(units, code)
    if abs(wanted) < 10**36:
        found = calculate_percentage(money, percentage, rounding=rounding)
        assert found == Money.from_minor_units(wanted, code)
    else:
        with pytest.raises(InvalidAmountError):
            calculate_percentage(money, percentage, rounding=rounding)


def test_percentage_of_an_amount() -> None:
    assert calculate_percentage(Money("10.00", "EUR"), 19) == Money("1.90", "EUR")
    assert calculate_percentage(Money("0.50", "EUR"), 1) == Money("0.00", "EUR")
    commercial = calculate_percentage(Money("0.50", "EUR"), 1, rounding=Rounding.COMMERCIAL)
    assert commercial == Money("0.01", "EUR")


@pytest.mark.parametrize("number", [Decimal("NaN"), Decimal("Infinity"), Decimal("1E+99")])
def test_number_that_is_none_is_refused(number: Decimal) -> None:
    with pytest.raises(InvalidAmountError):
        round_currency(number, "EUR")
    with pytest.raises(InvalidAmountError):
        calculate_percentage(Money("1", "EUR"), number)
    with pytest.raises(InvalidAmountError):
        allocate(Money("1", "EUR"), [1, number])


def test_floats_are_refused() -> None:
    with pytest.raises(TypeError, match="float"):
        round_currency(FLOAT, "EUR")
    with pytest.raises(TypeError, match="float"):
        calculate_percentage(Money("1", "EUR"), FLOAT)
    with pytest.raises(TypeError, match="float"):
        allocate(Money("1", "EUR"), [FLOAT, FLOAT])


# --- sharing out ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "into", "parts"),
    [
        ("0.05", 3, ["0.02", "0.02", "0.01"]),
        ("100.00", 3, ["33.34", "33.33", "33.33"]),
        ("-0.05", 3, ["-0.02", "-0.02", "-0.01"]),
        ("0.00", 2, ["0.00", "0.00"]),
        ("0.05", [3, 7], ["0.02", "0.03"]),
        ("0.05", [7, 3], ["0.04", "0.01"]),
        ("1.00", [0, 1, 0], ["0.00", "1.00", "0.00"]),
        ("0.10", [Decimal("0.5"), Decimal("0.25"), Decimal("0.25")], ["0.05", "0.03", "0.02"]),
        ("0.10", [Decimal("33.3"), Decimal("66.7")], ["0.03", "0.07"]),
    ],
)
def test_what_is_left_over_goes_to_those_who_lost_most(
    amount: str, into: int | list[Decimal | int], parts: list[str]
) -> None:
    assert [part.amount_text for part in allocate(Money(amount, "EUR"), into)] == parts


RATIOS = st.lists(
    st.integers(0, 100) | st.integers(0, 10**30) | st.decimals("0", "1000", places=4),
    min_size=1,
    max_size=30,
).filter(any)


@settings(deadline=None)
@given(UNITS, CODES, RATIOS)
def test_parts_add_up_and_are_within_one_minor_unit_of_their_share(
    units: int, code: str, ratios: list[Decimal | int]
) -> None:
    money = Money.from_minor_units(units, code)
    parts = allocate(money, ratios)
    assert Money.total(parts, code) == money
    whole = sum(map(Fraction, ratios))
    remainders = []
    for part, ratio in zip(parts, ratios, strict=True):
        share = abs(units) * Fraction(ratio) / whole
        extra = abs(part.minor_units) - share.numerator // share.denominator
        assert extra in {0, 1}
        assert ratio or not part
        assert part.minor_units * units >= 0
        remainders.append((share - share.numerator // share.denominator, extra))
    # Nobody who lost less got the minor unit that somebody who lost more did not get.
    assert min((r for r, extra in remainders if extra), default=1) >= max(
        (r for r, extra in remainders if not extra), default=0
    )
    assert allocate(money, ratios) == parts


@settings(deadline=None)
@given(UNITS, CODES, st.integers(1, 200))
def test_equal_parts_differ_by_one_minor_unit_at_most(units: int, code: str, count: int) -> None:
    parts = [part.minor_units for part in allocate(Money.from_minor_units(units, code), count)]
    assert (len(parts), sum(parts)) == (count, units)
    assert max(parts) - min(parts) <= 1
    assert parts == sorted(parts, key=abs, reverse=True)


@pytest.mark.parametrize(
    "into", [0, -1, 10_001, 10**30, [], [0, 0], [1, -1], [Decimal("-0.1"), 1], [1] * 10_001]
)
def test_impossible_parts_are_refused(into: int | list[Decimal | int]) -> None:
    with pytest.raises(InvalidAmountError):
        allocate(Money("1", "EUR"), into)


def test_amount_in_a_withdrawn_currency_can_still_be_worked_with() -> None:
    old = Money("0.05", "DEM", historic=True)
    assert sum(allocate(old, 2)) == old
    assert calculate_percentage(old, 100) == old
