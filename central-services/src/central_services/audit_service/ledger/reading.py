"""What readers see: balances of now, and with each transfer who asked for it and who allowed it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from ...kit.tenancy import as_tenant
from ..errors import UnknownThingError
from ..repository import EventRepository
from .book import Account, Transfer
from .records import SOURCE, describe_transfer, event_id
from .repository import LedgerRepository, account_of, transfer_of
from .service import LedgerService


@dataclass(frozen=True, slots=True)
class Made:
    """A transfer with what became of it and what its event says.

    Attributes:
        n: Its place in the order of transfers.
        transfer: The transfer.
        pending_status: What became of it, if it was made pending.
        seq: The index of its event in the log; None until it is sealed.
        event: Its event; None when a person in it was shredded.
    """

    n: int
    transfer: Transfer
    pending_status: str | None
    seq: int | None
    event: Mapping[str, Any] | None

    def describe(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        data = self.event["data"] if self.event else {}
        user = data.get("actor", {}).get("user", {})
        actor = {
            "id": user.get("uid"),
            "kind": "user" if user.get("type_id") == 1 else "service",
            "token": data.get("actor", {}).get("session", {}).get("uid"),
        }
        return {
            **describe_transfer(self.transfer),
            "created_at": self.transfer.created_at,
            "pending_status": self.pending_status,
            "actor": actor if data else None,
            "authorisation": data.get("unmapped", {}).get("authorisation"),
            "event": event_id("transfer", self.transfer.id),
            "seq": self.seq,
        }


@dataclass(frozen=True, slots=True)
class LedgerReader:
    """Reads for one tenant.

    Attributes:
        ledger: Lets pending transfers expire before balances are shown.
    """

    ledger: LedgerService

    async def accounts(self, *, after: int, limit: int) -> list[tuple[int, Account]]:
        """Return accounts with their places, in the order in which they came."""
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                rows = await LedgerRepository(session).accounts(after=after, limit=limit)
        await self.ledger.expire_of([row.id for row in rows])
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                rows = await LedgerRepository(session).accounts(after=after, limit=limit)
                return [(row.n, account_of(row)) for row in rows]

    async def account(self, id_: str) -> Account:
        """Return an account.

        Raises:
            UnknownThingError: There is none of this id.
        """
        await self.ledger.expire_of([id_])
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                row = await LedgerRepository(session).account(id_)
                if row is None:
                    raise UnknownThingError("There is no such account.")
                return account_of(row)

    async def transfers(self, *, before: int | None, limit: int, account: str = "") -> list[Made]:
        """Return transfers, the latest first; of an account, or all.

        Raises:
            UnknownThingError: There is no such account.
        """
        if account:
            await self.account(account)
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                repository = LedgerRepository(session)
                rows = await repository.transfers(before=before, limit=limit, account=account)
                made = [(row.n, transfer_of(row)) for row in rows]
                return await self._made(session, made)

    async def transfer(self, id_: str) -> Made:
        """Return a transfer.

        Raises:
            UnknownThingError: There is none of this id.
        """
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                row = await LedgerRepository(session).transfer(id_)
                if row is None:
                    raise UnknownThingError("There is no such transfer.")
                made = row.n, transfer_of(row)
        await self.ledger.expire_of(_accounts(made[1]))
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                return (await self._made(session, [made]))[0]

    async def _made(
        self, session: AsyncSession, transfers: Sequence[tuple[int, Transfer]]
    ) -> list[Made]:
        ids = [transfer.id for _, transfer in transfers]
        pending = await LedgerRepository(session).pending(ids)
        names = [event_id("transfer", id_) for id_ in ids]
        rows = {row.event_id: row for row in await EventRepository(session).find(SOURCE, names)}
        codec = self.ledger.codec
        await asyncio.to_thread(codec.load, [row.keys for row in rows.values() if row.box])
        found = []
        for (n, transfer), name in zip(transfers, names, strict=True):
            state, row, opened = pending.get(transfer.id), rows.get(name), None
            if row is not None and row.box is not None:
                opened = codec.open(row.tenant_id, row.source, row.event_id, row.keys, row.box)
            status = state.status if state else None
            seq, event = row.seq if row else None, opened.event if opened else None
            found.append(Made(n, transfer, status, seq, event))
        return found


def _accounts(transfer: Transfer) -> list[str]:
    return [transfer.debit_account_id or "", transfer.credit_account_id or ""]
