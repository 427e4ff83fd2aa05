"""The store of orders, at its limits."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Place = Callable[[], Awaitable[Json]]


@pytest.fixture
async def service(app: FastAPI, client: httpx2.AsyncClient) -> Any:
    """The application's order service, which its first request makes."""
    await client.get("/orders")
    return app.state.order_service


async def test_full_store_refuses_orders_and_drops_none(
    app: FastAPI, client: httpx2.AsyncClient, service: Any, order: Json, place: Place
):
    small = dataclasses.replace(service.repository, max_orders=2)
    app.state.order_service = dataclasses.replace(service, repository=small)
    placed = [(await place())["id"] for _ in range(2)]
    answer = await client.post("/orders", json=order)
    assert (answer.status_code, answer.json()["title"]) == (503, "Order store full")
    listed = (await client.get("/orders")).json()["items"]
    assert {order["id"] for order in listed} == set(placed)


async def test_retry_is_answered_by_a_full_store_too(
    app: FastAPI, client: httpx2.AsyncClient, service: Any, order: Json
):
    small = dataclasses.replace(service.repository, max_orders=1)
    app.state.order_service = dataclasses.replace(service, repository=small)
    headers = {"Idempotency-Key": "attempt-1"}
    first = await client.post("/orders", json=order, headers=headers)
    again = await client.post("/orders", json=order, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())


async def test_orders_of_the_same_moment_are_listed_once_each(
    app: FastAPI, client: httpx2.AsyncClient, service: Any, place: Place
):
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    app.state.order_service = dataclasses.replace(service, clock=lambda: noon)
    placed = {(await place())["id"] for _ in range(5)}
    first = (await client.get("/orders?limit=2")).json()
    rest = (await client.get("/orders", params={"cursor": first["next_cursor"]})).json()
    listed = [order["id"] for order in first["items"] + rest["items"]]
    assert (len(listed), set(listed)) == (5, placed)
    assert rest["items"][0]["created_at"] == "2026-01-01T12:00:00Z"
