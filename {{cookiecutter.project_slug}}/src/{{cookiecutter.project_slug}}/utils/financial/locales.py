# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Amounts as people write them, with the separators of their locale (Unicode CLDR, by babel)."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from ._exact import MAX_TEXT
from .currency import Currency, currency_of
from .errors import InvalidAmountError, UnknownLocaleError
from .money import Money

_MAX_TEXT = 2 * MAX_TEXT + 5
"""The longest amount, with a separator for every digit, a code and a sign."""

_MAX_LOCALE = 35
"""The longest name that RFC 5646 asks software to accept."""

_CODE_AND_NUMBER = re.compile(
    r"(?:(?P<before>[A-Z]{3}) ?)?(?P<sign>-?)(?P<number>[0-9](?:[^A-Z-]*[0-9])?)"
    r"(?: ?(?P<after>[A-Z]{3}))?"
)
_LOOKS = str.maketrans({"\u00a0": " ", "\u202f": " ", "\u2009": " ", "\u2019": "'", "\u2212": "-"})
"""Characters that look the same on paper, and so mean the same here."""


class _Separators(NamedTuple):
    group: str
    decimal: str
    first_group: int
    more_groups: int


def format_audit_amount(
    amount: Money | Decimal | int, currency: str | None = None, locale: str = "en"
) -> str:
    """Return an amount as a record shows it: `EUR 1,234.50`.

    The code stands for the currency, as a symbol such as $ does not say which dollar; all decimals
    of the currency are there; digits are 0 to 9 and the sign is a hyphen in every locale. The locale
    chooses the separators. `parse_money` reads it back.

    Args:
        amount: The amount, or its number in major units.
        currency: Its ISO 4217 code, when the amount is a number.
        locale: As in `en`, `de_CH` or `pt-BR`.

    Raises:
        InvalidAmountError: When the currency has fewer decimals than the number; nothing is rounded.
        UnknownCurrencyError: When there is no such currency.
        UnknownLocaleError: When there is no such locale.
        TypeError: For a float, a number without a currency, or money with another currency's code.
    """
    if not isinstance(amount, Money):
        if currency is None:
            raise TypeError("A number needs its currency: format_audit_amount(amount, currency).")
        amount = Money(amount, currency)
    elif currency not in {None, amount.currency}:
        raise TypeError(f"The amount is in {amount.currency}, not in {currency}.")
    separators = _separators(locale)
    whole, point, fraction = amount.amount_text.lstrip("-").partition(".")
    sign = "-" if amount.minor_units < 0 else ""
    decimals = point and separators.decimal + fraction
    return f"{amount.currency} {sign}{_grouped(whole, separators)}{decimals}"


def parse_money(text: str, currency: str | None = None, *, locale: str) -> Money:
    """Return the amount that somebody wrote, or refuse what could mean another one.

    The code may stand before or after the number. Separators are the locale's, where they belong or
    not at all: `1,5` is no English number, `1.234` no German one in a currency with three decimals
    (it may be meant as `1,234`), `0,123` no grouping. Symbols are not accepted: too many countries
    have a $.

    Args:
        text: As in `EUR 1.234,50`, `1.234,50` or `-3 CHF`.
        currency: The code that is expected; needed when the text has none.
        locale: The writer's, as in `de`; there is no default, since the separators depend on it.

    Raises:
        InvalidAmountError: When it is no amount, or not only one.
        UnknownCurrencyError: When there is no such currency.
        UnknownLocaleError: When there is no such locale.
    """
    separators = _separators(locale)
    found = None
    if len(text) <= _MAX_TEXT:
        found = _CODE_AND_NUMBER.fullmatch(text.strip().translate(_LOOKS))
    if found is None:
        example = format_audit_amount(Money("1234.50", "EUR"), locale=locale)
        raise InvalidAmountError(f"Write an amount as in {example}.")
    known = currency_of(_the_code(found["before"], found["after"], currency))
    whole, fraction = _digits(found["number"], known, separators)
    return Money(f"{found['sign']}{whole}{'.' if fraction else ''}{fraction}", known.code)


def _the_code(*codes: str | None) -> str:
    named = {code for code in codes if code}
    if not named:
        raise InvalidAmountError("Write the currency's code with the amount, as in EUR 5.")
    if len(named) > 1:
        raise InvalidAmountError("The amount is in one currency and another one is expected.")
    return named.pop()


def _digits(number: str, currency: Currency, separators: _Separators) -> tuple[str, str]:
    """Return the digits before and after the decimal separator."""
    group, decimal = separators.group.translate(_LOOKS), separators.decimal.translate(_LOOKS)
    written, point, fraction = number.partition(decimal)
    whole = written.replace(group, "")
    if not (whole.isdecimal() and whole.isascii() and (not point or fraction.isdecimal())):
        raise InvalidAmountError(f"Separate thousands by {group!r} and decimals by {decimal!r}.")
    if len(whole) > 1 and whole.startswith("0"):
        raise InvalidAmountError("An amount does not begin with a needless zero.")
    if written not in {whole, _grouped(whole, separators).translate(_LOOKS)}:
        raise InvalidAmountError(f"A {group!r} stands before each group of digits, or none does.")
    # With three decimals or more, a lone separator could be the writer's decimal one.
    lone = group in {".", ","} and written.count(group) == 1 and not point
    if lone and currency.digits >= 3:
        raise InvalidAmountError(
            f"{number} could mean two amounts in {currency.code}: write the decimals, or no {group!r}."
        )
    return whole, fraction


def _grouped(whole: str, separators: _Separators) -> str:
    """Return digits with the locale's separators between groups."""
    group, _, first, more = separators
    parts = [whole[-first:]]
    rest = whole[:-first]
    while rest:
        parts.append(rest[-more:])
        rest = rest[:-more]
    return group.join(reversed(parts))


@lru_cache(maxsize=64)  # of about 1,000 locales
def _separators(locale: str) -> _Separators:
    # Deferred: babel and the data of the first locale take 50 ms of CPU.
    from babel.core import Locale  # noqa: PLC0415  # see the comment above
    from babel.core import UnknownLocaleError as NotInCldrError  # noqa: PLC0415  # the same
    from babel.numbers import get_decimal_symbol, get_group_symbol  # noqa: PLC0415  # the same

    try:
        # Longer names are no locales, and babel would look for each part of them in its files.
        known = Locale.parse(locale.replace("-", "_") if len(locale) <= _MAX_LOCALE else "")
    except (ValueError, TypeError, NotInCldrError):
        message = "The locale is not one of the Unicode CLDR, such as de_CH."
        raise UnknownLocaleError(message) from None
    first, more = known.decimal_formats[None].grouping
    return _Separators(get_group_symbol(known), get_decimal_symbol(known), first, more)
