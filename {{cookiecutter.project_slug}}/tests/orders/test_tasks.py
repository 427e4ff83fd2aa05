"""Orders in the background."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from {{ cookiecutter.project_slug }}.jobs import PermanentError, TaskContext
from {{ cookiecutter.project_slug }}.jobs.tasks import make_picking_list
from {{ cookiecutter.project_slug }}.orders.schemas import Order, OrderLine
from {{ cookiecutter.project_slug }}.settings import Settings

pytestmark = pytest.mark.anyio

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
LINES = [("TEA-2", 2), ("TEA-1", 1), ("TEA-2", 3)]
PICKED = {"TEA-1": 1, "TEA-2": 5}


def order(**changes: Any) -> Order:
    made = Order(
        id=UUID("0b8c6f4e-7a3e-4c8e-9b53-5d5c9c3a7a10"),
        status="placed",
        currency="EUR",
        lines=[OrderLine(sku=sku, quantity=pieces, unit_price=1) for sku, pieces in LINES],
        note=None,
        total=6,
        created_at=NOW,
        updated_at=NOW,
    )
    return made.model_copy(update=changes)


async def test_picking_list_has_one_line_for_each_article(settings: Settings) -> None:
    made = await make_picking_list(TaskContext(settings=settings), order())
    assert {line.sku: line.pieces for line in made.lines} == PICKED
    assert made.pieces == 6


async def test_shipped_order_has_no_picking_list(settings: Settings) -> None:
    with pytest.raises(PermanentError, match="nothing to pick"):
        await make_picking_list(TaskContext(settings=settings), order(status="shipped"))


async def test_picking_list_is_made_in_the_background(jobs: Any, work: Any) -> None:
    job_id = await make_picking_list.enqueue(order())
    assert await make_picking_list.enqueue(order()) == job_id
    async with work(queues=("warehouse",)):
        made = await make_picking_list.result(job_id, timeout_s=20)
    assert {line.sku: line.pieces for line in made.lines} == PICKED
