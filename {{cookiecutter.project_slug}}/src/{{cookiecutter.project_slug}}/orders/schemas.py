"""The shapes of orders, on the wire and in the store."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

OrderStatus = Literal["placed", "shipped", "cancelled"]

# Lengths stand beside the patterns because `$` matches before a final line break in some languages
# that read the API description.
Currency: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[A-Z]{3}$",
        min_length=3,
        max_length=3,
        description="Currency code (ISO 4217).",
        examples=["EUR"],
    ),
]
Sku: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[A-Z0-9][A-Z0-9-]*$",
        min_length=1,
        max_length=32,
        description="Stock-keeping unit.",
        examples=["TEA-250"],
    ),
]
# No control characters but tab and line break: PostgreSQL can't store NUL, and a terminal that
# shows a log obeys the others.
Note: TypeAlias = Annotated[
    str,
    Field(
        pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]*$",
        max_length=500,
        description="What the customer wants to add.",
        examples=["Please ring twice."],
    ),
]
# 100 lines of 1,000 pieces at the highest price stay below 2**53, where JavaScript's integers end.
MinorUnits: TypeAlias = Annotated[
    int,
    Field(
        strict=True,
        ge=0,
        le=1_000_000_000,
        description="Amount in the currency's minor unit, such as cents.",
        examples=[1250],
    ),
]


class OrderLine(BaseModel):
    """One article of an order."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: Sku
    quantity: int = Field(strict=True, ge=1, le=1_000, description="Pieces.", examples=[2])
    unit_price: MinorUnits


class OrderCreate(BaseModel):
    """An order as a customer places it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    currency: Currency
    lines: list[OrderLine] = Field(min_length=1, max_length=100)
    note: Note | None = None


class Order(BaseModel):
    """An order as it is kept."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    status: OrderStatus
    currency: Currency
    lines: list[OrderLine]
    note: Note | None
    total: int = Field(
        ge=0, description="Sum of the lines, in the currency's minor unit.", examples=[2500]
    )
    created_at: datetime = Field(description="When it was placed (UTC).")
    updated_at: datetime = Field(description="When its status last changed (UTC).")


class OrderPage(BaseModel):
    """Some orders, the newest first."""

    items: list[Order]
    next_cursor: str | None = Field(
        description="Pass it as `cursor` to get the orders after these; null on the last page."
    )
