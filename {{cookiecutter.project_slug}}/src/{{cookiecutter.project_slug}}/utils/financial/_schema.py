# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""`Money` as a field of a pydantic model: `{"amount": "10.50", "currency": "EUR"}`."""

from __future__ import annotations

from typing import Annotated, TypedDict

from pydantic import AfterValidator, SerializationInfo, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from ._exact import AMOUNT_PATTERN, MAX_TEXT
from .errors import InvalidAmountError
from .money import Money

HISTORIC = "historic_currencies"
"""Key of the validation context that lets amounts in withdrawn currencies in."""


class _MoneyObject(TypedDict):
    amount: str
    currency: str


def core_schema_of(source: type[Money]) -> CoreSchema:
    """Return how pydantic reads, writes and describes an amount.

    It is an object in JSON and stays `Money` in Python. The amount is a string, since JSON's
    numbers are floats to most readers (RFC 8259 section 6); numbers are refused.
    """
    fields = core_schema.typed_dict_schema(
        {
            "amount": core_schema.typed_dict_field(
                core_schema.str_schema(strict=True, max_length=MAX_TEXT, pattern=AMOUNT_PATTERN),
                metadata=_described("Exact, in major units.", "10.50"),
            ),
            "currency": core_schema.typed_dict_field(
                core_schema.str_schema(strict=True, pattern="^[A-Z]{3}$"),
                metadata=_described("ISO 4217 code.", "EUR"),
            ),
        },
        extra_behavior="forbid",
    )
    return core_schema.with_info_wrap_validator_function(
        _read,
        fields,
        # Not `when_used="json"`: pydantic would then warn that money is no object, in Python.
        serialization=core_schema.plain_serializer_function_ser_schema(_write, info_arg=True),
        metadata={"pydantic_js_functions": [lambda _schema, handler: handler(fields)]},
        ref=f"{source.__module__}.{source.__qualname__}",
    )


def _described(text: str, example: str) -> dict[str, object]:
    return {"pydantic_js_extra": {"description": text, "examples": [example]}}


def _read(
    value: object, fields: core_schema.ValidatorFunctionWrapHandler, info: ValidationInfo
) -> Money:
    if isinstance(value, Money):
        return value
    known: _MoneyObject = fields(value)
    historic = bool(isinstance(info.context, dict) and info.context.get(HISTORIC))
    return Money(known["amount"], known["currency"], historic=historic)


def _write(money: Money, info: SerializationInfo) -> Money | _MoneyObject:
    if info.mode == "python":
        return money
    return {"amount": money.amount_text, "currency": money.currency}


def _above_zero(money: Money) -> Money:
    if money.minor_units <= 0:
        raise InvalidAmountError("The amount is above zero.")
    return money


# Not `Field(gt=...)`: pydantic would write the limit into the JSON schema, where there is no money.
PositiveMoney = Annotated[Money, AfterValidator(_above_zero)]
"""The type of a field that takes amounts above zero only."""
