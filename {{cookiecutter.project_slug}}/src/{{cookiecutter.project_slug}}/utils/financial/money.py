# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""`Money`: an exact amount in one currency."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, NoReturn, final

from . import _exact
from .currency import Currency, currency_of
from .errors import CurrencyMismatchError
from .rounding import Rounding, divide_rounded

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler
    from pydantic_core import CoreSchema

_set = object.__setattr__


@final
class Money:
    """An immutable amount: a whole number of a currency's minor units.

    Amounts of one currency add, subtract, compare and sum; an int multiplies them. What would need
    rounding is said by name: `multiply`, `round_currency`, `calculate_percentage`; what would lose
    a cent is not offered: an amount is shared out with `allocate`.
    """

    __slots__ = ("_currency", "_units")
    _currency: Currency
    _units: int

    def __init__(
        self, amount: Decimal | int | str, currency: str, *, historic: bool = False
    ) -> None:
        """Make an amount from its number in major units: `Money("10.50", "EUR")`.

        Args:
            amount: A Decimal, an int, or a text such as "-1234.50".
            currency: Its ISO 4217 code.
            historic: Accept a withdrawn currency, for an amount that was recorded long ago.

        Raises:
            InvalidAmountError: When the currency has fewer decimals, the number has more than 36
                digits or is not finite.
            UnknownCurrencyError: When there is no such currency, or no longer.
            TypeError: For a float.
        """
        known = currency_of(currency, historic=historic)
        _set(self, "_units", _exact.minor_units(amount, known.digits, known.code))
        _set(self, "_currency", known)

    @classmethod
    def from_minor_units(cls, units: int, currency: str, *, historic: bool = False) -> Money:
        """Return an amount from a number of minor units, as in 1050 cents."""
        if not isinstance(units, int) or isinstance(units, bool):
            raise TypeError(f"Minor units are an int, not {type(units).__name__}.")
        return _make(units, currency_of(currency, historic=historic))

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return no money, in a currency."""
        return _make(0, currency_of(currency))

    @classmethod
    def total(cls, amounts: Iterable[Money], currency: str) -> Money:
        """Return the sum of amounts that are all in this currency; zero when there are none."""
        return sum(amounts, cls.zero(currency))

    @property
    def amount(self) -> Decimal:
        """The amount in major units, with all decimals of the currency."""
        return Decimal(self.amount_text)

    @property
    def amount_text(self) -> str:
        """The amount in major units as text, as in `-1234.50`: what JSON holds."""
        digits = self._currency.digits
        text = f"{abs(self._units):0{digits + 1}}"
        sign = "-" if self._units < 0 else ""
        return f"{sign}{text[:-digits]}.{text[-digits:]}" if digits else sign + text

    @property
    def minor_units(self) -> int:
        """The amount in minor units, as in 1050 cents."""
        return self._units

    @property
    def currency(self) -> str:
        """The ISO 4217 code."""
        return self._currency.code

    def multiply(self, factor: Decimal | int, *, rounding: Rounding = Rounding.BANKERS) -> Money:
        """Return the amount times a factor, rounded to the currency's minor unit."""
        number, decimals = _exact.scaled(factor)
        return _make(divide_rounded(self._units * number, 10**decimals, rounding), self._currency)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("Money can't be changed; make a new amount.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("Money can't be changed; make a new amount.")

    def __reduce__(self) -> tuple[Callable[[int, str], Money], tuple[int, str]]:
        return _restore, (self._units, self._currency.code)

    def __repr__(self) -> str:
        return f"Money({self.amount_text!r}, {self.currency!r})"

    def __str__(self) -> str:
        return f"{self.currency} {self.amount_text}"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __hash__(self) -> int:
        return hash((self._units, self._currency.code))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Money):
            return NotImplemented
        return self._units == other._units and self._currency == other._currency

    def __lt__(self, other: Money) -> bool:
        return self._units < self._same(other, "compared")

    def __le__(self, other: Money) -> bool:
        return self._units <= self._same(other, "compared")

    def __gt__(self, other: Money) -> bool:
        return self._units > self._same(other, "compared")

    def __ge__(self, other: Money) -> bool:
        return self._units >= self._same(other, "compared")

    def __bool__(self) -> bool:
        return self._units != 0

    def __neg__(self) -> Money:
        return _make(-self._units, self._currency)

    def __pos__(self) -> Money:
        return self

    def __abs__(self) -> Money:
        return _make(abs(self._units), self._currency)

    def __add__(self, other: Money) -> Money:
        return _make(self._units + self._same(other, "added"), self._currency)

    def __radd__(self, other: int) -> Money:
        # 0 is what sum() starts with, and what it returns of no amounts; `Money.total` does not.
        if type(other) is int and other == 0:
            return self
        raise TypeError(_needs_money("added", other))

    def __sub__(self, other: Money) -> Money:
        return _make(self._units - self._same(other, "subtracted"), self._currency)

    def __mul__(self, factor: int) -> Money:
        if not isinstance(factor, int) or isinstance(factor, bool):
            raise TypeError(
                "Money times anything but an int needs rounding: use multiply(factor, rounding=...)"
                f" with a Decimal, not * with {type(factor).__name__}."
            )
        return self.multiply(factor)

    __rmul__ = __mul__

    def __truediv__(self, other: Money) -> Fraction:
        """Return the exact ratio of two amounts."""
        if not isinstance(other, Money):
            raise TypeError(
                "Dividing money would lose a part of it: use allocate(amount, parts) to share it"
                " out, or multiply by a Decimal to scale it."
            )
        return Fraction(self._units, self._same(other, "divided"))

    def _same(self, other: object, done: str) -> int:
        """Return the minor units of an amount in the same currency."""
        if not isinstance(other, Money):
            raise TypeError(_needs_money(done, other))
        if other.currency != self.currency:
            raise CurrencyMismatchError(
                f"Amounts in {self.currency} and {other.currency} can't be {done}."
            )
        return other.minor_units

    @classmethod
    def __get_pydantic_core_schema__(
        cls, _source: object, _handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        from ._schema import core_schema_of  # noqa: PLC0415  # it needs this class

        return core_schema_of(cls)


def _make(units: int, currency: Currency) -> Money:
    made = object.__new__(Money)
    _set(made, "_units", _exact.bounded(units))
    _set(made, "_currency", currency)
    return made


def _restore(units: int, code: str) -> Money:
    """Unpickle or copy an amount, which may be in a currency that was withdrawn meanwhile."""
    return Money.from_minor_units(units, code, historic=True)


def _needs_money(done: str, other: object) -> str:
    return f"Money can only be {done} with money, not with {type(other).__name__}."
