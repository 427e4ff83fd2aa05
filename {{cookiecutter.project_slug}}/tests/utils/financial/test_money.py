# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Amounts: exact, of one currency, and the same as an exact rational model."""

from __future__ import annotations

import copy
import operator
import pickle
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.utils.financial import (
    CurrencyMismatchError,
    InvalidAmountError,
    Money,
    MoneyError,
    Rounding,
    UnknownCurrencyError,
    currency_of,
)

FLOAT: Any = 10.5
THREE: Any = 3

UNITS = st.integers(-(10**12), 10**12) | st.integers(-(10**35), 10**35)
CODES = st.sampled_from(["EUR", "USD", "JPY", "KWD", "CLF"])
MONEY = st.builds(Money.from_minor_units, UNITS, CODES)
FACTORS = st.builds(
    lambda number, exponent: Decimal(f"{number}E{exponent}"),
    st.integers(-(10**12), 10**12),
    st.integers(-12, 0),
)


def exact(money: Money) -> Fraction:
    """Return an amount as the model sees it: a rational number of major units."""
    return Fraction(money.minor_units, 10 ** currency_of(money.currency).digits)


# --- what an amount is ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("amount", "currency", "units", "text"),
    [
        ("10.5", "EUR", 1050, "10.50"),
        ("-0.01", "EUR", -1, "-0.01"),
        ("-0", "EUR", 0, "0.00"),
        (Decimal("10.5000"), "EUR", 1050, "10.50"),
        (Decimal("1E+3"), "EUR", 100_000, "1000.00"),
        (Decimal("0E-999"), "EUR", 0, "0.00"),
        (7, "JPY", 7, "7"),
        (-7, "KWD", -7000, "-7.000"),
        (Decimal("0.0001"), "CLF", 1, "0.0001"),
        ("9" * 36, "JPY", 10**36 - 1, "9" * 36),
    ],
)
def test_amount_is_a_whole_number_of_minor_units(
    amount: Decimal | int | str, currency: str, units: int, text: str
) -> None:
    money = Money(amount, currency)
    assert (money.minor_units, money.amount_text) == (units, text)
    assert f"{money}" == f"{currency} {text}"
    assert str(money.amount) == text
    assert money == Money.from_minor_units(units, currency)


@pytest.mark.parametrize(
    ("amount", "currency", "why"),
    [
        ("10.505", "EUR", "at most 2 decimals"),
        ("10.500", "EUR", "at most 2 decimals"),
        (Decimal("10.505"), "EUR", "at most 2 decimals"),
        ("1.0", "JPY", "no decimals"),
        (Decimal("NaN"), "EUR", "no amounts"),
        (Decimal("sNaN"), "EUR", "no amounts"),
        (Decimal("-Infinity"), "EUR", "no amounts"),
        ("NaN", "EUR", "digits with a point"),
        ("1e5", "EUR", "digits with a point"),
        ("1,000.00", "EUR", "digits with a point"),
        (" 1", "EUR", "digits with a point"),
        ("1_000", "EUR", "digits with a point"),
        ("+1", "EUR", "digits with a point"),
        ("01", "EUR", "digits with a point"),
        (".5", "EUR", "digits with a point"),
        ("5.", "EUR", "digits with a point"),
        ("\u0661", "EUR", "digits with a point"),
        ("", "EUR", "digits with a point"),
    ],
)
def test_what_is_no_exact_amount_is_refused(
    amount: Decimal | int | str, currency: str, why: str
) -> None:
    with pytest.raises(InvalidAmountError, match=why):
        Money(amount, currency)


@pytest.mark.parametrize(
    "amount",
    [
        "9" * 1_000_000,
        "9" * 35 + ".99",
        10**36,
        10**100_000,
        -(10**36),
        Decimal(10) ** 36,
        Decimal("1E+999999999"),
        Decimal("1E-999999999"),
        Decimal("9" * 100_000),
    ],
    ids=lambda amount: str(type(amount).__name__),
)
def test_size_is_bounded(amount: Decimal | int | str) -> None:
    with pytest.raises(InvalidAmountError):
        Money(amount, "EUR")
    if not isinstance(amount, str):
        with pytest.raises(InvalidAmountError):
            Money("10", "EUR").multiply(amount)


def test_result_that_is_too_large_is_refused() -> None:
    most = Money("9" * 36, "JPY")
    for too_much in (lambda: most + Money(1, "JPY"), lambda: most * 2, lambda: -most - most):
        with pytest.raises(InvalidAmountError, match="at most 36 digits"):
            too_much()


def test_float_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="float can't hold most amounts exactly"):
        Money(FLOAT, "EUR")
    with pytest.raises(TypeError, match="Decimal"):
        Money("10", "EUR").multiply(FLOAT)
    with pytest.raises(TypeError, match="multiply"):
        Money("10", "EUR") * FLOAT


@pytest.mark.parametrize("value", [True, None, Fraction(1, 2), [1], b"1"])
def test_other_types_are_refused(value: Any) -> None:
    for make in (Money, Money.from_minor_units):
        with pytest.raises(TypeError):
            make(value, "EUR")


def test_minor_units_are_whole() -> None:
    with pytest.raises(TypeError, match="Minor units are an int"):
        Money.from_minor_units(FLOAT, "EUR")


def test_withdrawn_currency_is_refused_for_new_amounts_and_read_for_old_ones() -> None:
    with pytest.raises(UnknownCurrencyError, match="DEM was withdrawn in 2002"):
        Money("10", "DEM")
    old = Money("10", "DEM", historic=True)
    assert pickle.loads(pickle.dumps(old)) == old  # noqa: S301  # made on the line
    assert (old + old).currency == "DEM"


def test_money_can_not_be_changed() -> None:
    money = Money("10", "EUR")
    for change in (
        lambda: setattr(money, "_units", 1),
        lambda: setattr(money, "note", "x"),
        lambda: delattr(money, "_currency"),
    ):
        with pytest.raises(AttributeError, match="can't be changed"):
            change()
    assert money == Money("10", "EUR")


def test_errors_are_value_errors_with_the_status_of_a_bad_request() -> None:
    assert issubclass(MoneyError, ValueError)
    assert MoneyError.status == 422


@settings(deadline=None)
@given(MONEY)
def test_copies_and_repr_are_equal_amounts(money: Money) -> None:
    assert pickle.loads(pickle.dumps(money)) == money  # noqa: S301  # made on the line
    assert copy.deepcopy(money) == money
    assert eval(repr(money)) == money  # noqa: S307  # of our own text
    assert Money(money.amount, money.currency) == money
    assert Money(money.amount_text, money.currency) == money
    assert hash(copy.copy(money)) == hash(money)


# --- arithmetic ----------------------------------------------------------------------------------


@settings(deadline=None)
@given(st.integers(-(10**35), 10**35), st.integers(-(10**35), 10**35), CODES)
def test_sums_differences_and_comparisons_are_those_of_the_model(
    one: int, other: int, code: str
) -> None:
    a, b = Money.from_minor_units(one, code), Money.from_minor_units(other, code)
    assert exact(a + b) == exact(a) + exact(b)
    assert exact(a - b) == exact(a) - exact(b)
    assert exact(-a) == -exact(a)
    assert +a == a
    assert exact(abs(a)) == abs(exact(a))
    assert bool(a) == bool(exact(a))
    for compare in (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge):
        assert compare(a, b) == compare(exact(a), exact(b))
    if b:
        assert a / b == exact(a) / exact(b)
    if a == b:
        assert hash(a) == hash(b)


@settings(deadline=None)
@given(st.integers(-(10**17), 10**17), CODES, st.integers(-(10**17), 10**17))
def test_multiples_are_exact(units: int, code: str, factor: int) -> None:
    money = Money.from_minor_units(units, code)
    assert exact(money * factor) == exact(factor * money) == exact(money) * factor


@settings(deadline=None)
@given(st.integers(-(10**15), 10**15), CODES, FACTORS)
def test_rounded_multiples_are_those_of_the_model(units: int, code: str, factor: Decimal) -> None:
    money = Money.from_minor_units(units, code)
    wanted = Fraction(units) * Fraction(factor)
    # round() of a Fraction is the half-even rule of Python itself.
    assert money.multiply(factor).minor_units == round(wanted)
    commercial = money.multiply(factor, rounding=Rounding.COMMERCIAL).minor_units
    away = abs(wanted) + Fraction(1, 2)
    assert commercial == (away.numerator // away.denominator) * (1 if wanted >= 0 else -1)


@settings(deadline=None)
@given(st.lists(st.integers(-(10**30), 10**30), max_size=20), CODES)
def test_total_is_that_of_the_model(units: list[int], code: str) -> None:
    amounts = [Money.from_minor_units(number, code) for number in units]
    total = Money.total(amounts, code)
    assert total.minor_units == sum(units)
    assert sum(amounts) == (total if amounts else 0)


ADDING: list[Callable[[Money, Money], object]] = [
    operator.add,
    operator.sub,
    operator.lt,
    operator.le,
    operator.gt,
    operator.ge,
    operator.truediv,
    lambda a, b: sum([a, b]),
]


@pytest.mark.parametrize("operation", ADDING)
def test_currencies_do_not_mix(operation: Callable[[Money, Money], object]) -> None:
    with pytest.raises(CurrencyMismatchError, match="EUR and USD can't be"):
        operation(Money("1", "EUR"), Money("1", "USD"))


def test_amounts_in_different_currencies_are_different() -> None:
    assert Money("1", "EUR") != Money("1", "USD")
    assert Money("0", "EUR") != 0
    assert len({Money("1", "EUR"), Money("1.00", "EUR"), Money("1", "USD")}) == 2


@pytest.mark.parametrize("operation", ADDING[:6])
def test_money_does_not_mix_with_numbers(operation: Callable[[object, object], object]) -> None:
    for number in (1, Decimal(1), 1.0):
        with pytest.raises(TypeError):
            operation(Money("1", "EUR"), number)
        with pytest.raises(TypeError):
            operation(number, Money("1", "EUR"))


def test_division_that_would_lose_a_part_is_refused_with_the_way_out() -> None:
    with pytest.raises(TypeError, match="allocate"):
        Money("1", "EUR") / THREE
    with pytest.raises(TypeError):
        Money("1", "EUR") // THREE
    with pytest.raises(ZeroDivisionError):
        Money("1", "EUR") / Money.zero("EUR")
