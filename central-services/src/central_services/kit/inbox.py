"""The inbox of a consumer: a message that comes twice is taken once.

Senders with an outbox deliver at least once. What a message leads to and the note that it was taken are one
transaction, so a crash between the two is not possible.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import CursorResult, delete
from sqlalchemy.ext.asyncio import AsyncSession

from .inserting import insert_once_async
from .models import InboxRow


async def take(session: AsyncSession, consumer: str, message_id: str, now: datetime) -> bool:
    """Note in the transaction of a session that a message is taken.

    Args:
        session: The session in which the message is worked on.
        consumer: Who takes it; each takes it once.
        message_id: What its sender names it, the same each time it is sent.
        now: The time.

    Returns:
        False when it was taken before: then there is nothing to do but to acknowledge it.
    """
    return await insert_once_async(
        session, InboxRow, consumer=consumer, message_id=message_id, taken_at=now
    )


async def forget(session: AsyncSession, consumer: str, before: datetime) -> int:
    """Delete notes of messages that can't come again, and return how many that were.

    Args:
        session: The session.
        consumer: Whose notes.
        before: Older than any sender repeats; a message that is repeated later is taken again.
    """
    mine = (InboxRow.consumer == consumer) & (InboxRow.taken_at < before)
    done = await session.execute(delete(InboxRow).where(mine))
    return done.rowcount if isinstance(done, CursorResult) else 0
