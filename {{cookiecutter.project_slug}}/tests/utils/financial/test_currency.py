# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which currencies amounts may be in, and how many decimals they have."""

from __future__ import annotations

import pytest
from babel import Locale
from babel.core import get_global

from {{ cookiecutter.project_slug }}.utils.financial import (
    Currency,
    UnknownCurrencyError,
    currency_of,
)
from {{ cookiecutter.project_slug }}.utils.financial._iso4217 import (
    ACTIVE,
    WITHDRAWN,
    WITHOUT_MINOR_UNIT,
)

ACTIVE_CODES = {code for codes in ACTIVE.values() for code in codes.split()}
WITHDRAWN_YEARS = {
    entry[:3]: int(entry[4:]) for entries in WITHDRAWN.values() for entry in entries.split()
}


@pytest.mark.parametrize(
    ("code", "digits"),
    [("EUR", 2), ("JPY", 0), ("KWD", 3), ("IQD", 3), ("CLF", 4), ("UYW", 4), ("HUF", 2)],
)
def test_decimals_are_those_of_the_standard(code: str, digits: int) -> None:
    assert currency_of(code) == Currency(code, digits)


def test_every_code_is_in_one_table() -> None:
    assert not ACTIVE_CODES & WITHDRAWN_YEARS.keys()
    assert not (ACTIVE_CODES | WITHDRAWN_YEARS.keys()) & WITHOUT_MINOR_UNIT.keys()
    assert (len(ACTIVE_CODES), len(WITHOUT_MINOR_UNIT)) == (165, 13)


def test_cldr_knows_every_code() -> None:
    # XAD came with amendment 179 (May 2025), after the CLDR release that babel 2.18 has.
    known = {*Locale("en").currencies, "XAD"}
    assert ACTIVE_CODES | WITHDRAWN_YEARS.keys() | WITHOUT_MINOR_UNIT.keys() <= known


def test_withdrawn_currencies_left_when_cldr_says() -> None:
    tender: dict[str, list[object]] = {}
    for uses in get_global("territory_currencies").values():
        for code, _, end, _ in uses:
            tender.setdefault(code, []).append(end and end[0])
    # The lev left list one on 2026-01-01, after the CLDR release that babel 2.18 has.
    wrong = {
        code: (year, tender[code])
        for code, year in WITHDRAWN_YEARS.items()
        if code != "BGN" and year not in tender[code]
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("XXX", "XXX has no minor unit (it stands for no currency at all)"),
        ("XTS", "XTS has no minor unit"),
        ("XAU", "an ounce of gold"),
        ("DEM", "DEM was withdrawn in 2002"),
        ("BGN", "BGN was withdrawn in 2026"),
        ("eur", "write EUR"),
        ("EURO", "'EURO' is not a currency code"),
        ("", "'' is not a currency code"),
        ("E\x00R", "This is not a currency code"),
        ("X" * 10_000, "This is not a currency code"),
        (978, "not int"),
        (None, "not NoneType"),
    ],
)
def test_what_is_no_currency_is_refused_with_the_reason(code: str, why: str) -> None:
    with pytest.raises(UnknownCurrencyError) as refused:
        currency_of(code)
    assert why in str(refused.value)


def test_withdrawn_currency_is_for_old_amounts_only() -> None:
    assert currency_of("ITL", historic=True) == Currency("ITL", 0, 2002)
    with pytest.raises(UnknownCurrencyError):
        currency_of("XXX", historic=True)
