# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Financial transactions in the trail: complete, exact, balanced, and once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from {{ cookiecutter.project_slug }}.audit import (
    Actor,
    Audit,
    AuditEvent,
    AuditLog,
    Outcome,
    Sensitivity,
)
from {{ cookiecutter.project_slug }}.audit.errors import AuditConflictError
from {{ cookiecutter.project_slug }}.audit.financial import (
    Authorization,
    FinancialTransaction,
    InvalidTransactionError,
    audit_log_financial_transaction,
    audit_log_journal_entry,
)
from {{ cookiecutter.project_slug }}.audit.schema import connect
from {{ cookiecutter.project_slug }}.audit.trail import Trail
from {{ cookiecutter.project_slug }}.core.app import build_app
from {{ cookiecutter.project_slug }}.core.config import AuditSettings
from {{ cookiecutter.project_slug }}.settings import Settings
from {{ cookiecutter.project_slug }}.utils.financial import Money, MoneyError

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
TRANSFER: dict[str, Any] = {
    "transaction_id": "T-1",
    "amount": Decimal("10.50"),
    "currency": "EUR",
    "from_account": "cash",
    "to_account": "rent",
    "reason": "January",
    "user_id": "u-1",
    "timestamp": NOON,
    "authorization": Authorization(authorized_by="u-2", reference="approval-7"),
}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[AuditLog]:
    """Return a trail of its own."""
    log = AuditLog(AuditSettings(path=tmp_path))
    yield log
    log.close()


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AuditLog]:
    """Return a trail in which no test here records; making one takes 30 ms."""
    log = AuditLog(AuditSettings(path=tmp_path_factory.mktemp("trail")))
    yield log
    log.close()


async def transfer(log: AuditLog | None, **changes: Any) -> AuditEvent:
    """Record the transfer, with some arguments changed."""
    arguments: dict[str, Any] = TRANSFER | changes
    return await audit_log_financial_transaction(**arguments, audit=log)


def stored(log: AuditLog, event: AuditEvent) -> dict[str, Any]:
    """Return an event as the trail holds it, for a reader who may see everything."""
    with closing(connect(log.file, read_only=True)) as connection:
        row = Trail(connection).find(event.id)
    assert row
    assert row.record
    return log.codec.decode(row.record, Sensitivity.RESTRICTED)


def count(log: AuditLog) -> int:
    """Return how many events the trail holds."""
    with closing(connect(log.file, read_only=True)) as connection:
        return Trail(connection).size() + Trail(connection).unsealed()


@pytest.mark.anyio
async def test_all_parties_the_authorization_and_the_exact_amount_are_stored(log: AuditLog) -> None:
    event = await transfer(log)
    kept = stored(log, event)
    assert kept["data"] == {
        "transaction_id": "T-1",
        "legs": [
            {"account": "cash", "amount": {"amount": "-10.50", "currency": "EUR"}},
            {"account": "rent", "amount": {"amount": "10.50", "currency": "EUR"}},
        ],
        "occurred_at": "2026-01-02T12:00:00Z",
        "authorization_reference": "approval-7",
        "authorized_by": "u-2",
        "user_id": "u-1",
    }
    assert (kept["reason"], kept["actor"]["id"]) == ("January", "u-1")
    assert (kept["class"], kept["retention"]) == ("financial", "long")
    assert kept["target"] == {"kind": "transaction", "id": "T-1"}


@pytest.mark.anyio
@pytest.mark.parametrize("who", ["u-1", "u-2"])
async def test_record_stays_complete_when_a_person_is_erased(log: AuditLog, who: str) -> None:
    event = await transfer(log)
    log.keys.erase(who)
    kept = stored(log, event)
    assert kept["erased"]
    assert len(kept["data"]["legs"]) == 2
    assert kept["data"]["authorization_reference"] == "approval-7"
    assert "user_id" not in kept["data"]
    assert "reason" not in kept


# --- once ----------------------------------------------------------------------------------------


@pytest.mark.anyio
async def test_same_transaction_again_returns_the_first_event(log: AuditLog) -> None:
    first = await transfer(log)
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    again = await transfer(log, amount=Money("10.5", "EUR"), timestamp=tokyo)
    assert again == first
    assert count(log) == 1


@pytest.mark.anyio
async def test_first_event_is_returned_after_it_was_sealed_and_from_another_process(
    log: AuditLog,
) -> None:
    first = await transfer(log)
    log.sealer.seal()
    with closing(AuditLog(log.settings)) as other:
        assert await transfer(other) == first
        assert count(other) == 1


@pytest.mark.anyio
async def test_transactions_at_the_same_time_are_one(log: AuditLog) -> None:
    calls = [transfer(log) for _ in range(20)]
    assert len({event.id for event in await asyncio.gather(*calls)}) == 1
    assert count(log) == 1


OTHER = {
    "amount": Decimal("10.51"),
    "currency": "USD",
    "from_account": "bank",
    "to_account": "food",
    "reason": "February",
    "user_id": "u-3",
    "timestamp": NOON + timedelta(microseconds=1),
    "authorization": Authorization(authorized_by="u-2", reference="approval-8"),
}


@pytest.mark.anyio
@pytest.mark.parametrize("name", OTHER)
async def test_other_content_under_the_same_id_is_an_error(log: AuditLog, name: str) -> None:
    await transfer(log)
    with pytest.raises(AuditConflictError):
        await transfer(log, **{name: OTHER[name]})
    assert count(log) == 1


# --- complete ------------------------------------------------------------------------------------


@pytest.mark.anyio
@pytest.mark.parametrize("name", [*TRANSFER])
async def test_everything_is_mandatory(empty: AuditLog, name: str) -> None:
    less: dict[str, Any] = {key: value for key, value in TRANSFER.items() if key != name}
    with pytest.raises(TypeError, match=name):
        await audit_log_financial_transaction(**less, audit=empty)
    assert count(empty) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        *(
            (name, value, name.removeprefix("from_").removeprefix("to_"))
            for name in ("transaction_id", "from_account", "to_account", "user_id")
            for value in ("", " ", " x", "x\n", "a\x00b", "a\u202eb", "x" * 201, None, 7)
        ),
        ("reason", "", "say why"),
        ("reason", " ", "say why"),
        ("reason", "x" * 1_001, "say why"),
        ("reason", None, "say why"),
        ("authorization", None, "say who allowed it"),
        ("authorization", {"authorized_by": "u-2", "reference": "r"}, "say who allowed it"),
        ("to_account", "cash", "two accounts"),
        ("amount", 0, "above zero"),
        ("amount", Decimal(-1), "above zero"),
        ("amount", Money("1", "USD"), "the amount is in USD"),
        ("timestamp", NOON.replace(tzinfo=None), "timezone"),
        ("timestamp", None, "occurred_at"),
    ],
)
async def test_incomplete_transaction_is_refused(
    empty: AuditLog, name: str, value: object, why: str
) -> None:
    with pytest.raises(InvalidTransactionError, match=why):
        await transfer(empty, **{name: value})
    assert count(empty) == 0


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"amount": Decimal("1.005")}, MoneyError),
        ({"amount": Decimal("NaN")}, MoneyError),
        ({"currency": "DEM"}, MoneyError),
        ({"amount": 1.5}, TypeError),
    ],
)
async def test_amount_that_is_not_exact_is_refused(
    empty: AuditLog, change: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await transfer(empty, **change)
    assert count(empty) == 0


@pytest.mark.parametrize("field", ["authorized_by", "reference"])
def test_authorization_says_who_and_why(field: str) -> None:
    with pytest.raises(ValueError, match=field):
        Authorization(**{"authorized_by": "u", "reference": "r"} | {field: " "})


# --- balanced ------------------------------------------------------------------------------------


def euros(units: int) -> Money:
    """Return an amount of cents."""
    return Money.from_minor_units(units, "EUR")


def entry(legs: list[tuple[str, Money]]) -> dict[str, Any]:
    """Return the arguments of a journal entry."""
    rest = ("transaction_id", "reason", "user_id", "timestamp", "authorization")
    return {name: TRANSFER[name] for name in rest} | {"legs": legs}


@pytest.mark.anyio
async def test_entry_of_several_legs_and_currencies_is_stored(log: AuditLog) -> None:
    legs = [
        ("customer", euros(-1_000)),
        ("fees", euros(30)),
        ("exchange", euros(970)),
        ("exchange", Money("-10.67", "USD")),
        ("merchant", Money("10.67", "USD")),
    ]
    event = await audit_log_journal_entry(**entry(legs), audit=log)
    kept = FinancialTransaction.model_validate(stored(log, event)["data"])
    assert [(leg.account, leg.amount) for leg in kept.legs] == legs


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("legs", "why"),
    [
        ([], "at least 2"),
        ([("a", euros(1))], "at least 2"),
        ([("a", euros(1)), ("b", euros(1))], "EUR does not add up to 0"),
        ([("a", euros(-2)), ("b", euros(1))], "EUR does not add up to 0"),
        ([("a", euros(-1)), ("b", Money("0.01", "USD"))], "EUR does not add up to 0"),
        ([("a", euros(0)), ("b", euros(0))], "moves no money"),
        ([("a", euros(-1)), ("b", euros(1)), ("c", euros(0))], "moves no money"),
        ([("a", euros(-1)), ("a", euros(1))], "two accounts"),
        ([("a", euros(-1)), ("b", euros(1))] * 501, "at most 1000"),
        ([("a", Decimal(-1)), ("b", Decimal(1))], "legs.0.amount"),
    ],
)
async def test_entry_that_does_not_balance_is_refused(
    empty: AuditLog, legs: list[tuple[str, Money]], why: str
) -> None:
    with pytest.raises(InvalidTransactionError, match=why):
        await audit_log_journal_entry(**entry(legs), audit=empty)
    assert count(empty) == 0


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(-3, 3)), max_size=5))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_what_is_accepted_balances(moves: list[tuple[str, int]]) -> None:
    balanced = (
        len(moves) >= 2
        and all(units for _, units in moves)
        and len({account for account, _ in moves}) >= 2
        and sum(units for _, units in moves) == 0
    )
    data = {
        "transaction_id": "T",
        "legs": [{"account": account, "amount": euros(units)} for account, units in moves],
        "occurred_at": NOON,
        "authorization_reference": "r",
        "authorized_by": "u",
        "user_id": "u",
    }
    try:
        FinancialTransaction.model_validate(data)
    except ValueError:
        assert not balanced
    else:
        assert balanced


# --- in a service --------------------------------------------------------------------------------


def test_endpoint_records_in_the_trail_of_its_service() -> None:
    router = APIRouter()

    @router.post("/pay")
    async def pay(audit: Audit) -> dict[str, str]:
        by_default = await audit_log_financial_transaction(**TRANSFER)
        other: dict[str, Any] = TRANSFER | {"transaction_id": "T-2"}
        known = await audit_log_financial_transaction(**other, audit=audit)
        assert by_default.outcome is known.outcome is Outcome.SUCCESS
        assert by_default.actor == Actor("user", "u-1")
        assert known.actor == Actor("user", "u-1", address="testclient")
        return {"event": known.id}

    @router.post("/refuse")
    async def refuse() -> None:
        await transfer(None, amount=0)

    with TestClient(build_app(Settings(), routers=[router])) as client:
        assert client.post("/pay").status_code == 200
        refused = client.post("/refuse")
        assert refused.status_code == 422
        assert refused.json()["title"] == "Invalid financial transaction"


@pytest.mark.parametrize(
    ("caller", "actor"),
    [
        (
            Actor("user", "u-1", session="s-1", address="192.0.2.1"),
            Actor("user", "u-1", session="s-1", address="192.0.2.1"),
        ),
        (Actor("service", "billing"), Actor("service", "billing", "u-1", address="testclient")),
    ],
)
def test_caller_who_is_not_the_user_acts_on_their_behalf(caller: Actor, actor: Actor) -> None:
    router = APIRouter()
    seen: list[Actor] = []

    @router.post("/pay")
    async def pay(request: Request, audit: Audit) -> None:
        request.state.actor = caller
        arguments: dict[str, Any] = TRANSFER | {"transaction_id": f"of {caller.kind}"}
        event = await audit_log_financial_transaction(**arguments, audit=audit)
        seen.append(event.actor)

    with TestClient(build_app(Settings(), routers=[router])) as client:
        assert client.post("/pay").status_code == 200
    assert seen == [actor]


@pytest.mark.anyio
async def test_without_one_service_the_trail_has_to_be_named() -> None:
    with pytest.raises(RuntimeError, match="audit="):
        await audit_log_financial_transaction(**TRANSFER)
