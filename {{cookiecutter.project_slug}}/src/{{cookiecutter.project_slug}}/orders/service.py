"""What may happen to orders."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

from .errors import (
    IdempotencyKeyReusedError,
    InvalidCursorError,
    OrderNotFoundError,
    OrderStateError,
)
from .repository import OrderRepository, Position
from .schemas import Order, OrderCreate, OrderPage, OrderStatus


def utc_now() -> datetime:
    """Return the time, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class OrderService:
    """The rules for orders.

    Attributes:
        repository: Where they are kept.
        clock: Returns the time, aware and in UTC.
    """

    repository: OrderRepository
    clock: Callable[[], datetime] = utc_now

    async def place(self, request: OrderCreate, *, key: str | None = None) -> Order:
        """Place an order, once per idempotency key.

        Args:
            request: What is ordered.
            key: The caller's name for this attempt; a retry with it returns the first order.

        Raises:
            IdempotencyKeyReusedError: When the key came before with another request.
            ServiceError: With status 503, when the store can't keep it.
        """
        now = self.clock()
        order = Order(
            id=uuid4(),
            status="placed",
            currency=request.currency,
            lines=request.lines,
            note=request.note,
            total=sum(line.quantity * line.unit_price for line in request.lines),
            created_at=now,
            updated_at=now,
        )
        fingerprint = hashlib.sha256(request.model_dump_json().encode()).hexdigest()
        placement = await self.repository.add(order, key=key, fingerprint=fingerprint)
        if placement.fingerprint != fingerprint:
            raise IdempotencyKeyReusedError(
                "This Idempotency-Key was used for another order; use a new one for each order."
            )
        return placement.order

    async def get(self, order_id: UUID) -> Order:
        """Return an order.

        Raises:
            OrderNotFoundError: When there is none with this id.
        """
        order = await self.repository.get(order_id)
        if order is None:
            raise OrderNotFoundError(f"There is no order {order_id}.")
        return order

    async def page(self, *, cursor: str | None = None, limit: int) -> OrderPage:
        """Return up to `limit` orders, the newest first, from where a cursor points.

        Raises:
            InvalidCursorError: When the cursor did not come from here.
        """
        after = None if cursor is None else _decode_cursor(cursor)
        # One more than asked for shows whether there is a next page.
        found = await self.repository.page(after=after, limit=limit + 1)
        items = list(found[:limit])
        more = len(found) > limit
        return OrderPage(items=items, next_cursor=_encode_cursor(items[-1]) if more else None)

    async def ship(self, order_id: UUID) -> Order:
        """Mark an order as shipped; errors as for `cancel`."""
        return await self._leave_placed(order_id, "shipped")

    async def cancel(self, order_id: UUID) -> Order:
        """Cancel an order that is not shipped.

        Raises:
            OrderNotFoundError: When there is none with this id.
            OrderStateError: When it is shipped or cancelled already.
        """
        return await self._leave_placed(order_id, "cancelled")

    async def _leave_placed(self, order_id: UUID, status: OrderStatus) -> Order:
        changed = await self.repository.set_status(
            order_id, status, expected="placed", at=self.clock()
        )
        if changed is None:
            order = await self.get(order_id)
            raise OrderStateError(f"The order is {order.status}.", order_status=order.status)
        return changed


def _encode_cursor(order: Order) -> str:
    """Return where an order stands; opaque to callers, so that its form may change."""
    plain = f"{order.created_at.isoformat()} {order.id}"
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _decode_cursor(cursor: str) -> Position:
    """Return the position that `_encode_cursor` wrote."""
    try:
        plain = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        created_at, order_id = plain.split(" ")
        position = Position(datetime.fromisoformat(created_at), UUID(order_id))
    except ValueError:
        position = None
    if position is None or position.created_at.tzinfo is None:
        raise InvalidCursorError("Pass a next_cursor as the list returned it, or none.")
    return position
