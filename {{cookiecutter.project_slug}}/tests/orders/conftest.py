"""What the tests of orders share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest

Json = dict[str, Any]


@pytest.fixture
def order() -> Json:
    """A valid order, as a customer sends it; change it as the test needs."""
    return {
        "currency": "EUR",
        "lines": [
            {"sku": "TEA-250", "quantity": 2, "unit_price": 1250},
            {"sku": "MUG-1", "quantity": 1, "unit_price": 799},
        ],
        "note": "Please ring twice.",
    }


@pytest.fixture
def place(client: httpx2.AsyncClient, order: Json) -> Callable[[], Awaitable[Json]]:
    """A function that places the order and returns what is kept."""

    async def place() -> Json:
        answer = await client.post("/orders", json=order)
        assert answer.status_code == 201, answer.text
        return answer.json()

    return place
