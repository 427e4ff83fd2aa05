"""The rules of the ledger: TigerBeetle's state machine, in the order in which it asks its questions.

Source: docs.tigerbeetle.com, reference/requests, and `create_transfer` of its state_machine.zig
(July 2026). Transfers of a chain (`linked`) take effect together or not at all; each sees what those
before it did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TypeVar

from .book import Account, Book, Pending, Transfer
from .repetition import account_repeats, transfer_repeats, waits_as
from .results import (
    AMOUNT_MAX,
    ID_MAX,
    ID_MIN,
    RESOLVES,
    TRANSIENT,
    AccountFlag,
    AccountStatus,
    PendingStatus,
    TransferFlag,
    TransferStatus,
)

E = TypeVar("E", Account, Transfer)
S = TypeVar("S", AccountStatus, TransferStatus)
_S = TransferStatus
_BOTH = AccountFlag.DEBITS_MUST_NOT_EXCEED_CREDITS | AccountFlag.CREDITS_MUST_NOT_EXCEED_DEBITS
_NEVER_TOGETHER = (
    TransferFlag.PENDING | TransferFlag.BALANCING_DEBIT | TransferFlag.BALANCING_CREDIT
)
_OF_PENDING = {
    PendingStatus.POSTED: _S.PENDING_TRANSFER_ALREADY_POSTED,
    PendingStatus.VOIDED: _S.PENDING_TRANSFER_ALREADY_VOIDED,
    PendingStatus.EXPIRED: _S.PENDING_TRANSFER_EXPIRED,
}


@dataclass(slots=True)
class Outcome:
    """What became of the transfers of a request.

    Attributes:
        statuses: Of each, in order.
        proposed: Chains that would take effect, and need an approval first.
        failed: Ids that were used up, with why.
    """

    statuses: list[TransferStatus] = field(default_factory=list)
    proposed: list[list[Transfer]] = field(default_factory=list)
    failed: dict[str, TransferStatus] = field(default_factory=dict)


def create_accounts(book: Book, accounts: Sequence[Account], now: datetime) -> list[AccountStatus]:
    """Add accounts to a book, and return what became of each."""
    statuses: list[AccountStatus] = []
    for chain, is_open in _chains(accounts, AccountFlag.LINKED):
        book.begin()
        found = _run(chain, lambda a: _create_account(book, a, now), AccountStatus, is_open=is_open)
        statuses += _settled(book, found, AccountStatus)
    return statuses


def create_transfers(
    book: Book,
    transfers: Sequence[Transfer],
    now: datetime,
    needs_approval: Callable[[Sequence[Transfer]], bool],
) -> Outcome:
    """Make transfers in a book, and return what became of each.

    Args:
        book: Everything that they name.
        transfers: As they were asked for.
        now: The time.
        needs_approval: Says of a chain, as it would be made, whether somebody has to approve first.
    """
    outcome = Outcome()
    for chain, is_open in _chains(transfers, TransferFlag.LINKED):
        book.begin()
        found = _run(chain, lambda t: _create_transfer(book, t, now), _S, is_open=is_open)
        done = set(found) == {_S.CREATED}
        if done and needs_approval([book.transfers[transfer.id] for transfer in chain]):
            book.undo()
            book.awaiting |= {transfer.id: transfer for transfer in chain}
            outcome.proposed.append(chain)
            outcome.statuses += [_S.AWAITING_APPROVAL] * len(chain)
            continue
        outcome.statuses += _settled(book, found, _S)
        passing = zip(chain, found, strict=True)
        outcome.failed |= {t.id: status for t, status in passing if status in TRANSIENT}
        book.failed |= outcome.failed.keys()
    return outcome


def expire(book: Book, transfer_id: str) -> None:
    """Release what a pending transfer reserved."""
    made = book.transfers[transfer_id]
    book.set_pending(transfer_id, replace(book.pending[transfer_id], status=PendingStatus.EXPIRED))
    book.move(*_accounts(made), pending=-made.amount)


def _chains(
    events: Sequence[E], linked: AccountFlag | TransferFlag
) -> Iterator[tuple[list[E], bool]]:
    """Yield chains, and of each whether its end is missing."""
    chain: list[E] = []
    for event in events:
        chain.append(event)
        if not event.flags.value & linked.value:
            yield chain, False
            chain = []
    if chain:
        yield chain, True


def _run(chain: Sequence[E], create: Callable[[E], S], kind: type[S], *, is_open: bool) -> list[S]:
    """Return what becomes of each of a chain, until one fails."""
    created, found = kind("created"), list[S]()
    for index, event in enumerate(chain):
        if is_open and index == len(chain) - 1:
            found.append(kind("linked_event_chain_open"))
        elif found and found[-1] is not created:
            found.append(kind("linked_event_failed"))
        else:
            found.append(create(event))
    return found


def _settled(book: Book, found: list[S], kind: type[S]) -> list[S]:
    """Return the statuses of a chain; unless all of it was created, it is undone."""
    created = kind("created")
    if set(found) == {created}:
        return found
    book.undo()
    return [kind("linked_event_failed") if status is created else status for status in found]


def _create_account(book: Book, account: Account, now: datetime) -> AccountStatus:
    if account.id == ID_MIN:
        return AccountStatus.ID_MUST_NOT_BE_ZERO
    if account.id == ID_MAX:
        return AccountStatus.ID_MUST_NOT_BE_INT_MAX
    if account.id in book.accounts:
        return account_repeats(account, book.accounts[account.id])
    if _BOTH in account.flags:
        return AccountStatus.FLAGS_ARE_MUTUALLY_EXCLUSIVE
    book.add_account(replace(account, created_at=now))
    return AccountStatus.CREATED


def _create_transfer(book: Book, t: Transfer, now: datetime) -> _S:
    if t.id == ID_MIN:
        return _S.ID_MUST_NOT_BE_ZERO
    if t.id == ID_MAX:
        return _S.ID_MUST_NOT_BE_INT_MAX
    if t.id in book.transfers:
        return transfer_repeats(t, book.transfers[t.id], book)
    if t.id in book.failed:
        return _S.ID_ALREADY_FAILED
    if t.id in book.awaiting:
        return waits_as(t, book.awaiting[t.id])
    if t.flags & RESOLVES:
        return _resolve(book, t, now)
    return _malformed(t) or _transfer(book, t, now)


def _malformed(t: Transfer) -> _S | None:
    """Return what is wrong with a transfer by itself."""
    questions = (
        (t.debit_account_id is None, _S.DEBIT_ACCOUNT_ID_MUST_NOT_BE_ZERO),
        (t.debit_account_id == ID_MAX, _S.DEBIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX),
        (t.credit_account_id is None, _S.CREDIT_ACCOUNT_ID_MUST_NOT_BE_ZERO),
        (t.credit_account_id == ID_MAX, _S.CREDIT_ACCOUNT_ID_MUST_NOT_BE_INT_MAX),
        (t.debit_account_id == t.credit_account_id, _S.ACCOUNTS_MUST_BE_DIFFERENT),
        (t.pending_id is not None, _S.PENDING_ID_MUST_BE_ZERO),
        (
            t.timeout and TransferFlag.PENDING not in t.flags,
            _S.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER,
        ),
        (not t.ledger, _S.LEDGER_MUST_NOT_BE_ZERO),
        (not t.code, _S.CODE_MUST_NOT_BE_ZERO),
    )
    return next((status for wrong, status in questions if wrong), None)


def _transfer(book: Book, t: Transfer, now: datetime) -> _S:
    debit, credit = (book.accounts.get(id_) for id_ in _accounts(t))
    if debit is None:
        return _S.DEBIT_ACCOUNT_NOT_FOUND
    if credit is None:
        return _S.CREDIT_ACCOUNT_NOT_FOUND
    if debit.ledger != credit.ledger:
        return _S.ACCOUNTS_MUST_HAVE_THE_SAME_LEDGER
    if t.ledger != debit.ledger:
        return _S.TRANSFER_MUST_HAVE_THE_SAME_LEDGER_AS_ACCOUNTS
    amount = _balanced(t, debit, credit)
    is_pending = TransferFlag.PENDING in t.flags
    status = _overflow(debit, credit, amount, is_pending=is_pending)
    if status is not None:
        return status
    if debit.refuses_debit(amount):
        return _S.EXCEEDS_CREDITS
    if credit.refuses_credit(amount):
        return _S.EXCEEDS_DEBITS
    book.add_transfer(replace(t, amount=amount, created_at=now))
    if is_pending:
        expires_at = now + timedelta(seconds=t.timeout) if t.timeout else None
        book.set_pending(t.id, Pending(PendingStatus.PENDING, expires_at))
        book.move(debit.id, credit.id, pending=amount)
    else:
        book.move(debit.id, credit.id, posted=amount)
    return _S.CREATED


def _balanced(t: Transfer, debit: Account, credit: Account) -> int:
    """Return the amount: of a balancing transfer what fits, at most what it says."""
    amount = t.amount
    if TransferFlag.BALANCING_DEBIT in t.flags:
        owed = debit.debits_posted + debit.debits_pending
        amount = min(amount, max(0, debit.credits_posted - owed))
    if TransferFlag.BALANCING_CREDIT in t.flags:
        owed = credit.credits_posted + credit.credits_pending
        amount = min(amount, max(0, credit.debits_posted - owed))
    return amount


def _overflow(debit: Account, credit: Account, amount: int, *, is_pending: bool) -> _S | None:
    sums = (
        (is_pending and debit.debits_pending, _S.OVERFLOWS_DEBITS_PENDING),
        (is_pending and credit.credits_pending, _S.OVERFLOWS_CREDITS_PENDING),
        (debit.debits_posted, _S.OVERFLOWS_DEBITS_POSTED),
        (credit.credits_posted, _S.OVERFLOWS_CREDITS_POSTED),
        (debit.debits_pending + debit.debits_posted, _S.OVERFLOWS_DEBITS),
        (credit.credits_pending + credit.credits_posted, _S.OVERFLOWS_CREDITS),
    )
    return next((status for sum_, status in sums if sum_ + amount > AMOUNT_MAX), None)


def _resolve(book: Book, t: Transfer, now: datetime) -> _S:
    """Post or void a pending transfer."""
    if RESOLVES in t.flags or t.flags & _NEVER_TOGETHER:
        return _S.FLAGS_ARE_MUTUALLY_EXCLUSIVE
    if t.pending_id is None:
        return _S.PENDING_ID_MUST_NOT_BE_ZERO
    if t.pending_id == ID_MAX:
        return _S.PENDING_ID_MUST_NOT_BE_INT_MAX
    if t.pending_id == t.id:
        return _S.PENDING_ID_MUST_BE_DIFFERENT
    if t.timeout:
        return _S.TIMEOUT_RESERVED_FOR_PENDING_TRANSFER
    p = book.transfers.get(t.pending_id)
    if p is None:
        return _S.PENDING_TRANSFER_NOT_FOUND
    status = _differs_from_pending(t, p)
    if status is not None:
        return status
    amount = resolved_amount(t, p)
    if amount > p.amount:
        return _S.EXCEEDS_PENDING_TRANSFER_AMOUNT
    posts = TransferFlag.POST_PENDING_TRANSFER in t.flags
    if not posts and amount < p.amount:
        return _S.PENDING_TRANSFER_HAS_DIFFERENT_AMOUNT
    pending = book.pending[p.id]
    if pending.status is not PendingStatus.PENDING:
        return _OF_PENDING[pending.status]
    if pending.expires_at is not None and pending.expires_at <= now:
        return _S.PENDING_TRANSFER_EXPIRED
    book.add_transfer(_completed(t, p, amount, now))
    done = PendingStatus.POSTED if posts else PendingStatus.VOIDED
    book.set_pending(p.id, replace(pending, status=done))
    book.move(*_accounts(p), pending=-p.amount, posted=amount if posts else 0)
    return _S.CREATED


def _differs_from_pending(t: Transfer, p: Transfer) -> _S | None:
    questions = (
        (TransferFlag.PENDING not in p.flags, _S.PENDING_TRANSFER_NOT_PENDING),
        (
            t.debit_account_id not in {None, p.debit_account_id},
            _S.PENDING_TRANSFER_HAS_DIFFERENT_DEBIT_ACCOUNT_ID,
        ),
        (
            t.credit_account_id not in {None, p.credit_account_id},
            _S.PENDING_TRANSFER_HAS_DIFFERENT_CREDIT_ACCOUNT_ID,
        ),
        (t.ledger not in {"", p.ledger}, _S.PENDING_TRANSFER_HAS_DIFFERENT_LEDGER),
        (t.code not in {0, p.code}, _S.PENDING_TRANSFER_HAS_DIFFERENT_CODE),
    )
    return next((status for wrong, status in questions if wrong), None)


def resolved_amount(t: Transfer, p: Transfer) -> int:
    """Return what a posting or voiding transfer asks for: the largest amount posts all, 0 voids all."""
    everything = AMOUNT_MAX if TransferFlag.POST_PENDING_TRANSFER in t.flags else 0
    return p.amount if t.amount == everything else t.amount


def _completed(t: Transfer, p: Transfer, amount: int, now: datetime) -> Transfer:
    """Return a posting or voiding transfer with what the pending one says for it."""
    return replace(
        t,
        amount=amount,
        debit_account_id=p.debit_account_id,
        credit_account_id=p.credit_account_id,
        user_data_128=t.user_data_128 or p.user_data_128,
        user_data_64=t.user_data_64 or p.user_data_64,
        user_data_32=t.user_data_32 or p.user_data_32,
        ledger=p.ledger,
        code=p.code,
        created_at=now,
    )


def _accounts(t: Transfer) -> tuple[str, str]:
    """Return the accounts of a transfer that was checked to have both."""
    return t.debit_account_id or "", t.credit_account_id or ""
