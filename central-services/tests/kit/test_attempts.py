"""Attempts: counted by a process, or by all of them on a Valkey that `TEST_VALKEY_URL` names."""

from __future__ import annotations

import os

import pytest
from pydantic import SecretStr

from central_services.kit.attempts import Attempts

pytestmark = pytest.mark.anyio

SERVER = os.environ.get("TEST_VALKEY_URL", "")
NOWHERE = "valkey://127.0.0.1:9/0"
"""The discard port, on which nobody answers."""


async def test_a_process_counts_each_key_for_itself() -> None:
    one, other = Attempts("logins", 2, None), Attempts("logins", 2, None)
    assert [await one.count("a") for _ in range(2)] == [0.0, 0.0]
    assert 0 < await one.count("a") <= 30
    assert await one.count("b") == 0.0
    assert await other.count("a") == 0.0
    await one.aclose()


async def test_without_the_server_a_process_counts_for_itself() -> None:
    attempts = Attempts("logins", 2, SecretStr(NOWHERE))
    assert [await attempts.count("a") for _ in range(2)] == [0.0, 0.0]
    assert await attempts.count("a") > 0
    await attempts.aclose()


@pytest.mark.server("TEST_VALKEY_URL")
async def test_replicas_count_together() -> None:
    one, other = (Attempts("logins", 4, SecretStr(SERVER)) for _ in range(2))
    for replica in (one, other, one, other):
        assert await replica.count("203.0.113.7") == 0.0
    assert 0 < await one.count("203.0.113.7") <= 15
    assert 0 < await other.count("203.0.113.7") <= 15
    assert await other.count("203.0.113.8") == 0.0
    await one.aclose()
    await other.aclose()
