"""Four eyes: what is large waits for another person, who proves themself with their own token."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import httpx2
import pytest

from central_services.audit_service.ledger.housekeeping import expire_all

from .conftest import Harness, Start
from .test_ledger import Json, account, balances, later, make_accounts, move, transfer

pytestmark = pytest.mark.anyio

APPROVE = "ledger:approve"
LIMIT = {"EUR": 1_000}


async def decide(
    audit: Harness, sent: Json, by: str, decision: str = "approve", **claims: Any
) -> httpx2.Response:
    """Decide on a transfer, as a person."""
    who = {"sub": by, "client_id": "pages", "jti": f"token-of-{by}", **claims}
    path = f"/v1/ledger/transfers/{sent['id']}/approvals"
    return await audit.post(path, {"decision": decision}, APPROVE, **who)


async def two(audit: Harness, **changes: Any) -> tuple[Json, Json]:
    """Make a bank and an account."""
    bank, ada = account(), account(**changes)
    assert await make_accounts(audit, bank, ada) == ["created", "created"]
    return bank, ada


ADA = {"sub": "ada", "client_id": "pages", "jti": "token-of-ada"}


async def test_what_is_large_waits_for_another_person(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit)
        small, large = transfer(bank, ada, 1_000), transfer(bank, ada, 1_001)
        assert await move(audit, small, large, **ADA) == ["created", "awaiting_approval"]
        assert await move(audit, large, {**large, "amount": "1002"}, **ADA) == [
            "awaiting_approval",
            "exists_with_different_amount",
        ]
        assert await balances(audit, ada) == [0, 0, 0, 1_000]
        (waiting,) = (await audit.get("/v1/ledger/approvals", APPROVE))["items"]
        assert waiting["transfers"][0]["amount"] == "1001"
        assert waiting["actor"] == {"id": "ada", "kind": "user", "token": "token-of-ada"}
        assert waiting["policy"] == "four-eyes:EUR:1000"

        own = await decide(audit, large, "ada")
        assert (own.status_code, own.json()["type"]) == (
            403,
            "urn:slipway:audit:ledger-not-a-second-person",
        )
        service = await decide(audit, large, "robot", client_id="robot")
        assert service.status_code == 403
        assert (await decide(audit, large, "bob", org="other")).status_code == 404
        answer = await decide(audit, large, "bob")
        assert answer.status_code == 200, answer.text
        assert answer.json()["status"] == "approved"
        assert await balances(audit, ada) == [0, 0, 0, 2_001]
        shown = await audit.get(f"/v1/ledger/transfers/{large['id']}", "ledger:read")
        assert shown["actor"]["id"] == "ada"
        approver = shown["authorisation"].pop("approver")
        assert approver.pop("at")
        assert approver == {"id": "bob", "kind": "user", "token": "token-of-bob"}
        assert shown["authorisation"] == {"policy": "four-eyes:EUR:1000", "token": "token-of-ada"}
        assert (await decide(audit, large, "eve")).status_code == 409
        assert await move(audit, large, **ADA) == ["exists"]
        assert (await audit.get("/v1/ledger/approvals", APPROVE))["items"] == []


async def test_a_chain_counts_together_and_is_approved_whole(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit, flags=["debits_must_not_exceed_credits"])
        chain = [transfer(bank, ada, 600, "linked"), transfer(ada, bank, 600)]
        assert await move(audit, *chain) == ["awaiting_approval", "awaiting_approval"]
        done = (await decide(audit, chain[1], "bob")).json()
        assert [result["status"] for result in done["results"]] == ["created", "created"]
        assert await balances(audit, ada) == [0, 600, 0, 600]


async def test_posting_what_was_approved_needs_nobody(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit)
        held = transfer(bank, ada, 5_000, "pending")
        post = {"id": str(uuid4()), "pending_id": held["id"], "flags": ["post_pending_transfer"]}
        assert await move(audit, held) == ["awaiting_approval"]
        assert (await decide(audit, held, "bob")).status_code == 200
        assert await move(audit, post) == ["created"]
        assert await balances(audit, ada) == [0, 0, 0, 5_000]


async def test_what_is_rejected_uses_up_its_id(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit)
        sent = transfer(bank, ada, 5_000)
        await move(audit, sent)
        assert (await decide(audit, sent, "bob", "reject")).json()["status"] == "rejected"
        assert (await decide(audit, sent, "eve")).status_code == 409
        assert await move(audit, sent) == ["id_already_failed"]
        assert await balances(audit, ada) == [0, 0, 0, 0]


async def test_what_is_not_possible_any_more_fails_when_it_is_approved(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit, flags=["debits_must_not_exceed_credits"])
        for _ in range(2):
            assert await move(audit, transfer(bank, ada, 1_000)) == ["created"]
        first, second = transfer(ada, bank, 1_500), transfer(ada, bank, 1_500)
        assert await move(audit, first, second) == ["awaiting_approval"] * 2
        assert (await decide(audit, first, "bob")).json()["status"] == "approved"
        failed = (await decide(audit, second, "bob")).json()
        assert failed["status"] == "failed"
        assert failed["results"][0]["status"] == "exceeds_credits"
        assert await move(audit, second) == ["id_already_failed"]
        assert await balances(audit, ada) == [0, 1_500, 0, 2_000]


async def test_what_nobody_approves_in_time_expires(start: Start) -> None:
    async with start(four_eyes_above=LIMIT, four_eyes_s=60) as audit:
        bank, ada = await two(audit)
        sent = transfer(bank, ada, 5_000)
        await move(audit, sent)
        later(audit, 61)
        assert (await decide(audit, sent, "bob")).status_code == 409
        parts = audit.parts
        assert await expire_all(parts.database, parts.clock(), parts.ledger) == 1
        assert await move(audit, sent) == ["id_already_failed"]
        assert (await audit.get("/v1/ledger/approvals", APPROVE))["items"] == []


async def test_of_eight_approvals_at_once_one_counts(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit)
        sent = transfer(bank, ada, 5_000)
        await move(audit, sent)
        answers = await asyncio.gather(*(decide(audit, sent, f"person-{n}") for n in range(8)))
        assert sorted(answer.status_code for answer in answers) == [200, *[409] * 7]
        assert await balances(audit, ada) == [0, 0, 0, 5_000]


async def test_nobody_approves_what_cannot_be_read_any_more(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        bank, ada = await two(audit)
        sent = transfer(bank, ada, 5_000)
        assert await move(audit, transfer(bank, ada, 5), sent, **ADA) == [
            "created",
            "awaiting_approval",
        ]
        await audit.sealed()
        done = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
        assert done.status_code == 200
        assert (await decide(audit, sent, "bob")).status_code == 409
        (waiting,) = (await audit.get("/v1/ledger/approvals", APPROVE))["items"]
        assert (waiting["actor"], waiting["transfers"]) == (None, [])
        assert await move(audit, sent) == ["id_already_failed"]
        items = (await audit.get("/v1/ledger/transfers", "ledger:read"))["items"]
        assert [(item["amount"], item["actor"]) for item in items] == [("5", None)]
