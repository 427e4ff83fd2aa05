# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Errors are problem documents (RFC 9457)."""

from __future__ import annotations

import httpx2
import pytest
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel

from central_services.clients.errors import CallTimeoutError
from central_services.core.errors import ConflictError, NotFoundError

pytestmark = pytest.mark.anyio
router = APIRouter()


class Card(BaseModel):
    number: int


class OutOfStockError(ConflictError):
    title = "Out of stock"
    type = "https://errors.example.com/out-of-stock"


@router.get("/missing")
async def missing() -> None:
    detail = "There is no order 7."
    raise NotFoundError(detail)


@router.get("/sold-out")
async def sold_out() -> None:
    raise OutOfStockError(headers={"retry-after": "60"}, sku="TEA-1")


@router.get("/teapot")
async def teapot() -> None:
    raise HTTPException(418, "Short and stout.", headers={"x-pot": "tea"})


@router.get("/not-modified")
async def not_modified() -> None:
    raise HTTPException(304)


@router.get("/broken")
async def broken() -> None:
    message = "the password is hunter2"
    raise RuntimeError(message)


@router.get("/upstream-down")
async def upstream_down() -> None:
    message = "db-7.internal refused the connection"
    raise CallTimeoutError(message)


@router.post("/cards")
async def cards(card: Card) -> Card:
    return card


@pytest.fixture
async def api(serve):
    async with serve(routers=[router]) as client:
        yield client


def problem(answer: httpx2.Response) -> dict[str, object]:
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer.headers["x-request-id"]
    return body


async def test_a_service_error_tells_its_title_and_detail(api: httpx2.AsyncClient) -> None:
    body = problem(await api.get("/missing"))
    assert (body["title"], body["detail"]) == ("Not Found", "There is no order 7.")


async def test_a_service_error_carries_its_type_headers_and_members(
    api: httpx2.AsyncClient,
) -> None:
    answer = await api.get("/sold-out")
    body = problem(answer)
    assert (body["type"], body["sku"]) == ("https://errors.example.com/out-of-stock", "TEA-1")
    assert answer.headers["retry-after"] == "60"


async def test_an_http_exception_becomes_a_problem(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/teapot")
    assert problem(answer)["detail"] == "Short and stout."
    assert answer.headers["x-pot"] == "tea"


async def test_a_status_without_a_body_stays_without_one(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/not-modified")
    assert (answer.status_code, answer.content) == (304, b"")


async def test_an_unknown_path_is_a_problem(api: httpx2.AsyncClient) -> None:
    assert problem(await api.get("/nowhere"))["status"] == 404


async def test_a_wrong_method_is_a_problem_and_says_what_is_allowed(
    api: httpx2.AsyncClient,
) -> None:
    answer = await api.delete("/missing")
    assert problem(answer)["status"] == 405
    assert answer.headers["allow"] == "GET"


async def test_a_validation_error_points_at_the_field_but_repeats_no_value(
    api: httpx2.AsyncClient,
) -> None:
    answer = await api.post("/cards", json={"number": "4111-secret"})
    body = problem(answer)
    assert body["errors"] == [
        {
            "pointer": "#/body/number",
            "detail": "Input should be a valid integer, unable to parse string as an integer",
        }
    ]
    assert "4111" not in answer.text


async def test_an_unexpected_error_tells_no_internals(api: httpx2.AsyncClient) -> None:
    answer = await api.get("/broken")
    assert problem(answer)["title"] == "Internal Server Error"
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


async def test_a_failed_call_to_another_service_is_told_without_naming_it(
    api: httpx2.AsyncClient,
) -> None:
    answer = await api.get("/upstream-down")
    assert problem(answer)["title"] == "Gateway Timeout"
    assert "internal" not in answer.text


async def test_debug_names_the_unexpected_error(serve) -> None:
    async with serve(debug=True, routers=[router]) as api:
        assert "RuntimeError" in (await api.get("/broken")).text
