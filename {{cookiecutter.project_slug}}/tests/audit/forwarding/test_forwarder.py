# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Events reach the central service once, in order, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.audit import AuditLog
from {{ cookiecutter.project_slug }}.audit import forwarding as module
from {{ cookiecutter.project_slug }}.audit.checkpoint import NoteSigner
from {{ cookiecutter.project_slug }}.audit.forwarding import Forwarding
from {{ cookiecutter.project_slug }}.audit.schema import TRIGGERS
from {{ cookiecutter.project_slug }}.clients.audit import AuditServiceUnavailableError

from .conftest import Open, Record
from .stand_in import StandIn

pytestmark = pytest.mark.anyio


async def drain(forwarder: Any) -> None:
    while await forwarder.step():
        pass


async def test_sealed_events_arrive_in_order_and_get_receipts(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding
):
    ids = await record(7)
    async with open_one(batch=3, keys=(service.signer.verification_key,)) as forwarder:
        await drain(forwarder)
        assert (await forwarder.backlog()).without_receipt == 0
    assert list(service.events) == ids
    assert [len(batch) for batch in service.batches] == [3, 3, 1]
    kept = forwarding.find(ids[2])
    assert kept is not None
    assert kept.receipt is not None
    assert json.loads(kept.event) == service.events[ids[2]]
    assert service.events[ids[2]]["source"] == "{{ cookiecutter.__dist_name }}/audit"


async def test_event_is_sent_once_though_the_forwarder_starts_anew(
    service: StandIn, record: Record, open_one: Open
):
    first = await record(2)
    async with open_one() as forwarder:
        await drain(forwarder)
    second = await record(2)
    async with open_one() as forwarder:
        await drain(forwarder)
    assert service.batches == [first, second]


async def test_nothing_is_lost_while_the_service_is_down(
    service: StandIn, record: Record, open_one: Open
):
    ids = await record(3)
    service.answers = [(503, {}), (500, {}), (429, {}), (403, {"title": "Forbidden"})]
    async with open_one() as forwarder:
        for _ in range(4):
            with pytest.raises(AuditServiceUnavailableError):
                await forwarder.step()
        ids += await record(2)
        await drain(forwarder)
    assert list(service.events) == ids


async def test_repetition_sends_the_same_bytes(
    service: StandIn, record: Record, open_one: Open, monkeypatch: pytest.MonkeyPatch
):
    """An event that the service has stored, and whose answer was lost, must not differ then."""
    (event_id,) = await record(1)
    service.answers = [(502, {})]
    async with open_one() as forwarder:
        with pytest.raises(AuditServiceUnavailableError):
            await forwarder.step()
    monkeypatch.setattr(module, "cloud_event", lambda *_args, **_keywords: {"id": event_id})
    async with open_one() as forwarder:
        await drain(forwarder)
    assert service.events[event_id]["type"] == "audit.audit.started"


@pytest.mark.parametrize("named", [True, False])
async def test_refused_event_is_set_aside_and_the_others_arrive(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding, named: bool
):
    ids = await record(8)
    service.wrong = {ids[2]: named, ids[5]: named}
    async with open_one() as forwarder:
        await drain(forwarder)
        assert (await forwarder.backlog()).refused == 2
    assert list(service.events) == [one for one in ids if one not in service.wrong]
    assert {one.id for one in forwarding.faulty(10)} == set(service.wrong)
    service.wrong = {}
    assert forwarding.try_refused_again() == 2
    async with open_one() as forwarder:
        await drain(forwarder)
    assert set(service.events) == set(ids)


async def test_another_event_of_the_same_id_is_said_and_stops_nothing(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding
):
    ids = await record(3)
    service.events[ids[1]] = {"another": True}
    async with open_one() as forwarder:
        await drain(forwarder)
    (conflict,) = forwarding.faulty(10)
    assert (conflict.id, conflict.reason) == (ids[1], "409 Event differs from the one stored: ")


async def test_copies_go_with_what_the_trail_drops_once_they_have_receipts(
    service: StandIn, record: Record, trail: AuditLog, open_one: Open, forwarding: Forwarding
):
    kept, first, second = await record(3)
    service.sealed = 2
    async with open_one() as forwarder:
        await drain(forwarder)
        with closing(sqlite3.connect(trail.file, isolation_level=None)) as connection:
            for name in TRIGGERS:  # as if their retention had ended
                connection.execute(f"DROP TRIGGER {name}")
            connection.execute("DELETE FROM records WHERE seq > 0")
        pruned = [await forwarder.prune()]  # the last one has no receipt yet
        service.sealed = 3
        await drain(forwarder)
        pruned += [await forwarder.prune(), await forwarder.prune()]
    assert pruned == [1, 1, 0]
    assert [forwarding.find(one) is None for one in (kept, first, second)] == [False, True, True]
    assert list(service.events) == [kept, first, second]


async def test_receipts_that_are_not_there_yet_are_asked_for_again(
    service: StandIn, record: Record, open_one: Open
):
    await record(3)
    service.sealed = 1
    async with open_one() as forwarder:
        await drain(forwarder)
        assert (await forwarder.backlog()).without_receipt == 2
        service.sealed = 3
        await drain(forwarder)
        assert (await forwarder.backlog()).without_receipt == 0


async def test_what_the_service_lost_is_sent_once_more(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding
):
    first, second = await record(2)
    service.sealed = 0
    async with open_one() as forwarder:
        await drain(forwarder)
        del service.events[second]  # a backup was put back
        service.sealed = 2
        await drain(forwarder)
        await drain(forwarder)
        assert (await forwarder.backlog()).without_receipt == 0
    assert service.batches == [[first, second], [second]]


async def test_service_that_never_has_what_it_takes_is_named(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding
):
    (event_id,) = await record(1)
    service.sealed = 0
    async with open_one() as forwarder:
        for _ in range(5):
            await forwarder.step()
            service.events.clear()
    assert service.batches == [[event_id], [event_id]]
    kept = forwarding.find(event_id)
    assert kept is not None
    assert kept.reason == "the service took it twice and does not have it"


async def test_receipt_that_proves_nothing_is_not_kept(
    service: StandIn, record: Record, open_one: Open, forwarding: Forwarding
):
    (event_id,) = await record(1)
    other = NoteSigner("central/acme", bytes([1] * 32)).verification_key
    async with open_one(keys=(other,)) as forwarder:
        await drain(forwarder)
    kept = forwarding.find(event_id)
    assert kept is not None
    assert (kept.receipt, kept.reason) == (None, "no trusted key has signed the checkpoint")


async def test_token_is_sent(service: StandIn, record: Record, open_one: Open):
    await record(1)
    service.token = "made-up"
    async with open_one(token="wrong") as forwarder:
        with pytest.raises(AuditServiceUnavailableError, match="401"):
            await forwarder.step()
    async with open_one(token="made-up") as forwarder:
        await drain(forwarder)
    assert len(service.events) == 1


async def test_batches_stay_small_in_bytes(
    service: StandIn, record: Record, open_one: Open, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "MAX_BATCH_BYTES", 2500)
    await record(6)
    async with open_one() as forwarder:
        await drain(forwarder)
    assert len(service.events) == 6
    assert len(service.batches) >= 3


async def test_of_several_processes_one_forwards(record: Record, open_one: Open, service: StandIn):
    ids = await record(20)
    async with open_one(batch=2) as one, open_one(batch=2) as two:
        tasks = [asyncio.create_task(each.run()) for each in (one, two)]
        await asyncio.to_thread(service.wait_until, lambda: len(service.events) == 20)
        one.stop()
        two.stop()
        await asyncio.gather(*tasks)
    assert [one for batch in service.batches for one in batch] == ids


async def test_run_waits_as_long_as_the_service_asks_and_then_goes_on(
    record: Record, open_one: Open, service: StandIn
):
    await record(1)
    service.answers = [(503, {})]
    service.headers = {"retry-after": "0"}
    async with open_one() as forwarder:
        task = asyncio.create_task(forwarder.run())
        await asyncio.to_thread(service.wait_until, lambda: bool(service.events))
        forwarder.stop()
        await task
        assert forwarder._wait_after(AuditServiceUnavailableError("busy", 7.0)) == 7.0
        assert forwarder.problem == "busy"
