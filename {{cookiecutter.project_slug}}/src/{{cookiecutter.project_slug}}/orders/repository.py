"""Where orders are kept."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol
from uuid import UUID

from .errors import OrderStoreFullError
from .schemas import Order, OrderStatus


class Position(NamedTuple):
    """A place in the list of all orders; unique, and it never moves."""

    created_at: datetime
    id: UUID


class Placement(NamedTuple):
    """The order that an idempotency key stands for, and the fingerprint of what was asked then."""

    order: Order
    fingerprint: str


class OrderRepository(Protocol):
    """A store of orders.

    Each method is one atomic step. When the store can't be reached it raises
    `OrderStoreUnavailableError` and has changed nothing.
    """

    async def add(self, order: Order, *, key: str | None, fingerprint: str) -> Placement:
        """Keep a new order, unless an order came with this idempotency key before.

        Returns:
            What the key stands for: the new order or, with nothing changed, the earlier one.

        Raises:
            OrderStoreFullError: When there is no room; nothing was changed.
        """

    async def get(self, order_id: UUID) -> Order | None:
        """Return an order, or None when there is none with this id."""

    async def page(self, *, after: Position | None, limit: int) -> Sequence[Order]:
        """Return up to `limit` orders, the newest first, from behind `after`."""

    async def set_status(
        self, order_id: UUID, status: OrderStatus, *, expected: OrderStatus, at: datetime
    ) -> Order | None:
        """Give an order a new status while it still has the expected one.

        Returns:
            The changed order, or None (and no change) when it is gone or its status is another.
        """


@dataclass(slots=True)
class InMemoryOrderRepository:
    """Orders in this process's memory: for development and tests, gone when the process ends.

    Attributes:
        max_orders: The most it holds, about 2 kB each; one more is refused, none is dropped.
    """

    max_orders: int = 10_000
    _orders: dict[UUID, Order] = field(default_factory=dict, init=False, repr=False)
    _order_ids: list[Position] = field(default_factory=list, init=False, repr=False)
    _placements: dict[str, tuple[UUID, str]] = field(default_factory=dict, init=False, repr=False)

    async def add(self, order: Order, *, key: str | None, fingerprint: str) -> Placement:
        """Keep a new order; see `OrderRepository`."""
        if key is not None and key in self._placements:
            order_id, earlier = self._placements[key]
            return Placement(self._orders[order_id], earlier)
        if len(self._orders) >= self.max_orders:
            raise OrderStoreFullError
        self._orders[order.id] = order
        insort(self._order_ids, Position(order.created_at, order.id))
        if key is not None:
            self._placements[key] = (order.id, fingerprint)
        return Placement(order, fingerprint)

    async def get(self, order_id: UUID) -> Order | None:
        """Return an order; see `OrderRepository`."""
        return self._orders.get(order_id)

    async def page(self, *, after: Position | None, limit: int) -> Sequence[Order]:
        """Return some orders; see `OrderRepository`."""
        end = len(self._order_ids) if after is None else bisect_left(self._order_ids, after)
        positions = self._order_ids[max(0, end - limit) : end]
        return [self._orders[position.id] for position in reversed(positions)]

    async def set_status(
        self, order_id: UUID, status: OrderStatus, *, expected: OrderStatus, at: datetime
    ) -> Order | None:
        """Change an order's status; see `OrderRepository`."""
        order = self._orders.get(order_id)
        if order is None or order.status != expected:
            return None
        changed = order.model_copy(update={"status": status, "updated_at": at})
        self._orders[order_id] = changed
        return changed
