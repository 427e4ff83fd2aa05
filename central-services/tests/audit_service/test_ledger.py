"""The ledger over HTTP: results, balances, linked chains, two-phase transfers, who may do what."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from central_services.audit_service.receipts import check_receipt

from .conftest import Harness, Start, make_event

pytestmark = pytest.mark.anyio

WRITE = "ledger:write"
Json = dict[str, Any]


def account(**changes: Any) -> Json:
    """Return an account to make."""
    return {"id": str(uuid4()), "ledger": "EUR", "code": 1, **changes}


def transfer(debit: Json, credit: Json, amount: int, *flags: str, **changes: Any) -> Json:
    """Return a transfer to make."""
    return {
        "id": str(uuid4()),
        "debit_account_id": debit["id"],
        "credit_account_id": credit["id"],
        "amount": str(amount),
        "ledger": "EUR",
        "code": 7,
        "flags": list(flags),
        **changes,
    }


async def make_accounts(audit: Harness, *accounts: Json, **claims: Any) -> list[str]:
    """Make accounts, and return what became of each."""
    answer = await audit.post("/v1/ledger/accounts", {"accounts": accounts}, WRITE, **claims)
    assert answer.status_code == 200, answer.text
    return [result["status"] for result in answer.json()["results"]]


async def move(audit: Harness, *transfers: Json, **claims: Any) -> list[str]:
    """Make transfers, and return what became of each."""
    answer = await audit.post("/v1/ledger/transfers", {"transfers": transfers}, WRITE, **claims)
    assert answer.status_code == 200, answer.text
    assert [result["id"] for result in answer.json()["results"]] == [t["id"] for t in transfers]
    return [result["status"] for result in answer.json()["results"]]


async def balances(audit: Harness, account: Json) -> list[int]:
    """Return what an account has: debits pending and posted, credits pending and posted."""
    found = await audit.get(f"/v1/ledger/accounts/{account['id']}", "ledger:read")
    names = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
    return [int(found[name]) for name in names]


async def test_a_transfer_moves_money_once(audit: Harness) -> None:
    bank, ada = account(), account(flags=["debits_must_not_exceed_credits"])
    assert await make_accounts(audit, bank, ada, bank) == ["created", "created", "exists"]
    sent = transfer(bank, ada, 2**100)
    assert await move(audit, sent, sent) == ["created", "exists"]
    assert await move(audit, sent) == ["exists"]
    assert await balances(audit, ada) == [0, 0, 0, 2**100]
    assert await balances(audit, bank) == [0, 2**100, 0, 0]
    shown = await audit.get(f"/v1/ledger/transfers/{sent['id']}", "ledger:read")
    assert shown["amount"] == str(2**100)
    assert shown["actor"] == {"id": "orders", "kind": "service", "token": "token-1"}
    assert shown["authorisation"] == {
        "policy": "ledger:write",
        "token": "token-1",
        "approver": None,
    }


async def test_an_account_does_not_spend_what_it_has_not(audit: Harness) -> None:
    bank, ada = account(), account(flags=["debits_must_not_exceed_credits"])
    await make_accounts(audit, bank, ada)
    refused = transfer(ada, bank, 1)
    assert await move(audit, refused, transfer(bank, ada, 5)) == ["exceeds_credits", "created"]
    # Its outcome is final, though it could be made now.
    assert await move(audit, refused) == ["id_already_failed"]
    assert await move(audit, transfer(ada, bank, 5)) == ["created"]


async def test_an_id_with_other_content_says_what_differs(audit: Harness) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    sent = transfer(bank, ada, 5)
    changes: Json = {
        "flags": ["pending"],
        "pending_id": str(uuid4()),
        "timeout": 1,
        "debit_account_id": str(uuid4()),
        "credit_account_id": str(uuid4()),
        "amount": "6",
        "user_data_128": str(uuid4()),
        "user_data_64": "1",
        "user_data_32": 1,
        "ledger": "USD",
        "code": 8,
    }
    others = [{**sent, name: value} for name, value in changes.items()]
    expected = [f"exists_with_different_{name}" for name in changes]
    assert await move(audit, sent, *others) == ["created", *expected]
    changes = {"user_data_32": 2, "ledger": "USD", "code": 9}
    statuses = await make_accounts(audit, *({**ada, name: changes[name]} for name in changes))
    assert statuses == [f"exists_with_different_{name}" for name in changes]


async def test_a_linked_chain_is_made_whole_or_not_at_all(audit: Harness) -> None:
    bank, ada, bob = account(), account(flags=["debits_must_not_exceed_credits"]), account()
    await make_accounts(audit, bank, ada, bob)
    chain = [
        transfer(bank, ada, 10, "linked"),
        transfer(ada, bob, 11, "linked"),
        transfer(bank, bob, 1),
    ]
    after = transfer(bank, bob, 3)
    assert await move(audit, *chain, after) == [
        "linked_event_failed",
        "exceeds_credits",
        "linked_event_failed",
        "created",
    ]
    assert await balances(audit, bob) == [0, 0, 0, 3]
    good = [transfer(bank, ada, 10, "linked"), transfer(ada, bob, 10)]
    assert await move(audit, *good) == ["created", "created"]
    # As with TigerBeetle: the first says that it is there, and the chain as a whole was not made again.
    assert await move(audit, *good) == ["exists", "linked_event_failed"]
    assert await move(
        audit, transfer(bank, ada, 1, "linked"), transfer(bank, bob, 1, "linked")
    ) == [
        "linked_event_failed",
        "linked_event_chain_open",
    ]
    assert await balances(audit, bob) == [0, 0, 0, 13]


async def test_a_pending_transfer_is_resolved_once(audit: Harness) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    first, second = transfer(bank, ada, 10, "pending"), transfer(bank, ada, 7, "pending")
    assert await move(audit, first, second) == ["created", "created"]
    assert await balances(audit, ada) == [0, 0, 17, 0]
    post = {
        "id": str(uuid4()),
        "pending_id": first["id"],
        "amount": "4",
        "flags": ["post_pending_transfer"],
    }
    void = {"id": str(uuid4()), "pending_id": second["id"], "flags": ["void_pending_transfer"]}
    assert await move(audit, post, void, post, void) == ["created", "created", "exists", "exists"]
    assert await balances(audit, ada) == [0, 0, 0, 4]
    again = {"id": str(uuid4()), "pending_id": first["id"], "flags": ["void_pending_transfer"]}
    late = {"id": str(uuid4()), "pending_id": second["id"], "flags": ["post_pending_transfer"]}
    assert await move(audit, again, late) == [
        "pending_transfer_already_posted",
        "pending_transfer_already_voided",
    ]
    shown = await audit.get(f"/v1/ledger/transfers/{post['id']}", "ledger:read")
    assert shown["authorisation"]["policy"] == f"pending-transfer:{first['id']}"
    shown = await audit.get(f"/v1/ledger/transfers/{first['id']}", "ledger:read")
    assert (shown["pending_status"], shown["amount"]) == ("posted", "10")


def later(audit: Harness, seconds: float) -> None:
    """Let time pass."""
    parts = audit.parts
    audit.app.state.audit_service = dataclasses.replace(
        parts, clock=lambda: parts.clock() + timedelta(seconds=seconds)
    )


async def test_what_is_not_resolved_in_time_expires_once(audit: Harness) -> None:
    bank, ada = account(), account(flags=["debits_must_not_exceed_credits"])
    await make_accounts(audit, bank, ada)
    held = transfer(ada, bank, 10, "pending", timeout=60)
    assert await move(audit, transfer(bank, ada, 10), held) == ["created", "created"]
    assert await move(audit, transfer(ada, bank, 1)) == ["exceeds_credits"]
    later(audit, 61)
    post = {"id": str(uuid4()), "pending_id": held["id"], "flags": ["post_pending_transfer"]}
    assert await move(audit, post, transfer(ada, bank, 1)) == [
        "pending_transfer_expired",
        "created",
    ]
    assert await balances(audit, ada) == [0, 1, 0, 10]
    held = transfer(ada, bank, 5, "pending", timeout=60)
    assert await move(audit, held) == ["created"]
    later(audit, 61)
    # Eight readers see it at the same moment.
    found = await asyncio.gather(*(balances(audit, ada) for _ in range(8)))
    assert found == [[0, 1, 0, 10]] * 8
    shown = await audit.get(f"/v1/ledger/transfers/{held['id']}", "ledger:read")
    assert shown["pending_status"] == "expired"


async def test_a_balancing_transfer_moves_what_there_is(audit: Harness) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    await move(audit, transfer(bank, ada, 30))
    sent = transfer(ada, bank, 50, "balancing_debit")
    assert await move(audit, sent, sent, {**sent, "amount": "29"}) == [
        "created",
        "exists",
        "exists_with_different_amount",
    ]
    assert await balances(audit, ada) == [0, 30, 0, 30]


async def test_tenants_have_ledgers_of_their_own(audit: Harness) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    sent = transfer(bank, ada, 5)
    assert await move(audit, sent) == ["created"]
    assert await move(audit, sent, org="other") == ["debit_account_not_found"]
    for path in ("accounts/" + ada["id"], "transfers/" + sent["id"]):
        headers = audit.headers("ledger:read", org="other")
        assert (await audit.http.get(f"/v1/ledger/{path}", headers=headers)).status_code == 404
    assert (await audit.get("/v1/ledger/transfers", "ledger:read", org="other"))["items"] == []
    assert await make_accounts(audit, bank, org="other") == ["created"]


async def test_pages_follow_each_other(audit: Harness) -> None:
    bank, ada, bob = account(), account(), account()
    await make_accounts(audit, bank, ada, bob)
    sent = [transfer(bank, (ada, bob)[at % 2], at) for at in range(11)]
    await move(audit, *sent)
    found, query = [], dict[str, Any](limit=2)
    while True:
        page = await audit.get(f"/v1/ledger/accounts/{ada['id']}/transfers", "ledger:read", **query)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        query["cursor"] = page["next"]
    assert found == [item["id"] for item in sent[::-2]]
    first = await audit.get("/v1/ledger/accounts", "ledger:read", limit=2)
    rest = await audit.get("/v1/ledger/accounts", "ledger:read", limit=2, cursor=first["next"])
    ids = [item["id"] for item in first["items"] + rest["items"]]
    assert ids == [bank["id"], ada["id"], bob["id"]]
    assert rest["next"] is None
    answer = await audit.http.get(
        "/v1/ledger/transfers",
        params={"cursor": first["next"]},
        headers=audit.headers("ledger:read"),
    )
    assert answer.status_code == 400


MALFORMED: list[Json] = [
    {"amount": 5},
    {"amount": "05"},
    {"amount": "-5"},
    {"amount": str(2**128)},
    {"amount": None},
    {"ledger": "EURO"},
    {"ledger": "ABC"},
    {"id": "one"},
    {"id": str(uuid4()).upper()},
    {"flags": ["imported"]},
    {"surprise": 1},
    {"user_data_64": str(2**64)},
    {"code": 2**16},
]


async def test_what_is_malformed_is_refused_whole(audit: Harness) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    for changes in MALFORMED:
        body = {"transfers": [transfer(bank, ada, 5), {**transfer(bank, ada, 5), **changes}]}
        answer = await audit.post("/v1/ledger/transfers", body, WRITE)
        assert answer.status_code == 422, changes
        assert answer.headers["content-type"] == "application/problem+json"
    assert await balances(audit, ada) == [0, 0, 0, 0]


async def test_each_permission_allows_its_own_alone(audit: Harness) -> None:
    for method, path, permission in (
        ("POST", "accounts", "ledger:read"),
        ("POST", "transfers", "ledger:approve"),
        ("GET", "accounts", "audit:admin"),
        ("GET", "transfers", "audit:write"),
        ("POST", f"transfers/{uuid4()}/approvals", WRITE),
    ):
        answer = await audit.http.request(
            method, f"/v1/ledger/{path}", json={}, headers=audit.headers(permission)
        )
        assert answer.status_code == 403
        assert "ledger:" in answer.headers["www-authenticate"]


async def test_nobody_else_speaks_in_the_ledgers_name(audit: Harness) -> None:
    answer = await audit.send(make_event(1, source="urn:slipway:central-ledger"))
    assert answer.status_code == 422


async def test_each_transfer_has_a_proof(start: Start) -> None:
    async with start() as audit:
        bank, ada = account(), account()
        await make_accounts(audit, bank, ada)
        sent = transfer(bank, ada, 5)
        await move(audit, sent)
        await audit.sealed()
        found = await audit.get(f"/v1/ledger/transfers/{sent['id']}/proof", "ledger:read")
        keys = (await audit.http.get("/v1/log/keys")).json()["keys"]
        check_receipt(found["receipt"], found["event"], log_keys=keys, witness_keys=())
        assert found["event"]["data"]["unmapped"]["transfer"]["amount"] == "5"
