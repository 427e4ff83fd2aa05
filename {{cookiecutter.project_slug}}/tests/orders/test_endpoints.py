"""Orders over HTTP."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

pytestmark = pytest.mark.anyio

Json = dict[str, Any]
Place = Callable[[], Awaitable[Json]]


def problem(answer: httpx2.Response, status: int) -> Json:
    """Return the problem document of an answer that must have this status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    document: Json = answer.json()
    assert document["status"] == status
    return document


async def test_placed_order_has_an_id_a_total_and_a_location(
    client: httpx2.AsyncClient, order: Json
):
    answer = await client.post("/orders", json=order)
    placed = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/orders/{placed['id']}"
    assert placed["status"] == "placed"
    assert placed["total"] == 2 * 1250 + 799
    assert {key: placed[key] for key in order} == order


async def test_location_holds_the_prefix_that_a_proxy_strips(
    app: FastAPI, client: httpx2.AsyncClient, order: Json
):
    transport = httpx2.ASGITransport(app=app, root_path="/shop")
    async with httpx2.AsyncClient(transport=transport, base_url="http://testserver") as outside:
        answer = await outside.post("/orders", json=order, headers=client.headers)
    assert answer.headers["location"] == f"/shop/orders/{answer.json()['id']}"


async def test_times_are_utc(place: Place):
    placed = await place()
    assert datetime.fromisoformat(placed["created_at"]).utcoffset() == timedelta(0)
    assert placed["created_at"] == placed["updated_at"]


async def test_placed_order_can_be_looked_up(client: httpx2.AsyncClient, place: Place):
    placed = await place()
    answer = await client.get(f"/orders/{placed['id']}")
    assert (answer.status_code, answer.json()) == (200, placed)


async def test_unknown_order_is_not_found(client: httpx2.AsyncClient):
    unknown = uuid4()
    for path in (f"/orders/{unknown}", f"/orders/{unknown}/cancel", f"/orders/{unknown}/ship"):
        method = "POST" if path.count("/") == 3 else "GET"
        assert problem(await client.request(method, path), 404)["title"] == "Order not found"


async def test_retry_with_the_same_key_returns_the_first_order(
    client: httpx2.AsyncClient, order: Json
):
    headers = {"Idempotency-Key": "attempt-1"}
    first = await client.post("/orders", json=order, headers=headers)
    again = await client.post("/orders", json=order, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["location"] == first.headers["location"]
    assert len((await client.get("/orders")).json()["items"]) == 1


async def test_key_of_another_order_is_refused(client: httpx2.AsyncClient, order: Json):
    headers = {"Idempotency-Key": "attempt-1"}
    await client.post("/orders", json=order, headers=headers)
    order["note"] = "Something else."
    answer = await client.post("/orders", json=order, headers=headers)
    assert problem(answer, 422)["title"] == "Idempotency key reused"


async def test_orders_without_a_key_are_orders_of_their_own(place: Place):
    assert (await place())["id"] != (await place())["id"]


@pytest.mark.parametrize("key", ["", "two words", "ü", "x" * 256])
async def test_key_must_be_short_and_plain(client: httpx2.AsyncClient, order: Json, key: str):
    headers = {b"Idempotency-Key": key.encode("latin-1")}
    answer = await client.post("/orders", json=order, headers=headers)
    assert problem(answer, 422)["errors"][0]["pointer"] == "#/header/Idempotency-Key"


@pytest.mark.parametrize("action", ["cancel", "ship"])
async def test_placed_order_can_be_cancelled_or_shipped(
    client: httpx2.AsyncClient, place: Place, action: str
):
    placed = await place()
    answer = await client.post(f"/orders/{placed['id']}/{action}")
    changed = answer.json()
    assert answer.status_code == 200
    assert changed["status"] == {"cancel": "cancelled", "ship": "shipped"}[action]
    assert changed["updated_at"] >= placed["updated_at"]
    assert (await client.get(f"/orders/{placed['id']}")).json() == changed


@pytest.mark.parametrize("first", ["cancel", "ship"])
@pytest.mark.parametrize("second", ["cancel", "ship"])
async def test_shipped_or_cancelled_order_stays_so(
    client: httpx2.AsyncClient, place: Place, first: str, second: str
):
    path = f"/orders/{(await place())['id']}"
    before = (await client.post(f"{path}/{first}")).json()
    document = problem(await client.post(f"{path}/{second}"), 409)
    assert document["order_status"] == before["status"]
    assert (await client.get(path)).json() == before


@pytest.mark.parametrize("application", ["first", "second"])
async def test_each_application_starts_without_orders(
    client: httpx2.AsyncClient, place: Place, application: str
):
    assert (await client.get("/orders")).json() == {"items": [], "next_cursor": None}
    await place()  # which the second application must not see


async def test_pages_hold_every_order_once_with_the_newest_first(
    client: httpx2.AsyncClient, place: Place
):
    placed = [(await place())["id"] for _ in range(7)]
    listed, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        query = {"limit": 3} | ({"cursor": cursor} if cursor else {})
        page = (await client.get("/orders", params=query)).json()
        listed += [order["id"] for order in page["items"]]
        cursor, pages = page["next_cursor"], pages + 1
    assert listed == placed[::-1]
    assert pages == 3


async def test_last_full_page_has_no_cursor(client: httpx2.AsyncClient, place: Place):
    await place()
    await place()
    assert (await client.get("/orders?limit=2")).json()["next_cursor"] is None


async def test_order_that_arrives_meanwhile_moves_no_page(client: httpx2.AsyncClient, place: Place):
    oldest, _ = await place(), await place()
    first = (await client.get("/orders?limit=1")).json()
    await place()
    second = (await client.get("/orders", params={"cursor": first["next_cursor"]})).json()
    assert [order["id"] for order in second["items"]] == [oldest["id"]]


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "x",
        "ÿ",
        "%00",
        "MjAyNi0wMS0wMQ",  # 2026-01-01
        "MjAyNi0wMS0wMSAwMDAwMDAwMC0wMDAwLTAwMDAtMDAwMC0wMDAwMDAwMDAwMDA",  # without a time zone
        "x" * 201,
    ],
)
async def test_foreign_cursor_is_refused(client: httpx2.AsyncClient, cursor: str):
    problem(await client.get(f"/orders?cursor={cursor}"), 422)


@pytest.mark.parametrize("limit", ["0", "101", "x", "1.5", "9" * 5000])
async def test_limit_is_1_to_100(client: httpx2.AsyncClient, limit: str):
    document = problem(await client.get(f"/orders?limit={limit}"), 422)
    assert document["errors"][0]["pointer"] == "#/query/limit"


def line(**changes: Any) -> list[Json]:
    return [{"sku": "TEA-250", "quantity": 2, "unit_price": 1250} | changes]


@pytest.mark.parametrize(
    "change",
    [
        {"currency": "eur"},
        {"currency": "EUR\n"},
        {"currency": None},
        {"lines": []},
        {"lines": line() * 101},
        {"lines": line(quantity=0)},
        {"lines": line(quantity=True)},
        {"lines": line(quantity="2")},
        {"lines": line(unit_price=-1)},
        {"lines": line(unit_price=0.5)},
        {"lines": line(unit_price=10**400)},
        {"lines": line(sku="")},
        {"lines": line(sku="tea\x00")},
        {"lines": line(colour="red")},
        {"note": "\x00"},
        {"note": "\x1b[2J"},
        {"note": "x" * 501},
        {"total": 1},
    ],
    ids=str,
)
async def test_order_that_breaks_a_rule_is_refused(
    client: httpx2.AsyncClient, order: Json, change: Json
):
    document = problem(await client.post("/orders", json=order | change), 422)
    assert document["errors"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"\\ud800"',
        b'{"\\ud800": 1}',
        b'{"currency": "EUR", "lines": [], "note": "\\udfff"}',
        b"[" * 100_000,
        b"1" * 5_000,
        b"\xff\xfe",
        b"NaN",
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_body_that_is_no_order_is_the_callers_mistake(
    client: httpx2.AsyncClient, body: bytes
):
    headers = {"content-type": "application/json"}
    answer = await client.post("/orders", content=body, headers=headers)
    problem(answer, answer.status_code)
    assert answer.status_code in {400, 422}


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "x", "multipart/form-data"])
async def test_body_of_another_type_is_refused(client: httpx2.AsyncClient, kind: str):
    problem(await client.post("/orders", content=b"x", headers={"content-type": kind}), 422)


async def test_text_in_any_script_comes_back_as_it_was(client: httpx2.AsyncClient, order: Json):
    order["note"] = "Bitte läuten 🛎\n\tשבת \u202e \ufeff"
    assert (await client.post("/orders", json=order)).json()["note"] == order["note"]


async def test_description_shows_problems_as_they_are_sent(app: FastAPI):
    for path in ("/orders", "/orders/{order_id}", "/orders/{order_id}/cancel"):
        for operation in app.openapi()["paths"][path].values():
            assert operation["summary"]
            for status, response in operation["responses"].items():
                kind = "application/json" if status[0] == "2" else "application/problem+json"
                assert list(response["content"]) == [kind]
