"""Thousands of operations against an oracle: nothing is created, lost, overdrawn or resolved twice.

`LEDGER_OPERATIONS` says how many; the repository's tests run 100,000 with `--all`.
"""

from __future__ import annotations

import asyncio
import dataclasses
import os
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from central_services.audit_service.receipts import check_receipt
from central_services.audit_service.verification import verify_logs

from .conftest import Harness, Start
from .ledger_oracle import Json, Oracle

OPERATIONS = int(os.environ.get("LEDGER_OPERATIONS", "1000"))
EXAMPLES, STEPS = 3, 20
BATCH = 40 if OPERATIONS < 10_000 else 100
SIDES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
ACCOUNTS = (
    ("EUR", []),
    ("EUR", ["debits_must_not_exceed_credits"]),
    ("EUR", ["debits_must_not_exceed_credits"]),
    ("EUR", ["credits_must_not_exceed_debits"]),
    ("USD", []),
    ("USD", ["debits_must_not_exceed_credits"]),
)
KINDS = (
    *("plain", "plain", "plain", "pending", "pending", "post", "post", "void"),
    *("balancing_debit", "balancing_credit", "again", "again", "other", "unknown"),
)

# What is drawn for one operation: what kind, between which accounts, how much, and which earlier one it is about.
OPERATION = st.tuples(
    st.sampled_from(KINDS),
    st.integers(0, len(ACCOUNTS) - 1),
    st.integers(0, len(ACCOUNTS) - 1),
    st.integers(0, 60),
    st.integers(0, 9),
    st.booleans(),
)


class World:
    """A running service, whose clock stands still until a test moves it."""

    def __init__(self, runner: asyncio.Runner, audit: Harness) -> None:
        self.runner, self.audit = runner, audit
        self.now, self.tenants, self.operations = 0.0, count(), 0
        start = datetime(2026, 11, 22, tzinfo=UTC)
        audit.app.state.audit_service = dataclasses.replace(
            audit.parts, clock=lambda: start + timedelta(seconds=self.now)
        )

    def post(self, tenant: str, path: str, body: Json) -> Json:
        """Post, and return the answer."""
        work = self.audit.post(f"/v1/ledger/{path}", body, "ledger:write", org=tenant)
        answer = self.runner.run(work)
        assert answer.status_code == 200, answer.text
        found: Json = answer.json()
        return found

    def get(self, tenant: str, path: str, **query: Any) -> Any:
        """Get, and return the answer."""
        return self.runner.run(self.audit.get(path, "ledger:read", org=tenant, **query))


def machine_of(world: World) -> type[RuleBasedStateMachine]:
    """Return the operations on a tenant of its own, as Hypothesis runs them."""

    class Ledger(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.tenant = f"tenant-{next(world.tenants)}"
            self.oracle, self.numbers = Oracle(), count(1)
            self.sent: list[Json] = []
            accounts = [
                {"id": self.new_id(), "ledger": ledger, "code": 1, "flags": flags}
                for ledger, flags in ACCOUNTS
            ]
            for account in accounts:
                self.oracle.add_account(account)
            self.ids = [account["id"] for account in accounts]
            world.post(self.tenant, "accounts", {"accounts": accounts})

        def new_id(self) -> str:
            return str(UUID(int=next(self.numbers)))

        @rule(operations=st.lists(OPERATION, min_size=BATCH // 2, max_size=BATCH))
        def move(self, operations: list[tuple[str, int, int, int, int, bool]]) -> None:
            batch = [self.transfer(*operation) for operation in operations]
            expected = self.oracle.batch(batch, world.now)
            found = world.post(self.tenant, "transfers", {"transfers": batch})["results"]
            assert [result["status"] for result in found] == expected
            self.sent += batch
            world.operations += len(batch)

        @rule(seconds=st.sampled_from([1, 29, 31, 120]))
        def wait(self, seconds: int) -> None:
            world.now += seconds

        @invariant()
        def balances_are_those_of_the_oracle(self) -> None:
            self.oracle.tick(world.now)
            found = world.get(self.tenant, "/v1/ledger/accounts", limit=50)["items"]
            assert [account["id"] for account in found] == self.ids
            sums: dict[str, int] = {}
            for account in found:
                sides = [int(account[side]) for side in SIDES]
                assert sides == [self.oracle.accounts[account["id"]][side] for side in SIDES]
                spent, taken = sides[0] + sides[1], sides[2] + sides[3]
                assert min(sides) >= 0
                if "debits_must_not_exceed_credits" in account["flags"]:
                    assert spent <= sides[3]
                if "credits_must_not_exceed_debits" in account["flags"]:
                    assert taken <= sides[1]
                sums[account["ledger"]] = sums.get(account["ledger"], 0) + spent - taken
            assert set(sums.values()) == {0}

        def transfer(
            self, kind: str, debit: int, credit: int, amount: int, back: int, linked: bool
        ) -> Json:
            """Return a transfer as it goes over the wire."""
            flags = ["linked"] * (linked and back < 5)
            earlier = self.sent[-1 - back % len(self.sent)] if self.sent else None
            if kind == "again" and earlier:
                return earlier
            if kind == "other" and earlier:
                return {**earlier, "amount": str(amount)}
            if kind in {"post", "void"}:
                pending = [sent["id"] for sent in self.sent if "pending" in sent["flags"]]
                about = pending[-1 - back % len(pending)] if pending else self.new_id()
                said: Json = {} if back % 2 else {"amount": str(amount)}
                flags.append(f"{kind}_pending_transfer")
                return {"id": self.new_id(), "pending_id": about, "flags": flags, **said}
            flags += [kind] * kind.startswith(("pending", "balancing"))
            return {
                "id": self.new_id(),
                "debit_account_id": self.new_id() if kind == "unknown" else self.ids[debit],
                "credit_account_id": self.ids[credit],
                "amount": str(amount),
                "timeout": 30 if kind == "pending" and back % 3 == 0 else 0,
                "ledger": ACCOUNTS[debit][0],
                "code": 1,
                "flags": flags,
            }

        def teardown(self) -> None:
            made = self.listed()
            assert made == {key: t["moved"] for key, t in self.oracle.transfers.items()}
            self.prove(list(made))

        def listed(self) -> dict[str, int]:
            """Return all transfers, each of which says who asked and who allowed it."""
            found, query = dict[str, int](), dict[str, Any](limit=200)
            while True:
                page = world.get(self.tenant, "/v1/ledger/transfers", **query)
                for item in page["items"]:
                    assert item["actor"]["id"] == "orders"
                    assert item["authorisation"]["token"] == "token-1"
                    assert item["authorisation"]["policy"]
                    found[item["id"]] = int(item["amount"])
                if page["next"] is None:
                    return found
                query["cursor"] = page["next"]

        def prove(self, ids: list[str]) -> None:
            """Check that the log commits to each transfer, and that verification finds nothing."""
            world.runner.run(world.audit.sealed())
            keys = world.runner.run(world.audit.http.get("/v1/log/keys")).json()["keys"]
            for id_ in ids[:: max(1, len(ids) // 5)]:
                proof = world.get(self.tenant, f"/v1/ledger/transfers/{id_}/proof")
                check_receipt(proof["receipt"], proof["event"], log_keys=keys, witness_keys=())
            world.runner.run(world.audit.sealed())  # a look may have let something expire
            parts = world.audit.parts
            verified = verify_logs(parts.database, parts.keys, parts.codec, self.tenant)
            (report,) = world.runner.run(verified)
            assert (report.findings, report.transfers) == ([], len(ids))
            assert report.unsealed == 0

    return Ledger


def test_the_ledger_answers_as_the_oracle_does(start: Start) -> None:
    with asyncio.Runner() as runner:
        service = start()
        world = World(runner, runner.run(service.__aenter__()))
        try:
            for number in count():
                machine = seed(number)(machine_of(world))
                run_state_machine_as_test(machine, settings=_SETTINGS)
                if world.operations >= OPERATIONS:
                    break
        finally:
            runner.run(service.__aexit__(None, None, None))


_SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    database=None,
    phases=[Phase.generate],  # a failure is told at once; shrinking 1,000 transfers takes minutes
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
)
