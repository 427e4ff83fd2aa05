"""The project's own tasks; modules with more of them are imported here, so that workers know them."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from pydantic import BaseModel

from ..orders.schemas import Order
from . import PermanentError, TaskContext, task


class PickingLine(BaseModel):
    """What to take from a shelf."""

    sku: str
    pieces: int


class PickingList(BaseModel):
    """What to take from the shelves for one order, in the order of the shelves."""

    order_id: UUID
    lines: list[PickingLine]
    pieces: int


@task(queue="warehouse", unique="{order.id}")
async def make_picking_list(ctx: TaskContext, order: Order) -> PickingList:
    """Return the picking list of an order: one line per article, however often it was ordered."""
    if order.status != "placed":
        raise PermanentError(f"order {order.id} is {order.status}: there is nothing to pick")
    pieces: Counter[str] = Counter()
    for done, line in enumerate(order.lines, start=1):
        pieces[line.sku] += line.quantity
        await ctx.progress(done, len(order.lines), line.sku)
    lines = [PickingLine(sku=sku, pieces=count) for sku, count in sorted(pieces.items())]
    return PickingList(order_id=order.id, lines=lines, pieces=pieces.total())
