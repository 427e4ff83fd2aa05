"""The ledger's tables as queries, and as the book that the rules work on; it never commits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.ext.asyncio import AsyncSession

from .book import Account, Book, Pending, Transfer
from .models import AccountRow, ClaimRow, PendingRow, ProposalRow, TransferRow
from .results import AccountFlag, PendingStatus, TransferFlag, TransferStatus

USED = frozenset({TransferStatus.CREATED, TransferStatus.AWAITING_APPROVAL})
"""States of an id that is not used up by a failure."""

_BALANCES = ("debits_pending", "debits_posted", "credits_pending", "credits_posted")
_DESCRIBED = (
    *("id", "ledger", "code", "user_data_128", "user_data_64", "user_data_32", "created_at"),
)
_MOVES = ("debit_account_id", "credit_account_id", "amount", "pending_id", "timeout")


class MovedError(Exception):
    """Another request was faster; never seen outside of the ledger."""


def account_of(row: AccountRow) -> Account:
    """Return an account as it is stored."""
    values = {name: getattr(row, name) for name in (*_DESCRIBED, *_BALANCES)}
    return Account(**values, flags=AccountFlag(row.flags))


def transfer_of(row: TransferRow) -> Transfer:
    """Return a transfer as it is stored."""
    values = {name: getattr(row, name) for name in (*_DESCRIBED, *_MOVES)}
    return Transfer(**values, flags=TransferFlag(row.flags))


class LedgerRepository:
    """Accounts, transfers and proposals; `kit.tenancy` says of which tenant."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self._accounts: dict[str, AccountRow] = {}
        self._pending: dict[str, PendingRow] = {}

    # --- what a request is about -----------------------------------------------------------------

    async def open_accounts(self, ids: Iterable[str]) -> Book:
        """Return a book with those of the accounts that exist."""
        await self._lock(ids)
        return Book(accounts={key: account_of(row) for key, row in self._accounts.items()})

    async def open_transfers(
        self, transfers: Sequence[Transfer], now: datetime, *, due: Iterable[str] = ()
    ) -> tuple[Book, list[str]]:
        """Return a book with what transfers name, and the pending ones in it that are due, in order.

        The accounts are locked, in the order of their ids; what is looked at afterwards changes under
        that lock alone, so it stays as it is until the end of the transaction.

        Args:
            transfers: The transfers that are asked for.
            now: The time.
            due: Pending transfers that expire, beside those of the accounts.

        Raises:
            MovedError: What was looked at has changed before it was locked: begin again.
        """
        ids = {t.id for t in transfers} | {t.pending_id for t in transfers if t.pending_id}
        named = {a for t in transfers for a in (t.debit_account_id, t.credit_account_id) if a}
        named |= await self._accounts_of({*ids, *due})
        late = {*due, *await self._due(named, now)}
        await self._lock(named | await self._accounts_of(late))
        stored = {row.id: transfer_of(row) for row in await self._transfers(ids | late)}
        if any(account not in self._accounts for t in stored.values() for account in _sides(t)):
            raise MovedError  # somebody made one of them after its accounts were looked for
        await self._read_pending(stored)
        pending = {
            key: Pending(PendingStatus(row.status), row.expires_at)
            for key, row in self._pending.items()
        }
        book = Book(
            accounts={key: account_of(row) for key, row in self._accounts.items()},
            transfers=stored,
            pending=pending,
        )
        still = [key for key in late if key in pending and _is_due(pending[key], now)]
        return book, sorted(still, key=lambda key: (pending[key].expires_at or now, key))

    async def claims(self, ids: Iterable[str]) -> dict[str, ClaimRow]:
        """Return what ids are used for."""
        query = select(ClaimRow).where(ClaimRow.id.in_(sorted(set(ids))))
        return {row.id: row for row in await self.session.scalars(query)}

    async def _accounts_of(self, ids: set[str]) -> set[str]:
        """Return the accounts of transfers, which never change."""
        row = TransferRow
        query = select(row.debit_account_id, row.credit_account_id).where(row.id.in_(sorted(ids)))
        return {id_ for pair in await self.session.execute(query) for id_ in pair} if ids else set()

    async def _lock(self, ids: Iterable[str]) -> None:
        query = select(AccountRow).where(AccountRow.id.in_(sorted(set(ids))))
        query = query.order_by(AccountRow.id).with_for_update()
        self._accounts |= {row.id: row for row in await self.session.scalars(query)}

    async def _due(self, accounts: set[str], now: datetime) -> Sequence[str]:
        row = TransferRow
        query = select(PendingRow.id).join(row, _same_transfer()).where(_due_at(now))
        ids = sorted(accounts)
        query = query.where(or_(row.debit_account_id.in_(ids), row.credit_account_id.in_(ids)))
        return (await self.session.scalars(query)).all() if ids else ()

    async def _transfers(self, ids: Iterable[str]) -> Sequence[TransferRow]:
        query = select(TransferRow).where(TransferRow.id.in_(sorted(ids)))
        return (await self.session.scalars(query)).all()

    async def _read_pending(self, ids: Iterable[str]) -> None:
        query = select(PendingRow).where(PendingRow.id.in_(sorted(ids)))
        self._pending |= {row.id: row for row in await self.session.scalars(query)}

    # --- what became of it -----------------------------------------------------------------------

    def store(self, book: Book) -> None:
        """Write what changed in accounts and pending transfers that were there."""
        for key, row in self._accounts.items():
            for name in _BALANCES:
                value = getattr(book.accounts[key], name)
                if getattr(row, name) != value:
                    setattr(row, name, value)
        for key, state in self._pending.items():
            if state.status != book.pending[key].status.value:
                state.status = book.pending[key].status.value

    def add(self, *rows: AccountRow | TransferRow | PendingRow | ClaimRow | ProposalRow) -> None:
        """Add rows."""
        self.session.add_all(rows)

    # --- reading ---------------------------------------------------------------------------------

    async def account(self, id_: str) -> AccountRow | None:
        """Return an account."""
        return (await self.session.scalars(select(AccountRow).where(AccountRow.id == id_))).first()

    async def accounts(self, *, after: int, limit: int) -> Sequence[AccountRow]:
        """Return accounts in the order in which they came."""
        query = select(AccountRow).where(AccountRow.n > after).order_by(AccountRow.n).limit(limit)
        return (await self.session.scalars(query)).all()

    async def transfer(self, id_: str) -> TransferRow | None:
        """Return a transfer."""
        return next(iter(await self._transfers([id_])), None)

    async def transfers(
        self, *, before: int | None, limit: int, account: str = ""
    ) -> Sequence[TransferRow]:
        """Return transfers, of an account or all, the latest first."""
        row = TransferRow
        query = select(row).order_by(row.n.desc()).limit(limit)
        if before is not None:
            query = query.where(row.n < before)
        if account:
            query = query.where(
                or_(row.debit_account_id == account, row.credit_account_id == account)
            )
        return (await self.session.scalars(query)).all()

    async def pending(self, ids: Iterable[str]) -> dict[str, PendingRow]:
        """Return what became of pending transfers."""
        await self._read_pending(ids)
        return self._pending

    async def due(
        self, now: datetime, *, limit: int, accounts: Sequence[str] | None = None
    ) -> Sequence[tuple[str, str]]:
        """Return tenants and ids of pending transfers that are due, the earliest first.

        Args:
            now: The time.
            limit: The most.
            accounts: Only those of these accounts; None for all.
        """
        query = select(PendingRow.tenant_id, PendingRow.id).where(_due_at(now))
        if accounts is not None:
            row, ids = TransferRow, sorted(accounts)
            query = query.join(row, _same_transfer())
            query = query.where(or_(row.debit_account_id.in_(ids), row.credit_account_id.in_(ids)))
        query = query.order_by(PendingRow.expires_at, PendingRow.n).limit(limit)
        return [(tenant, id_) for tenant, id_ in await self.session.execute(query)]

    # --- proposals -------------------------------------------------------------------------------

    async def proposal(self, transfer_id: str) -> ProposalRow | None:
        """Return the proposal that a transfer is part of, which nobody else may decide meanwhile."""
        claimed = select(ClaimRow.proposal).where(ClaimRow.id == transfer_id)
        id_ = (await self.session.scalars(claimed)).first()
        query = select(ProposalRow).where(ProposalRow.id == (id_ or "")).with_for_update()
        return (await self.session.scalars(query)).first()

    async def proposed(self, proposal_id: str) -> Sequence[ClaimRow]:
        """Return what the transfers of a proposal hold of their ids."""
        query = select(ClaimRow).where(ClaimRow.proposal == proposal_id).order_by(ClaimRow.id)
        return (await self.session.scalars(query)).all()

    async def proposals(self, *, after: int, limit: int) -> Sequence[ProposalRow]:
        """Return open proposals in the order in which they came."""
        row = ProposalRow
        query = select(row).where(row.status == "open", row.n > after).order_by(row.n)
        return (await self.session.scalars(query.limit(limit))).all()

    async def late_proposals(self, now: datetime, *, limit: int) -> Sequence[ProposalRow]:
        """Return open proposals that can't be approved any more, which nobody else may decide."""
        row = ProposalRow
        query = select(row).where(row.status == "open", row.expires_at <= now).order_by(row.n)
        return (await self.session.scalars(query.limit(limit).with_for_update())).all()


def _sides(transfer: Transfer) -> tuple[str, str]:
    return transfer.debit_account_id or "", transfer.credit_account_id or ""


def _same_transfer() -> ColumnElement[bool]:
    return (PendingRow.tenant_id == TransferRow.tenant_id) & (PendingRow.id == TransferRow.id)


def _due_at(now: datetime) -> ColumnElement[bool]:
    return (PendingRow.status == PendingStatus.PENDING.value) & (PendingRow.expires_at <= now)


def _is_due(pending: Pending, now: datetime) -> bool:
    is_late = pending.expires_at is not None and pending.expires_at <= now
    return is_late and pending.status is PendingStatus.PENDING
