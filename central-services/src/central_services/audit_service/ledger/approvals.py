"""The second pair of eyes: what waits is approved or rejected by another person, with their own token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession

from ...kit.tenancy import as_tenant
from ..errors import UnknownThingError
from .errors import DecidedError, OwnTransferError
from .models import ProposalRow
from .proposals import Proposed, read_proposal
from .records import SYSTEM, Party
from .repository import LedgerRepository
from .results import TransferStatus
from .service import LedgerService, Result
from .writing import Approval, Writer, proposer_mark

STEP = 100
"""Proposals that are looked at in one transaction."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What became of a proposal.

    Attributes:
        proposal: Its id.
        status: approved, rejected, or failed: approved, and not possible any more.
        results: What became of its transfers.
    """

    proposal: str
    status: str
    results: list[Result]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A proposal that is open; what it asks for is None when who asked was shredded."""

    row: ProposalRow
    proposed: Proposed | None


@dataclass(frozen=True, slots=True)
class Approvals:
    """Decides for one tenant.

    Attributes:
        ledger: Makes what was approved.
    """

    ledger: LedgerService

    async def decide(
        self, transfer_id: str, by: Party, *, approves: bool, reason: str = ""
    ) -> Decided:
        """Approve or reject the chain that a transfer is part of; approved, it is made at once.

        Raises:
            UnknownThingError: No proposal has such a transfer.
            OwnTransferError: Who decides has asked for it, or is no person.
            DecidedError: It is not open any more.
        """

        async def work(session: AsyncSession) -> Decided:
            repository, now = LedgerRepository(session), self.ledger.clock()
            row = await repository.proposal(transfer_id)
            proposed = await self._require_open(session, row, by, now)
            assert row is not None  # noqa: S101  # it was required to be there
            writer = self.ledger.writer(repository, now)
            if approves:
                return await self._approve(repository, writer, row, proposed, by, now, reason)
            results = [Result(t.id, _FAILED, now) for t in proposed.transfers]
            await self._close(repository, writer, row, by, "rejected", results, reason)
            return Decided(row.id, row.status, results)

        return await self.ledger.in_transaction(work, by)

    async def _require_open(
        self, session: AsyncSession, row: ProposalRow | None, by: Party, now: datetime
    ) -> Proposed:
        if row is None:
            raise UnknownThingError("No transfer of this id waits for an approval.")
        mark = proposer_mark(self.ledger.codec, self.ledger.tenant, by)
        if not by.is_user or row.proposer == mark:
            raise OwnTransferError("Another person than the one who asked for it has to decide.")
        if row.status != "open" or row.expires_at <= now:
            raise DecidedError(f"It is {row.status if row.status != 'open' else 'expired'}.")
        proposed = await read_proposal(session, self.ledger.codec, row.id)
        if proposed is None:
            raise DecidedError(
                "Who asked for it was shredded: nobody can say any more what it was."
            )
        return proposed

    async def _approve(
        self,
        repository: LedgerRepository,
        writer: Writer,
        row: ProposalRow,
        proposed: Proposed,
        by: Party,
        now: datetime,
        reason: str,
    ) -> Decided:
        approval = Approval(proposed.policy, by, now)
        results, _ = await self.ledger.apply(
            repository, writer, proposed.transfers, proposed.actor, now, approval
        )
        is_made = all(result.status is TransferStatus.CREATED for result in results)
        status = "approved" if is_made else "failed"
        await self._close(repository, writer, row, by, status, results, reason)
        return Decided(row.id, status, results)

    async def _close(
        self,
        repository: LedgerRepository,
        writer: Writer,
        row: ProposalRow,
        by: Party,
        status: str,
        results: Sequence[Result],
        reason: str,
    ) -> None:
        """Store what became of a proposal; ids that led to nothing are used up."""
        row.status, row.decided_at = status, writer.now
        statuses = {result.id: result.status for result in results}
        for claim in await repository.proposed(row.id):
            claim.status = statuses.get(claim.id, _FAILED).value
        says = {
            "proposal": row.id,
            "reason": reason,
            "results": [{"id": result.id, "status": result.status.value} for result in results],
        }
        action = (
            "ledger.transfers_approved" if status == "approved" else "ledger.transfers_rejected"
        )
        outcome = "failure" if status == "failed" else "success"
        writer.event("decision", row.id, action, by=by, says=says, outcome=outcome)
        await writer.write()

    async def waiting(self, *, after: int, limit: int) -> list[Waiting]:
        """Return open proposals in the order in which they came."""
        with as_tenant(self.ledger.tenant):
            async with self.ledger.database.read() as session:
                rows = await LedgerRepository(session).proposals(after=after, limit=limit)
                codec = self.ledger.codec
                return [Waiting(row, await read_proposal(session, codec, row.id)) for row in rows]

    async def close_expired(self) -> int:
        """Close proposals that nobody decided in time, and return how many that were."""

        async def work(session: AsyncSession) -> int:
            repository, now = LedgerRepository(session), self.ledger.clock()
            late = await repository.late_proposals(now, limit=STEP)
            for row in late:
                writer = self.ledger.writer(repository, now)
                await self._close(repository, writer, row, SYSTEM, "expired", [], "")
            return len(late)

        return await self.ledger.in_transaction(work)


_FAILED = TransferStatus.ID_ALREADY_FAILED
