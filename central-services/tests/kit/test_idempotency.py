"""Idempotency keys, over HTTP and across crashes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.core.errors import ConflictError
from central_services.kit.idempotency import (
    Answer,
    Idempotency,
    KeyHeader,
    KeyReusedError,
    RequestInFlightError,
    RequestKey,
)

pytestmark = pytest.mark.anyio
REQUEST = RequestKey("t1", "k1", "f" * 64)


class Clock:
    """A time that tests move."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 22, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


class Payments:
    """Counts what was done; each payment is a row."""

    def __init__(self) -> None:
        self.started = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def pay(self, session: AsyncSession) -> Answer:
        await session.execute(text("INSERT INTO payments VALUES (1)"))
        self.started.set()
        await self.go.wait()
        return Answer(201, b'{"paid":true}')


async def count(database: Database) -> int:
    async with database.read() as session:
        return int((await session.execute(text("SELECT count(*) FROM payments"))).scalar_one())


@pytest.fixture
async def own(own_database: str) -> AsyncIterator[Database]:
    database = Database(DatabaseSettings.model_validate({"url": own_database}))
    async with database.transaction() as session:
        await session.execute(text("CREATE TABLE payments (n INTEGER)"))
    yield database
    await database.aclose()


async def test_second_request_gets_the_first_answer_and_has_no_effect(own: Database) -> None:
    idempotency, payments = Idempotency(own), Payments()
    first = await idempotency.run(REQUEST, payments.pay)
    second = await idempotency.run(REQUEST, payments.pay)
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.status, second.body) == (first.status, first.body) == (201, b'{"paid":true}')
    assert await count(own) == 1


async def test_other_request_with_the_key_is_refused(own: Database) -> None:
    idempotency, payments = Idempotency(own), Payments()
    await idempotency.run(REQUEST, payments.pay)
    with pytest.raises(KeyReusedError):
        await idempotency.run(RequestKey("t1", "k1", "0" * 64), payments.pay)


async def test_same_key_of_somebody_else_is_another_key(own: Database) -> None:
    idempotency, payments = Idempotency(own), Payments()
    await idempotency.run(REQUEST, payments.pay)
    assert not (await idempotency.run(RequestKey("t2", "k1", "0" * 64), payments.pay)).replayed
    assert await count(own) == 2


async def test_request_in_flight_is_refused_until_it_is_answered(own: Database) -> None:
    """The claim of a first attempt is committed before its work begins."""
    idempotency, payments = Idempotency(own), Payments()
    async with own.transaction() as session:
        assert await idempotency._claim(session, REQUEST, "somebody") is None
    with pytest.raises(RequestInFlightError) as refused:
        await idempotency.run(REQUEST, payments.pay)
    assert refused.value.status == 409
    assert refused.value.headers["Retry-After"]
    assert await count(own) == 0


async def test_failed_work_is_undone_and_may_be_tried_again(own: Database) -> None:
    idempotency, payments = Idempotency(own), Payments()

    async def fail(session: AsyncSession) -> Answer:
        await payments.pay(session)
        raise ConflictError("out of stock")

    with pytest.raises(ConflictError, match="out of stock"):
        await idempotency.run(REQUEST, fail)
    assert await count(own) == 0
    assert not (await idempotency.run(REQUEST, payments.pay)).replayed
    assert await count(own) == 1


async def test_attempt_that_died_is_taken_over_after_its_lease(own: Database) -> None:
    clock, payments = Clock(), Payments()
    idempotency = Idempotency(own, lease_s=60, clock=clock)
    async with own.transaction() as session:
        await idempotency._claim(session, REQUEST, "dead")
    clock.now += timedelta(seconds=59)
    with pytest.raises(RequestInFlightError):
        await idempotency.run(REQUEST, payments.pay)
    clock.now += timedelta(seconds=2)
    assert not (await idempotency.run(REQUEST, payments.pay)).replayed
    assert await count(own) == 1


async def test_attempt_that_lost_its_lease_is_undone(own: Database) -> None:
    """It is slow, another one takes over and answers: the slow one must not have an effect, too."""
    clock, payments = Clock(), Payments()
    idempotency = Idempotency(own, lease_s=60, clock=clock)

    async def slow(session: AsyncSession) -> Answer:
        await payments.pay(session)
        taken = "UPDATE idempotency_keys SET owner = 'other'"
        await session.execute(text(taken))
        return Answer(201, b"{}")

    with pytest.raises(RequestInFlightError, match="taken over"):
        await idempotency.run(REQUEST, slow)
    assert await count(own) == 0


async def test_answer_is_forgotten_after_its_time(own: Database) -> None:
    clock, payments = Clock(), Payments()
    idempotency = Idempotency(own, keep_s=3600, clock=clock)
    await idempotency.run(REQUEST, payments.pay)
    clock.now += timedelta(seconds=3601)
    assert not (await idempotency.run(REQUEST, payments.pay)).replayed


class Payment(BaseModel):
    amount: int


router = APIRouter()


@router.post("/payments", status_code=201)
async def pay(body: Payment, request: Request, key: KeyHeader = None) -> Response:
    idempotency = Idempotency(request.app.state.database)

    async def work(session: AsyncSession) -> Answer:
        await session.execute(text("INSERT INTO payments VALUES (:n)"), {"n": body.amount})
        return Answer(201, body.model_dump_json().encode())

    named = await RequestKey.of(request, "t1", key)
    return (await idempotency.run(named, work)).response()


@pytest.fixture
async def api(
    own: Database,
    own_database: str,
    serve: Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]],
) -> AsyncIterator[httpx2.AsyncClient]:
    settings = {"url": own_database, "migrations": "warn"}
    async with serve(routers=[router], database=settings) as client:
        yield client


async def test_header_makes_a_request_have_one_effect(
    api: httpx2.AsyncClient, own: Database
) -> None:
    headers = {"idempotency-key": "a1"}
    first = await api.post("/payments", json={"amount": 5}, headers=headers)
    second = await api.post("/payments", json={"amount": 5}, headers=headers)
    other = await api.post("/payments", json={"amount": 6}, headers=headers)
    assert (first.status_code, second.status_code, other.status_code) == (201, 201, 422)
    assert second.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert other.json()["title"] == "Idempotency key reused"
    assert await count(own) == 1


async def test_request_without_a_key_is_refused(api: httpx2.AsyncClient) -> None:
    answer = await api.post("/payments", json={"amount": 5})
    assert (answer.status_code, answer.json()["title"]) == (400, "Idempotency key missing")


async def test_of_many_at_once_one_has_an_effect(api: httpx2.AsyncClient, own: Database) -> None:
    headers = {"idempotency-key": "a1"}
    answers = await asyncio.gather(
        *(api.post("/payments", json={"amount": 5}, headers=headers) for _ in range(20))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    assert (
        sum(a.status_code == 201 and "idempotency-replayed" not in a.headers for a in answers) == 1
    )
    assert await count(own) == 1
