"""What is to be mailed, in the database: with the change that it is about, and there until it was sent.

Addresses and links are sealed: whoever reads a backup gets neither. What a process takes from the queue
comes back after a while when it dies; the mail service knows a message by its id and sends it once.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from ..utils.logging import get_logger
from .errors import KeySealError
from .models import MailQueueRow
from .notifying import Message
from .sealing import Sealer

Purpose = Literal["reset", "verify"]

LEASE_S = 120.0
"""Seconds after which what a process took may be taken by another: longer than sending may take."""

_SEALED_FOR = "mail-queue"

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody asked for.

    Attributes:
        purpose: What the link is for.
        email: The address, as it was given.
        name: The name of who registers; empty when nobody does.
    """

    purpose: Purpose
    email: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Something that was taken from the queue.

    Attributes:
        id: Its id.
        about: A request to look into, or a message to send.
        tries: How often it was taken.
        since: When it was put there.
    """

    id: UUID
    about: Asked | Message
    tries: int
    since: datetime


@dataclass(frozen=True, slots=True)
class MailQueue:
    """The queue, in one transaction.

    Attributes:
        session: The transaction.
        sealer: Seals what is put there.
    """

    session: AsyncSession
    sealer: Sealer

    async def put(self, about: Asked | Message, now: datetime) -> None:
        """Add something, to be looked after at once."""
        key = uuid4()
        box = self._seal(key, about)
        self.session.add(MailQueueRow(id=key, box=box, tries=0, due_at=now, created_at=now))

    async def size(self) -> int:
        """Return how much waits."""
        return await self.session.scalar(select(func.count()).select_from(MailQueueRow)) or 0

    async def due_at(self) -> datetime | None:
        """Return when the next thing is due; None when nothing waits."""
        return await self.session.scalar(select(func.min(MailQueueRow.due_at)))

    async def take(self, now: datetime) -> Waiting | None:
        """Return what is due, which nobody else gets for a while."""
        query = select(MailQueueRow).where(MailQueueRow.due_at <= now)
        first = query.order_by(MailQueueRow.due_at).limit(1).with_for_update(skip_locked=True)
        row = await self.session.scalar(first)
        if row is None:
            return None
        try:
            about = self._open(row)
        except KeySealError:  # whoever changed the encryption key lost it, with every link
            _log.error("account_mail_not_readable", since=row.created_at.isoformat())
            await self.drop(row.id)
            return await self.take(now)
        row.due_at, row.tries = now + timedelta(seconds=LEASE_S), row.tries + 1
        return Waiting(row.id, about, row.tries, row.created_at)

    async def replace(self, key: UUID, message: Message) -> None:
        """Put the message that a request led to into its place."""
        query = update(MailQueueRow).where(MailQueueRow.id == key)
        await self.session.execute(query.values(box=self._seal(key, message)))

    async def put_off(self, key: UUID, until: datetime) -> None:
        """Let something be taken again, later."""
        query = update(MailQueueRow).where(MailQueueRow.id == key)
        await self.session.execute(query.values(due_at=until))

    async def drop(self, key: UUID) -> None:
        """Remove something: it was sent, or never will be."""
        await self.session.execute(delete(MailQueueRow).where(MailQueueRow.id == key))

    def _seal(self, key: UUID, about: Asked | Message) -> bytes:
        kind = "message" if isinstance(about, Message) else "asked"
        plain = json.dumps({"kind": kind, "about": asdict(about)}).encode()
        return self.sealer.seal(_SEALED_FOR, plain, str(key))

    def _open(self, row: MailQueueRow) -> Asked | Message:
        found = json.loads(self.sealer.open(_SEALED_FOR, row.box, str(row.id)))
        return (Message if found["kind"] == "message" else Asked)(**found["about"])
