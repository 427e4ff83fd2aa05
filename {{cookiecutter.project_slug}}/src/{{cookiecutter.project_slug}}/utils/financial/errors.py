# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What can be wrong with an amount; each becomes a problem document (RFC 9457) with status 422."""

from ...core.errors import ServiceError


class MoneyError(ServiceError, ValueError):
    """Base of the errors of this package; a `ValueError`, so that pydantic reports it as its own."""

    status = 422
    title = "Invalid amount of money"


class InvalidAmountError(MoneyError):
    """The amount is no exact number of the currency's minor units, or too large."""


class UnknownCurrencyError(MoneyError):
    """The code is not an ISO 4217 currency in which amounts can be written."""

    title = "Unknown currency"


class CurrencyMismatchError(MoneyError):
    """Amounts in different currencies were added, compared or divided."""

    title = "Currencies differ"


class UnknownLocaleError(MoneyError):
    """There is no such locale in the Unicode CLDR."""

    title = "Unknown locale"
