# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Amounts as people write them: what is written can be read, and what is ambiguous is refused."""

from __future__ import annotations

from decimal import Context, Decimal, localcontext
from typing import Any

import pytest
from babel.numbers import format_decimal
from hypothesis import given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.utils.financial import (
    InvalidAmountError,
    Money,
    MoneyError,
    UnknownCurrencyError,
    UnknownLocaleError,
    format_audit_amount,
    parse_money,
)

FLOAT: Any = 1.5

# Every way of separating and grouping, right-to-left scripts and own digits among them.
LOCALES = [
    *("en", "de", "de_CH", "de_AT", "fr", "fr_CH", "hi", "en_IN", "bn", "ar_EG", "fa", "he"),
    *("es", "pt_BR", "pt_PT", "pl", "sv", "nb", "ru", "ja", "zh", "sr_Latn", "en_ZA", "my"),
]


@pytest.mark.parametrize(
    ("amount", "currency", "locale", "text"),
    [
        ("1234.5", "EUR", "en", "EUR 1,234.50"),
        ("-1234567.5", "EUR", "de", "EUR -1.234.567,50"),
        ("1234.5", "CHF", "de-CH", "CHF 1\u2019234.50"),
        ("1234567.5", "INR", "hi", "INR 12,34,567.50"),
        ("1234.5", "EUR", "fr", "EUR 1\u202f234,50"),
        ("1234.5", "EGP", "ar_EG", "EGP 1,234.50"),
        ("1234567", "JPY", "ja", "JPY 1,234,567"),
        ("1234.5", "IQD", "en", "IQD 1,234.500"),
        ("0.5", "CLF", "es", "CLF 0,5000"),
        ("0", "USD", "en", "USD 0.00"),
    ],
)
def test_audit_amount_has_the_code_and_all_decimals(
    amount: str, currency: str, locale: str, text: str
) -> None:
    assert format_audit_amount(Money(amount, currency), locale=locale) == text
    assert format_audit_amount(Decimal(amount), currency, locale) == text


def test_audit_amount_never_rounds() -> None:
    with pytest.raises(InvalidAmountError, match="at most 2 decimals"):
        format_audit_amount(Decimal("1.005"), "EUR")


def test_audit_amount_needs_one_currency() -> None:
    with pytest.raises(TypeError, match="needs its currency"):
        format_audit_amount(Decimal(1))
    with pytest.raises(TypeError, match="is in EUR, not in USD"):
        format_audit_amount(Money("1", "EUR"), "USD")
    with pytest.raises(TypeError, match="float"):
        format_audit_amount(FLOAT, "EUR")


@pytest.mark.parametrize("locale", LOCALES)
def test_number_is_written_as_babel_writes_it(locale: str) -> None:
    number = Decimal("1234567.50")
    with localcontext(Context(prec=40)):  # babel computes in the caller's context
        expected = format_decimal(number, locale=locale, decimal_quantization=False)
    written = format_audit_amount(Money(number, "EUR"), locale=locale)
    assert written.removeprefix("EUR ").removesuffix("0") == expected


@settings(deadline=None)
@given(
    st.integers(-(10**7), 10**7) | st.integers(-(10**35), 10**35),
    st.sampled_from(["EUR", "INR", "JPY", "KWD", "CLF"]),
    st.sampled_from(LOCALES),
)
def test_what_is_written_is_read_back(units: int, code: str, locale: str) -> None:
    money = Money.from_minor_units(units, code)
    text = format_audit_amount(money, locale=locale)
    assert parse_money(text, locale=locale) == money
    assert parse_money(text.removeprefix(code), code, locale=locale) == money
    assert parse_money(f"{text[4:]} {code}", code, locale=locale) == money


@pytest.mark.parametrize(
    ("text", "locale", "amount"),
    [
        ("EUR 1,234.50", "en", "1234.50"),
        ("EUR1234.5", "en", "1234.50"),
        ("  1.234,5 EUR ", "de", "1234.50"),
        ("1.234 EUR", "de", "1234.00"),
        ("1 234,50 EUR", "fr", "1234.50"),
        ("1\u00a0234,50EUR", "fr", "1234.50"),
        ("EUR 1'234.50", "de_CH", "1234.50"),
        ("EUR \u2212" + "5", "sv", "-5.00"),
        ("EUR -0.00", "en", "0.00"),
        ("EUR 12,34,567", "en-IN", "1234567.00"),
    ],
)
def test_amount_is_read_as_its_locale_writes_it(text: str, locale: str, amount: str) -> None:
    assert parse_money(text, locale=locale) == Money(amount, "EUR")


@pytest.mark.parametrize(
    ("text", "locale"),
    [
        ("1,5", "en"),  # a decimal comma
        ("1.5", "de"),
        ("0,123", "en"),
        ("1,2345.00", "en"),
        ("1,23,456.00", "en"),
        ("1,234,567", "hi"),
        ("1.234.5", "en"),
        ("1,234.50.00", "en"),
        ("1.234,50", "en"),
        ("1,,234", "en"),
        ("1 234", "en"),
        ("1.234", "en"),  # three decimals of a currency that has two
        ("12 34,50", "fr"),
        ("007", "en"),
        ("5.", "en"),
        (".5", "en"),
        ("+5", "en"),
        ("--5", "en"),
        ("5-", "en"),
        ("(5.00)", "en"),
        ("1e5", "en"),
        ("1_000", "en"),
        ("0x10", "en"),
        ("NaN", "en"),
        ("\u0661\u0662", "ar_EG"),
        ("1\u0662", "en"),
        ("\uff11", "en"),
        ("\u200e5", "he"),
        ("5\n5", "en"),
        ("$5", "en"),
        ("5 \u20ac", "de"),
        ("eur 5", "en"),
        ("5 %", "en"),
        ("", "en"),
        ("EUR", "en"),
        ("1" * 37, "en"),
        ("1" * 1_000_000, "en"),
        ("1," * 1_000_000 + "111", "en"),
    ],
    ids=lambda value: repr(value[:16]),
)
def test_what_could_mean_another_amount_is_refused(text: str, locale: str) -> None:
    with pytest.raises(MoneyError):
        parse_money(text, "EUR", locale=locale)


@pytest.mark.parametrize(("text", "locale"), [("1,234", "en"), ("1.234", "de"), ("12.345", "es")])
def test_lone_separator_in_a_currency_with_three_decimals_is_refused(
    text: str, locale: str
) -> None:
    with pytest.raises(InvalidAmountError, match="could mean two amounts in KWD"):
        parse_money(text, "KWD", locale=locale)


def test_code_is_needed_once() -> None:
    assert parse_money("5", "EUR", locale="en") == parse_money("EUR 5 EUR", "EUR", locale="en")
    with pytest.raises(InvalidAmountError, match="Write the currency's code"):
        parse_money("5", locale="en")
    for text, currency in (("EUR 5", "USD"), ("EUR 5 USD", None), ("5 EUR", "USD")):
        with pytest.raises(InvalidAmountError, match="another one is expected"):
            parse_money(text, currency, locale="en")


def test_new_amount_is_not_read_in_a_withdrawn_currency() -> None:
    for text in ("DEM 5", "XXX 5", "ABC 5"):
        with pytest.raises(UnknownCurrencyError):
            parse_money(text, locale="en")


@pytest.mark.parametrize(
    "locale", ["", "xx", "../../etc/passwd", "en_US_POSIX_x" * 100, "e\x00n", "de_ZZ_1", "root\n"]
)
def test_what_is_no_locale_is_refused(locale: str) -> None:
    with pytest.raises(UnknownLocaleError):
        parse_money("EUR 5", locale=locale)


@settings(deadline=None)
@given(st.text("0123456789.,' -EURJPY\u00a0", max_size=24), st.sampled_from(LOCALES))
def test_text_is_an_amount_that_writes_back_or_refused(text: str, locale: str) -> None:
    try:
        money = parse_money(text, locale=locale)
    except MoneyError:
        return
    digits = "".join(character for character in text if character.isdecimal())
    assert str(abs(money.minor_units)).strip("0") == digits.strip("0")
    assert parse_money(format_audit_amount(money, locale=locale), locale=locale) == money
