"""What waits for an approval, read from its event: what is approved is what the log commits to."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncSession

from ..payloads import PayloadCodec
from ..repository import EventRepository
from .book import Book, Transfer
from .models import ClaimRow
from .records import SOURCE, Party, event_id, read_transfer
from .results import TransferStatus


@dataclass(frozen=True, slots=True)
class Proposed:
    """A chain that waits.

    Attributes:
        transfers: As they were asked for.
        actor: Who asked.
        policy: What makes an approval necessary.
    """

    transfers: list[Transfer]
    actor: Party
    policy: str


async def read_proposal(
    session: AsyncSession, codec: PayloadCodec, proposal_id: str
) -> Proposed | None:
    """Return what a proposal asks for, or None when who asked was shredded."""
    row = await EventRepository(session).by_id(event_id("proposal", proposal_id), SOURCE)
    if row is None or row.box is None:
        return None
    await asyncio.to_thread(codec.load, [row.keys])
    opened = codec.open(row.tenant_id, row.source, row.event_id, row.keys, row.box)
    if opened is None:
        return None
    says = opened.event["data"]["unmapped"]
    transfers = [read_transfer(value) for value in says["transfers"]]
    return Proposed(transfers, Party.read(says["actor"]), says["policy"])


async def read_awaiting(
    session: AsyncSession, codec: PayloadCodec, book: Book, claims: Iterable[ClaimRow]
) -> None:
    """Put into a book what waits for an approval; what can't be read any more has failed."""
    waiting = [claim for claim in claims if claim.status == TransferStatus.AWAITING_APPROVAL]
    for proposal_id in sorted({claim.proposal or "" for claim in waiting}):
        found = await read_proposal(session, codec, proposal_id)
        book.awaiting |= {t.id: t for t in found.transfers} if found else {}
    book.failed |= {claim.id for claim in waiting} - book.awaiting.keys()
