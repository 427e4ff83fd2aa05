"""Eight callers of two services on one database: each id once, nothing overdrawn, nothing in a deadlock."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import pytest

from central_services.audit_service.ledger.repository import LedgerRepository
from central_services.audit_service.verification import verify_logs

from .conftest import Harness, Start
from .test_ledger import Json, account, balances, make_accounts, move, transfer

pytestmark = pytest.mark.anyio

CALLERS, ROUNDS, BATCH = 8, 6, 8


def chance_of(seed: int) -> random.Random:
    """Return chance that is the same each time."""
    return random.Random(seed)  # noqa: S311  # nothing here is secret


def shared_transfers(accounts: list[Json]) -> list[Json]:
    """Return transfers between few accounts, of which every caller sends each."""
    chance = chance_of(7)
    found = []
    for number in range(1, ROUNDS * BATCH + 1):
        debit, credit = chance.sample(accounts, 2)
        flags = ["linked"] * (number % 5 == 0) + ["pending"] * (number % 4 == 0)
        sent = transfer(debit, credit, chance.randrange(1, 30), *flags)
        found.append({**sent, "id": str(UUID(int=number))})
    return found


async def test_callers_at_once_do_not_lose_or_double_anything(start: Start) -> None:
    async with start() as one, start() as other:
        bank = account()
        accounts = [bank, *(account(flags=["debits_must_not_exceed_credits"]) for _ in range(4))]
        await make_accounts(one, *accounts)
        filled = [transfer(bank, to, 100) for to in accounts[1:]]
        assert set(await move(one, *filled)) == {"created"}
        shared = shared_transfers(accounts)
        counts: Counter[str] = Counter()

        async def caller(number: int) -> None:
            chance, audit = chance_of(number), (one, other)[number % 2]
            mine = chance.sample(shared, len(shared))
            for at in range(0, len(mine), BATCH):
                batch = [*mine[at : at + BATCH], transfer(bank, accounts[1], 1)]
                for sent, status in zip(batch, await move(audit, *batch), strict=True):
                    counts[sent["id"]] += status == "created"

        await asyncio.gather(*map(caller, range(CALLERS)))
        made = await all_transfers(other)
        # What was created was said so exactly once, and nothing else was.
        assert {id_: count for id_, count in counts.items() if count} == dict.fromkeys(
            made.keys() - {sent["id"] for sent in filled}, 1
        )
        assert len(made) > CALLERS * ROUNDS + len(filled) + 10
        for each in accounts:
            debits_pending, debits, _, credits_ = await balances(one, each)
            assert not each.get("flags") or debits_pending + debits <= credits_
        await one.sealed()
        parts = one.parts
        (report,) = await verify_logs(parts.database, parts.keys, parts.codec)
        assert (report.findings, report.transfers) == ([], len(made))


async def all_transfers(audit: Harness) -> dict[str, Json]:
    """Return every transfer by its id."""
    found, query = dict[str, Json](), dict[str, Any](limit=200)
    while True:
        page = await audit.get("/v1/ledger/transfers", "ledger:read", **query)
        found |= {item["id"]: item for item in page["items"]}
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]


async def test_of_eight_that_resolve_one_pending_transfer_one_does(start: Start) -> None:
    async with start() as one, start() as other:
        bank, ada = account(), account()
        await make_accounts(one, bank, ada)
        held = [transfer(bank, ada, 10, "pending") for _ in range(6)]
        await move(one, *held)

        async def resolve(number: int) -> list[str]:
            kind = ("post_pending_transfer", "void_pending_transfer")[number % 2]
            orders = [
                {"id": str(uuid4()), "pending_id": each["id"], "flags": [kind]} for each in held
            ]
            chance_of(number).shuffle(orders)
            return await move((one, other)[number // 4], *orders)

        answers = await asyncio.gather(*map(resolve, range(CALLERS)))
        statuses = Counter(status for answer in answers for status in answer)
        assert statuses["created"] == len(held)
        assert set(statuses) <= {
            "created",
            "pending_transfer_already_posted",
            "pending_transfer_already_voided",
        }
        debits_pending, debits, *_ = await balances(one, bank)
        assert debits_pending == 0
        assert debits % 10 == 0


async def test_an_id_that_two_send_with_other_content_is_made_once(start: Start) -> None:
    async with start() as one, start() as other:
        accounts = [account() for _ in range(8)]
        await make_accounts(one, *accounts)
        for _ in range(4):
            id_ = str(uuid4())
            sent = [
                {**transfer(accounts[at], accounts[at + 1], at + 1), "id": id_}
                for at in range(0, 8, 2)
            ]
            answers = await asyncio.gather(
                *(move((one, other)[at % 2], each) for at, each in enumerate(sent))
            )
            assert sorted(status for (status,) in answers) == [
                "created",
                *["exists_with_different_debit_account_id"] * 3,
            ]


async def test_what_is_made_between_a_look_and_a_lock_is_looked_at_again(
    audit: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, ada = account(), account()
    await make_accounts(audit, bank, ada)
    held = transfer(bank, ada, 10, "pending")
    await move(audit, held)
    looks, look = [], LedgerRepository._accounts_of

    async def too_early(self: LedgerRepository, ids: set[str]) -> set[str]:
        looks.append(ids)
        return set() if len(looks) <= 2 else await look(self, ids)

    monkeypatch.setattr(LedgerRepository, "_accounts_of", too_early)
    post = {"id": str(uuid4()), "pending_id": held["id"], "flags": ["post_pending_transfer"]}
    assert await move(audit, post) == ["created"]
    assert len(looks) == 4
    assert await balances(audit, ada) == [0, 0, 0, 10]
