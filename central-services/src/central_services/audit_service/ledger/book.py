"""What the rules look at and change: accounts and transfers in memory, with a way back.

The repository fills a book with what a request is about, the rules change it, and the repository
stores what is new. Nothing here knows of a database.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from .results import (
    NO_ACCOUNT_FLAG,
    NO_TRANSFER_FLAG,
    AccountFlag,
    PendingStatus,
    TransferFlag,
)


@dataclass(frozen=True, slots=True)
class Account:
    """An account; amounts are minor units of its currency.

    Attributes:
        id: A UUID, as text.
        ledger: Its currency (ISO 4217).
        code: What kind of account it is.
        flags: What it promises.
        user_data_128: The caller's, a UUID; None for none.
        user_data_64: The caller's.
        user_data_32: The caller's.
        debits_pending: Reserved debits.
        debits_posted: Debits.
        credits_pending: Reserved credits.
        credits_posted: Credits.
        created_at: When it was made.
    """

    id: str
    ledger: str
    code: int
    flags: AccountFlag = NO_ACCOUNT_FLAG
    user_data_128: str | None = None
    user_data_64: int = 0
    user_data_32: int = 0
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    created_at: datetime | None = None

    def refuses_debit(self, amount: int) -> bool:
        """Whether a debit would exceed the credits that are posted, and must not."""
        total = self.debits_pending + self.debits_posted + amount
        limited = AccountFlag.DEBITS_MUST_NOT_EXCEED_CREDITS in self.flags
        return limited and total > self.credits_posted

    def refuses_credit(self, amount: int) -> bool:
        """Whether a credit would exceed the debits that are posted, and must not."""
        total = self.credits_pending + self.credits_posted + amount
        limited = AccountFlag.CREDITS_MUST_NOT_EXCEED_DEBITS in self.flags
        return limited and total > self.debits_posted


@dataclass(frozen=True, slots=True)
class Transfer:
    """A transfer, as asked for or as it was made.

    Attributes:
        id: A UUID, as text.
        amount: Minor units.
        debit_account_id: Whose debits grow; None where the pending transfer says it.
        credit_account_id: Whose credits grow; None where the pending transfer says it.
        pending_id: The pending transfer that it posts or voids.
        user_data_128: The caller's, a UUID; None for none.
        user_data_64: The caller's.
        user_data_32: The caller's.
        timeout: Seconds after which a pending transfer expires; 0 for never.
        ledger: Its currency; empty where the pending transfer says it.
        code: Why, as a number; 0 where the pending transfer says it.
        flags: How it behaves.
        created_at: When it was made; None before.
    """

    id: str
    amount: int
    debit_account_id: str | None = None
    credit_account_id: str | None = None
    pending_id: str | None = None
    user_data_128: str | None = None
    user_data_64: int = 0
    user_data_32: int = 0
    timeout: int = 0
    ledger: str = ""
    code: int = 0
    flags: TransferFlag = NO_TRANSFER_FLAG
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Pending:
    """What became of a pending transfer.

    Attributes:
        status: What.
        expires_at: When it expires; None for never.
    """

    status: PendingStatus
    expires_at: datetime | None


_NOTHING = object()


@dataclass(slots=True)
class Book:
    """Accounts and transfers that a request is about.

    Attributes:
        accounts: By id.
        transfers: Those that exist, by id.
        pending: What became of those that were made pending.
        failed: Ids that were used up by a failure.
        awaiting: Transfers that wait for an approval, as they were asked for.
        made: Ids of new accounts and transfers, in order.
    """

    accounts: dict[str, Account] = field(default_factory=dict)
    transfers: dict[str, Transfer] = field(default_factory=dict)
    pending: dict[str, Pending] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)
    awaiting: dict[str, Transfer] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    _undo: list[tuple[dict[str, Any], str, Any]] = field(default_factory=list)
    _since: int = 0

    def begin(self) -> None:
        """Remember this moment."""
        self._undo.clear()
        self._since = len(self.made)

    def undo(self) -> None:
        """Go back to the last `begin`."""
        for table, key, before in reversed(self._undo):
            if before is _NOTHING:
                del table[key]
            else:
                table[key] = before
        self._undo.clear()
        del self.made[self._since :]

    def add_account(self, account: Account) -> None:
        """Add a new account."""
        self._put(self.accounts, account.id, account)
        self.made.append(account.id)

    def add_transfer(self, transfer: Transfer) -> None:
        """Add a new transfer; `move` changes the balances."""
        self._put(self.transfers, transfer.id, transfer)
        self.made.append(transfer.id)

    def set_pending(self, transfer_id: str, pending: Pending) -> None:
        """Say what became of a pending transfer."""
        self._put(self.pending, transfer_id, pending)

    def move(self, debit_id: str, credit_id: str, *, pending: int = 0, posted: int = 0) -> None:
        """Add to the balances of two accounts; what is released is negative."""
        debit, credit = self.accounts[debit_id], self.accounts[credit_id]
        debit = replace(
            debit,
            debits_pending=debit.debits_pending + pending,
            debits_posted=debit.debits_posted + posted,
        )
        credit = replace(
            credit,
            credits_pending=credit.credits_pending + pending,
            credits_posted=credit.credits_posted + posted,
        )
        self._put(self.accounts, debit_id, debit)
        self._put(self.accounts, credit_id, credit)

    def _put(self, table: dict[str, Any], key: str, value: object) -> None:
        self._undo.append((table, key, table.get(key, _NOTHING)))
        table[key] = value
