# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Currencies and the decimals of their minor units (ISO 4217)."""

from __future__ import annotations

from dataclasses import dataclass

from ._iso4217 import ACTIVE, WITHDRAWN, WITHOUT_MINOR_UNIT
from .errors import UnknownCurrencyError


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217; get one from `currency_of`.

    Attributes:
        code: The three letters, as in `EUR`.
        digits: Decimals of an amount: 2 for EUR, 0 for JPY, 3 for KWD, 4 for CLF.
        withdrawn: The year in which it ceased to be legal tender; None while it is.
    """

    code: str
    digits: int
    withdrawn: int | None = None


_CURRENCIES = {
    code: Currency(code, digits) for digits, codes in ACTIVE.items() for code in codes.split()
} | {
    entry[:3]: Currency(entry[:3], digits, int(entry[4:]))
    for digits, entries in WITHDRAWN.items()
    for entry in entries.split()
}


def currency_of(code: str, *, historic: bool = False) -> Currency:
    """Return the currency of a code.

    Args:
        code: Three capital letters.
        historic: Accept a currency that was withdrawn, for amounts recorded while it was not.

    Raises:
        UnknownCurrencyError: When amounts can't be written in it; the text says why.
    """
    found = _CURRENCIES.get(code) if isinstance(code, str) else None
    if found is None:
        raise UnknownCurrencyError(_why_unknown(code))
    if found.withdrawn is not None and not historic:
        raise UnknownCurrencyError(
            f"{code} was withdrawn in {found.withdrawn}, so no new amounts are accepted in it."
        )
    return found


def _why_unknown(code: object) -> str:
    if not isinstance(code, str):
        return f"A currency is a code of three letters, not {type(code).__name__}."
    if code in WITHOUT_MINOR_UNIT:
        meaning = WITHOUT_MINOR_UNIT[code]
        return f"{code} has no minor unit (it stands for {meaning}), so it can't hold an amount."
    if len(code) == 3 and code.upper() in _CURRENCIES:
        return f"Currency codes are capital letters: write {code.upper()}."
    shown = repr(code) if len(code) <= 12 and code.isprintable() else "This"
    return f"{shown} is not a currency code of ISO 4217, such as EUR."
