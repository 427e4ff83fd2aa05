"""The HTTP face of orders."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Header, Query, Request, Response

from ..api.problems import problem_responses
from .dependencies import Orders, OrdersToRead
from .errors import (
    IdempotencyKeyReusedError,
    InvalidCursorError,
    OrderNotFoundError,
    OrderStateError,
)
from .schemas import Order, OrderCreate, OrderPage

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]+$",
        max_length=255,
        description="A unique name for this attempt, such as a UUID; makes it safe to repeat.",
    ),
]

router = APIRouter(prefix="/orders", tags=["orders"])


@router.post(
    "",
    status_code=201,
    summary="Place an order",
    response_description="The order; after a retry with the same Idempotency-Key, the first one.",
    responses=problem_responses(400, 422, IdempotencyKeyReusedError, 503),
)
async def place_order(
    body: OrderCreate,
    orders: Orders,
    request: Request,
    response: Response,
    idempotency_key: IdempotencyKey = None,
) -> Order:
    """Place an order. Send an Idempotency-Key, so that a retry doesn't order twice."""
    order = await orders.place(body, key=idempotency_key)
    path = request.app.url_path_for("get_order", order_id=order.id)
    response.headers["location"] = request.scope.get("root_path", "") + path
    return order


@router.get(
    "",
    summary="List orders",
    responses=problem_responses(422, InvalidCursorError, 503),
)
async def list_orders(
    orders: OrdersToRead,
    limit: Annotated[int, Query(ge=1, le=100, description="Orders per page.")] = 20,
    cursor: Annotated[
        str | None,
        Query(max_length=200, description="The next_cursor of the page before; opaque."),
    ] = None,
) -> OrderPage:
    """List orders, the newest first. Orders that arrive meanwhile never move a page."""
    return await orders.page(cursor=cursor, limit=limit)


@router.get(
    "/{order_id}",
    summary="Look up an order",
    responses=problem_responses(OrderNotFoundError, 422, 503),
)
async def get_order(order_id: UUID, orders: OrdersToRead) -> Order:
    """Return one order."""
    return await orders.get(order_id)


@router.post(
    "/{order_id}/ship",
    summary="Ship an order",
    responses=problem_responses(OrderNotFoundError, OrderStateError, 422, 503),
)
async def ship_order(order_id: UUID, orders: Orders) -> Order:
    """Mark an order as shipped; from then on it can't be cancelled."""
    return await orders.ship(order_id)


@router.post(
    "/{order_id}/cancel",
    summary="Cancel an order",
    responses=problem_responses(OrderNotFoundError, OrderStateError, 422, 503),
)
async def cancel_order(order_id: UUID, orders: Orders) -> Order:
    """Cancel an order that is neither shipped nor cancelled."""
    return await orders.cancel(order_id)
