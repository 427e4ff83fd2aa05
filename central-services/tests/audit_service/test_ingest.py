"""Taking events in: what is accepted, what is refused, and that nothing is stored twice."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from central_services.audit_service.endpoints.events import BATCH

from .conftest import Harness, Start, make_event

pytestmark = pytest.mark.anyio


async def test_batch_is_answered_in_the_order_sent(audit: Harness) -> None:
    answer = await audit.send(make_event(2), make_event(1))
    assert answer.status_code == 200, answer.text
    accepted = answer.json()["accepted"]
    assert [item["id"] for item in accepted] == ["event-2", "event-1"]
    assert [item["duplicate"] for item in accepted] == [False, False]


async def test_event_that_comes_again_is_stored_once(audit: Harness) -> None:
    await audit.send(make_event(1))
    await audit.sealed()
    answer = await audit.send(make_event(1), make_event(2))
    assert answer.json()["accepted"][0] == {"id": "event-1", "seq": 0, "duplicate": True}
    await audit.sealed()
    assert len((await audit.get("/v1/events"))["items"]) == 2


async def test_event_twice_in_one_batch_is_stored_once(audit: Harness) -> None:
    answer = await audit.send(make_event(1), make_event(1))
    assert [item["duplicate"] for item in answer.json()["accepted"]] == [False, True]
    await audit.sealed()
    assert len((await audit.get("/v1/events"))["items"]) == 1


async def test_other_content_under_the_same_id_refuses_the_whole_batch(audit: Harness) -> None:
    await audit.send(make_event(1))
    answer = await audit.send(make_event(2), make_event(1, subject="order:99"))
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:slipway:audit:event-conflict"
    assert answer.json()["errors"][0]["index"] == 1
    await audit.sealed()
    assert len((await audit.get("/v1/events"))["items"]) == 1


async def test_key_order_and_spelling_of_numbers_are_no_other_content(audit: Harness) -> None:
    event = make_event(1, data={"count": 10.0})
    await audit.send(event)
    again = dict(reversed(event.items()))
    again["data"] = {**event["data"], "count": 10}
    assert (await audit.send(again)).json()["accepted"][0]["duplicate"]


@pytest.mark.parametrize(
    "changes",
    [
        {"specversion": "0.3"},
        {"id": None},
        {"id": ""},
        {"id": "x" * 256},
        {"id": "a\x00b"},
        {"source": None},
        {"type": 7},
        {"time": None},
        {"time": "2026-11-22T10:00:00"},
        {"time": "yesterday"},
        {"time": "2026-13-22T10:00:00Z"},
        {"time": "9999-12-31T23:59:59-23:00"},
        {"Upper": "case"},
        {"extension": {"no": "object"}},
        {"subject": False},
        {"extension": None, "data_base64": "AA=="},
        {"data": {"class_uid": "6003"}},
        {"data": {"class_uid": True}},
        {"data": {"big": 2**60}},
        {"data": {"large": "x" * 70_000}},
    ],
)
async def test_batch_with_an_invalid_event_is_refused_whole(
    audit: Harness, changes: dict[str, Any]
) -> None:
    answer = await audit.send(make_event(1), make_event(2, **changes))
    assert answer.status_code == 422, answer.text
    assert [error["index"] for error in answer.json()["errors"]] == [1]
    await audit.sealed()
    assert (await audit.get("/v1/events"))["items"] == []


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b"[1", b"\xff"])
async def test_what_is_no_batch_is_refused(audit: Harness, body: bytes) -> None:
    headers = {**audit.headers(), "Content-Type": BATCH}
    answer = await audit.http.post("/v1/events", content=body, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["type"] == "urn:slipway:audit:malformed-batch"


async def test_batch_of_more_than_500_is_refused(audit: Harness) -> None:
    assert (await audit.send(*map(make_event, range(501)))).status_code == 400
    assert (await audit.send(*map(make_event, range(500)))).status_code == 200


async def test_other_media_types_are_refused(audit: Harness) -> None:
    headers = {**audit.headers(), "Content-Type": "application/json"}
    answer = await audit.http.post(
        "/v1/events", content=json.dumps([make_event()]), headers=headers
    )
    assert answer.status_code == 415


async def test_senders_at_once_share_transactions_and_lose_nothing(audit: Harness) -> None:
    batches = [[make_event(10 * n + m) for m in range(10)] for n in range(40)]
    answers = await asyncio.gather(*(audit.send(*batch) for batch in batches))
    assert {answer.status_code for answer in answers} == {200}
    await audit.sealed()
    lines = await audit.http.get("/v1/export", headers=audit.headers("audit:read"))
    exported = [json.loads(line) for line in lines.text.splitlines()]
    assert sorted(event["id"] for event in exported) == sorted(
        f"event-{number}" for number in range(400)
    )


async def test_same_event_from_two_senders_at_once_is_stored_once(audit: Harness) -> None:
    answers = await asyncio.gather(*(audit.send(make_event(1)) for _ in range(20)))
    duplicates = [answer.json()["accepted"][0]["duplicate"] for answer in answers]
    assert sorted(duplicates) == [False] + [True] * 19


async def test_too_many_that_wait_are_told_to_come_back(start: Start) -> None:
    async with start(max_pending=1) as audit:
        answers = await asyncio.gather(*(audit.send(make_event(n)) for n in range(30)))
        refused = [answer for answer in answers if answer.status_code == 503]
        assert refused
        assert refused[0].headers["retry-after"] == "1"
        assert refused[0].json()["type"] == "urn:slipway:audit:overloaded"


async def test_events_that_were_not_sealed_are_sealed_by_the_next_start(start: Start) -> None:
    async with start(seal_interval_s=1.0) as audit:
        assert (await audit.send(make_event(1))).status_code == 200
    async with start() as audit:
        assert list((await audit.receipts("event-1"))["receipts"]) == ["event-1"]
