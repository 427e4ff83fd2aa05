"""What a transaction of the ledger writes: rows, and an event in the tenant's log for each."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from ...audit.canonical import canonical
from ..events import Event
from ..ingest import Batch, Ingest
from ..models import EventRow
from ..payloads import PayloadCodec
from .book import Account, Pending, Transfer
from .models import AccountRow, ClaimRow, PendingRow, ProposalRow, TransferRow
from .policy import policy_of
from .records import SOURCE, Kind, Party, describe, describe_account, describe_transfer, make_event
from .repository import LedgerRepository
from .results import TransferStatus


@dataclass(frozen=True, slots=True)
class Approval:
    """That a second person approved.

    Attributes:
        policy: What made it necessary.
        approver: The person.
        at: When.
    """

    policy: str
    approver: Party
    at: datetime

    def describe(self) -> dict[str, str]:
        """Return it as JSON."""
        return {**self.approver.describe(), "at": self.at.isoformat()}


def mac_of(codec: PayloadCodec, tenant: str, thing: Account | Transfer) -> bytes:
    """Return the authentication code of what never changes in an account or a transfer."""
    kind, about = describe(thing)
    made = thing.created_at.isoformat() if thing.created_at else ""
    return codec.stamp(tenant, canonical({kind: about, "created_at": made}))


@dataclass(slots=True)
class Writer:
    """Collects rows and events, and writes them together.

    Attributes:
        repository: Of the transaction.
        ingest: Makes rows of events.
        codec: Marks rows.
        tenant: Whose they are.
        now: The time of the transaction.
    """

    repository: LedgerRepository
    ingest: Ingest
    codec: PayloadCodec
    tenant: str
    now: datetime
    _events: list[Event] = field(default_factory=list)
    _claims: list[ClaimRow] = field(default_factory=list)

    def account(self, account: Account, by: Party) -> None:
        """Store a new account."""
        values = {name: getattr(account, name) for name in account.__dataclass_fields__}
        mac = mac_of(self.codec, self.tenant, account)
        self.repository.add(AccountRow(**values | {"flags": account.flags.value, "mac": mac}))
        says = {"account": describe_account(account)}
        self.event("account", account.id, "ledger.account_created", by=by, says=says)

    def transfer(
        self, made: Transfer, pending: Pending | None, by: Party, approval: Approval | None
    ) -> None:
        """Store a new transfer, with who asked for it and who allowed it."""
        values = {name: getattr(made, name) for name in made.__dataclass_fields__}
        mac = mac_of(self.codec, self.tenant, made)
        self.repository.add(TransferRow(**values | {"flags": made.flags.value, "mac": mac}))
        if pending is not None:
            state, expires_at = pending.status.value, pending.expires_at
            self.repository.add(PendingRow(id=made.id, status=state, expires_at=expires_at))
        if approval is None:
            self.claim(made.id, TransferStatus.CREATED)
        authorisation = {
            "policy": approval.policy if approval else policy_of(made),
            "token": by.token,
            "approver": approval.describe() if approval else None,
        }
        says = {"transfer": describe_transfer(made), "authorisation": authorisation}
        people = [approval.approver] if approval else []
        self.event("transfer", made.id, "ledger.transfer_created", by=by, says=says, people=people)

    def proposal(
        self, chain: Sequence[Transfer], by: Party, *, policy: str, valid_s: float
    ) -> None:
        """Store a chain that somebody has to approve."""
        id_ = chain[0].id
        expires_at = self.now + timedelta(seconds=valid_s)
        self.repository.add(
            ProposalRow(
                id=id_,
                status="open",
                proposer=proposer_mark(self.codec, self.tenant, by),
                created_at=self.now,
                expires_at=expires_at,
            )
        )
        for transfer in chain:
            self.claim(transfer.id, TransferStatus.AWAITING_APPROVAL, proposal=id_)
        says = {
            "transfers": [describe_transfer(transfer) for transfer in chain],
            "actor": by.describe(),
            "policy": policy,
            "expires_at": expires_at.isoformat(),
        }
        self.event("proposal", id_, "ledger.transfers_proposed", by=by, says=says)

    def claim(self, id_: str, status: TransferStatus, *, proposal: str | None = None) -> None:
        """Say what an id is used for."""
        self._claims.append(ClaimRow(id=id_, status=status.value, proposal=proposal))

    def event(
        self,
        kind: Kind,
        id_: str,
        action: str,
        *,
        by: Party,
        says: Mapping[str, Any],
        people: Sequence[Party] = (),
        outcome: str = "success",
    ) -> None:
        """Say in the tenant's log what happened."""
        self._events.append(
            make_event(
                kind, id_, action, at=self.now, by=by, says=says, people=people, outcome=outcome
            )
        )

    async def write(self) -> None:
        """Write everything.

        Raises:
            IntegrityError: Another request used one of the ids meanwhile.
        """
        # In one order everywhere, so that of two requests with several ids in common one waits.
        self.repository.add(*sorted(self._claims, key=lambda row: row.id))
        if self._events:
            batch = Batch(self.tenant, SOURCE, self._events)
            rows = await asyncio.to_thread(self.ingest.rows, batch)
            self.repository.session.add_all(EventRow(**row) for row in rows)
        await self.repository.session.flush()


def proposer_mark(codec: PayloadCodec, tenant: str, party: Party) -> int:
    """Return what tells proposers apart, and says nothing without the master key."""
    return codec.word(tenant, "ledger-proposer", party.subject)
