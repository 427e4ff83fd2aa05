# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Money that is never wrong by a cent: exact amounts in ISO 4217 currencies."""

from ._schema import PositiveMoney
from .calculations import allocate, calculate_percentage, round_currency
from .currency import Currency, currency_of
from .errors import (
    CurrencyMismatchError,
    InvalidAmountError,
    MoneyError,
    UnknownCurrencyError,
    UnknownLocaleError,
)
from .locales import format_audit_amount, parse_money
from .money import Money
from .rounding import Rounding

__all__ = [
    "Currency",
    "CurrencyMismatchError",
    "InvalidAmountError",
    "Money",
    "MoneyError",
    "PositiveMoney",
    "Rounding",
    "UnknownCurrencyError",
    "UnknownLocaleError",
    "allocate",
    "calculate_percentage",
    "currency_of",
    "format_audit_amount",
    "parse_money",
    "round_currency",
]
