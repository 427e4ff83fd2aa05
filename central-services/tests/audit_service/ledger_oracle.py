"""What TigerBeetle would answer, written from its documentation alone: dictionaries, copies, no shared code."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]
ALL = 2**128 - 1
RESOLVING = {"post_pending_transfer", "void_pending_transfer"}


class Oracle:
    """A ledger that does everything the slow and plain way; time is in seconds."""

    def __init__(self) -> None:
        self.accounts: dict[str, Json] = {}
        self.transfers: dict[str, Json] = {}
        self.dead: set[str] = set()

    def add_account(self, account: Json) -> None:
        """Know an account."""
        zero = {"debits_pending": 0, "debits_posted": 0, "credits_pending": 0, "credits_posted": 0}
        self.accounts[account["id"]] = {**account, **zero}

    def tick(self, now: float) -> None:
        """Release what nobody resolved in time."""
        for transfer in self.transfers.values():
            if transfer.get("state") == "pending" and transfer["ends"] <= now:
                transfer["state"] = "expired"
                self._add(transfer, "pending", -transfer["moved"])

    def batch(self, transfers: list[Json], now: float) -> list[str]:
        """Return the status of each."""
        self.tick(now)
        answers: list[str] = []
        while len(answers) < len(transfers):
            rest = transfers[len(answers) :]
            ends = next((i for i, t in enumerate(rest) if "linked" not in t["flags"]), None)
            chain = rest if ends is None else rest[: ends + 1]
            answers += self._chain(chain, now, is_open=ends is None)
        return answers

    def _chain(self, chain: list[Json], now: float, *, is_open: bool) -> list[str]:
        tables = (self.accounts, self.transfers)
        before = [{key: dict(value) for key, value in table.items()} for table in tables]
        answers: list[str] = []
        for at, transfer in enumerate(chain):
            if is_open and at == len(chain) - 1:
                answers.append("linked_event_chain_open")
            elif answers and answers[-1] != "created":
                answers.append("linked_event_failed")
            else:
                answers.append(self._one(transfer, now))
        if set(answers) == {"created"}:
            return answers
        self.accounts, self.transfers = before
        for transfer, answer in zip(chain, answers, strict=True):
            if answer.endswith("_not_found") or answer in {"exceeds_credits", "exceeds_debits"}:
                self.dead.add(transfer["id"])
        return ["linked_event_failed" if answer == "created" else answer for answer in answers]

    def _one(self, t: Json, now: float) -> str:
        if t["id"] in self.transfers:
            return self._again(t, self.transfers[t["id"]])
        if t["id"] in self.dead:
            return "id_already_failed"
        if RESOLVING & set(t["flags"]):
            return self._second(t)
        if t["debit_account_id"] == t["credit_account_id"]:
            return "accounts_must_be_different"
        if t.get("timeout") and "pending" not in t["flags"]:
            return "timeout_reserved_for_pending_transfer"
        if t["debit_account_id"] not in self.accounts:
            return "debit_account_not_found"
        if t["credit_account_id"] not in self.accounts:
            return "credit_account_not_found"
        debit, credit = (self.accounts[t[s + "_account_id"]] for s in ("debit", "credit"))
        if debit["ledger"] != credit["ledger"]:
            return "accounts_must_have_the_same_ledger"
        if t["ledger"] != debit["ledger"]:
            return "transfer_must_have_the_same_ledger_as_accounts"
        amount = int(t["amount"])
        if "balancing_debit" in t["flags"]:
            room = debit["credits_posted"] - debit["debits_posted"] - debit["debits_pending"]
            amount = min(amount, max(room, 0))
        if "balancing_credit" in t["flags"]:
            room = credit["debits_posted"] - credit["credits_posted"] - credit["credits_pending"]
            amount = min(amount, max(room, 0))
        spent = debit["debits_pending"] + debit["debits_posted"] + amount
        if "debits_must_not_exceed_credits" in debit["flags"] and spent > debit["credits_posted"]:
            return "exceeds_credits"
        taken = credit["credits_pending"] + credit["credits_posted"] + amount
        if "credits_must_not_exceed_debits" in credit["flags"] and taken > credit["debits_posted"]:
            return "exceeds_debits"
        made = {**t, "moved": amount}
        if "pending" in t["flags"]:
            made |= {"state": "pending", "ends": now + t["timeout"] if t.get("timeout") else 1e18}
        self.transfers[t["id"]] = made
        self._add(made, "pending" if "pending" in t["flags"] else "posted", amount)
        return "created"

    def _second(self, t: Json) -> str:
        pending = self.transfers.get(t["pending_id"])
        if pending is None:
            return "pending_transfer_not_found"
        if "state" not in pending:
            return "pending_transfer_not_pending"
        posts = "post_pending_transfer" in t["flags"]
        amount = pending["moved"] if t.get("amount") is None else int(t["amount"])
        if amount == 0 and not posts:
            amount = pending["moved"]
        if amount > pending["moved"]:
            return "exceeds_pending_transfer_amount"
        if amount < pending["moved"] and not posts:
            return "pending_transfer_has_different_amount"
        if pending["state"] == "expired":
            return "pending_transfer_expired"
        if pending["state"] != "pending":
            return "pending_transfer_already_" + pending["state"]
        pending["state"] = "posted" if posts else "voided"
        self.transfers[t["id"]] = {**t, "moved": amount}
        self._add(pending, "pending", -pending["moved"])
        if posts:
            self._add(pending, "posted", amount)
        return "created"

    def _again(self, t: Json, made: Json) -> str:
        for name in ("flags", "pending_id", "timeout", "debit_account_id", "credit_account_id"):
            if t.get(name) != made.get(name):
                return f"exists_with_different_{name}"
        return "exists" if self._same_amount(t, made) else "exists_with_different_amount"

    def _same_amount(self, t: Json, made: Json) -> bool:
        if RESOLVING & set(t["flags"]):
            said, whole = t.get("amount"), self.transfers[t["pending_id"]]["moved"]
            voids_all = "void_pending_transfer" in t["flags"] and said == "0"
            return bool((whole if said is None or voids_all else int(said)) == made["moved"])
        if any(flag.startswith("balancing") for flag in t["flags"]):
            return bool(int(t["amount"]) >= made["moved"])
        return bool(int(t["amount"]) == made["moved"])

    def _add(self, transfer: Json, kind: str, amount: int) -> None:
        self.accounts[transfer["debit_account_id"]][f"debits_{kind}"] += amount
        self.accounts[transfer["credit_account_id"]][f"credits_{kind}"] += amount
