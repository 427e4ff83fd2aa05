"""Accounts and transfers of one tenant: made, looked at, expired.

The rows of a request, the balances that it changes and its events in the tenant's log are one
transaction: either all of it is there or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.database import Database, DatabaseUnavailableError
from ...kit.tenancy import as_tenant
from ..ingest import Ingest
from ..payloads import PayloadCodec
from .book import Account, Book, Transfer
from .policy import FourEyes
from .proposals import read_awaiting
from .records import SYSTEM, Party, describe_transfer
from .repository import USED, LedgerRepository, MovedError
from .results import AccountStatus, TransferStatus
from .rules import Outcome, create_accounts, create_transfers, expire
from .writing import Approval, Writer

T = TypeVar("T")

ATTEMPTS = 20
"""Another request may use the same id at the same moment, or the database may break a deadlock."""

_CONFLICTS = frozenset({"40001", "40P01"})
"""Serialization failure and deadlock: the transaction is to be done again (PostgreSQL, appendix A)."""

STEP = 100
"""Pending transfers that expire in one transaction."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an account or a transfer.

    Attributes:
        id: Its id.
        status: What.
        at: When it was made; of one that was not, when that was found out.
    """

    id: str
    status: AccountStatus | TransferStatus
    at: datetime


@dataclass(frozen=True, slots=True)
class LedgerService:
    """Works for one tenant.

    Attributes:
        database: Where everything is.
        ingest: Makes rows of events.
        codec: Opens events, and marks rows.
        four_eyes: When somebody has to approve.
        clock: Tells the time.
        stored: Called after a transaction that stored events.
        tenant: The tenant.
    """

    database: Database
    ingest: Ingest
    codec: PayloadCodec
    four_eyes: FourEyes
    clock: Callable[[], datetime]
    stored: Callable[[], None]
    tenant: str

    async def create_accounts(self, accounts: Sequence[Account], by: Party) -> list[Result]:
        """Make accounts, and return what became of each."""

        async def work(session: AsyncSession) -> list[Result]:
            repository, now = LedgerRepository(session), self.clock()
            book = await repository.open_accounts(account.id for account in accounts)
            statuses = create_accounts(book, accounts, now)
            writer = self.writer(repository, now)
            for id_ in book.made:
                writer.account(book.accounts[id_], by)
            await writer.write()
            return [
                Result(account.id, status, _moment(book.accounts.get(account.id), status, now))
                for account, status in zip(accounts, statuses, strict=True)
            ]

        return await self.in_transaction(work, by)

    async def create_transfers(self, transfers: Sequence[Transfer], by: Party) -> list[Result]:
        """Make transfers, and return what became of each."""

        async def work(session: AsyncSession) -> list[Result]:
            repository, now = LedgerRepository(session), self.clock()
            writer = self.writer(repository, now)
            results, _ = await self.apply(repository, writer, transfers, by, now)
            await writer.write()
            return results

        return await self.in_transaction(work, by)

    async def apply(
        self,
        repository: LedgerRepository,
        writer: Writer,
        transfers: Sequence[Transfer],
        by: Party,
        now: datetime,
        approval: Approval | None = None,
    ) -> tuple[list[Result], Outcome]:
        """Make transfers inside a transaction; with an approval, those of its proposal."""
        book, due = await repository.open_transfers(transfers, now)
        claims = await repository.claims(t.id for t in transfers)
        book.failed |= {key for key, claim in claims.items() if claim.status not in USED}
        if approval is None:
            await read_awaiting(repository.session, self.codec, book, claims.values())
        self._expire(book, due, writer)
        outcome = create_transfers(
            book, transfers, now, lambda chain: approval is None and self.four_eyes.is_needed(chain)
        )
        repository.store(book)
        self._record(book, outcome, writer, by, approval)
        results = [
            Result(t.id, status, _moment(book.transfers.get(t.id), status, now))
            for t, status in zip(transfers, outcome.statuses, strict=True)
        ]
        return results, outcome

    def _record(
        self, book: Book, outcome: Outcome, writer: Writer, by: Party, approval: Approval | None
    ) -> None:
        for id_ in book.made:
            writer.transfer(book.transfers[id_], book.pending.get(id_), by, approval)
        for chain in outcome.proposed:
            policy = self.four_eyes.name(chain)
            writer.proposal(chain, by, policy=policy, valid_s=self.four_eyes.valid_s)
        if approval is None:
            for id_, status in sorted(outcome.failed.items()):
                writer.claim(id_, status)

    def _expire(self, book: Book, due: Sequence[str], writer: Writer) -> None:
        for id_ in due:
            expire(book, id_)
            made = book.transfers[id_]
            says = {"transfer": describe_transfer(made)}
            writer.event("expiry", id_, "ledger.transfer_expired", by=SYSTEM, says=says)

    async def expire(self, ids: Sequence[str]) -> int:
        """Release what pending transfers that are due have reserved, and return how many that were."""

        async def work(session: AsyncSession) -> int:
            repository, now = LedgerRepository(session), self.clock()
            book, due = await repository.open_transfers((), now, due=ids)
            writer = self.writer(repository, now)
            self._expire(book, due, writer)
            repository.store(book)
            await writer.write()
            return len(due)

        return await self.in_transaction(work)

    async def expire_of(self, accounts: Sequence[str]) -> None:
        """Release what is due of some accounts, so that who reads them sees the balances of now."""
        while True:
            with as_tenant(self.tenant):
                async with self.database.read() as session:
                    due = await LedgerRepository(session).due(
                        self.clock(), limit=STEP, accounts=accounts
                    )
            if not due:
                return
            await self.expire([id_ for _, id_ in due])

    def writer(self, repository: LedgerRepository, now: datetime) -> Writer:
        """Return what collects the rows of a transaction."""
        return Writer(repository, self.ingest, self.codec, self.tenant, now)

    async def in_transaction(
        self, work: Callable[[AsyncSession], Awaitable[T]], by: Party | None = None
    ) -> T:
        """Return what some work returns; it is done again when another request was in its way.

        Raises:
            DatabaseUnavailableError: The database can't be had, or others were in the way each time.
        """
        if by is not None and by.is_user:
            # Outside of the transaction: it waits for another disk.
            await asyncio.to_thread(self.codec.prepare_people, self.tenant, [by.subject])
        for attempt in range(1, ATTEMPTS + 1):
            try:
                with as_tenant(self.tenant):
                    async with self.database.transaction() as session:
                        result = await work(session)
            except (IntegrityError, MovedError):
                if attempt == ATTEMPTS:
                    raise DatabaseUnavailableError(headers={"Retry-After": "1"}) from None
            except DatabaseUnavailableError as error:
                if attempt == ATTEMPTS or not _is_conflict(error):
                    raise
            else:
                self.stored()
                return result
        raise AssertionError


def _is_conflict(error: DatabaseUnavailableError) -> bool:
    cause = error.__cause__
    state = getattr(cause.orig, "sqlstate", None) if isinstance(cause, DBAPIError) else None
    return state in _CONFLICTS


def _moment(made: Account | Transfer | None, status: str, now: datetime) -> datetime:
    """Return when something was made, or when it was found that it is not."""
    is_there = status in {"created", "exists"} and made is not None
    return (made.created_at or now) if is_there and made is not None else now
