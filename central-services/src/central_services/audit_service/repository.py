"""The stored events as queries; it never commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, or_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncSession

from .models import CheckpointRow, EventRow, HoldRow, LogRow, WordRow

EventKey = tuple[str, str, str]
"""Tenant, source, id."""

_AT_ONCE = 200
"""Keys in one condition: SQLite takes no expression that is nested deeper than 1,000."""


class Known(NamedTuple):
    """An event that is stored.

    Attributes:
        fingerprint: What a repetition has to equal; None when its content is gone.
        seq: Its index in the log.
    """

    fingerprint: bytes | None
    seq: int | None


@dataclass(frozen=True, slots=True)
class Search:
    """What to look for; what is None or empty is not asked.

    Attributes:
        words: Hashes that an event has to have all of.
        action: An action, or with a dot at its end the beginning of one.
        outcome: How it ended.
        since: Events at or after it.
        until: Events before it.
    """

    words: tuple[int, ...] = ()
    action: str = ""
    outcome: str = ""
    since: datetime | None = None
    until: datetime | None = None


class EventRepository:
    """Events, words, holds and checkpoints; `kit.tenancy` says of which tenant."""

    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def known(self, keys: Sequence[EventKey]) -> dict[EventKey, Known]:
        """Return those of the keys that are stored."""
        row = EventRow
        found: dict[EventKey, Known] = {}
        wanted = list(dict.fromkeys(keys))
        columns = (row.tenant_id, row.source, row.event_id)
        for at in range(0, len(wanted), _AT_ONCE):
            query = select(*columns, row.fingerprint, row.seq).where(
                tuple_(*columns).in_(wanted[at : at + _AT_ONCE])
            )
            for tenant, source, event_id, mark, seq in await self.session.execute(query):
                found[tenant, source, event_id] = Known(mark, seq)
        return found

    async def add(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Store new events.

        Raises:
            IntegrityError: Somebody stored one of them meanwhile.
        """
        if rows:
            await self.session.execute(insert(EventRow), list(rows))

    async def find(self, source: str | None, ids: Sequence[str]) -> Sequence[EventRow]:
        """Return the events of a source, or of any, with these ids; the latest last."""
        query = select(EventRow).where(EventRow.event_id.in_(ids)).order_by(EventRow.n)
        if source is not None:
            query = query.where(EventRow.source == source)
        return (await self.session.scalars(query)).all()

    async def by_id(self, event_id: str, source: str = "") -> EventRow | None:
        """Return an event by its id, of one source or of any; the first of several."""
        query = select(EventRow).where(EventRow.event_id == event_id)
        if source:
            query = query.where(EventRow.source == source)
        return (await self.session.scalars(query.order_by(EventRow.n).limit(1))).first()

    async def search(
        self, search: Search, *, after: tuple[datetime, int] | None, limit: int
    ) -> Sequence[EventRow]:
        """Return sealed events that match, the latest first."""
        row = EventRow
        query = select(row).where(row.seq.is_not(None))
        for word in search.words:
            query = query.where(row.n.in_(select(WordRow.n).where(WordRow.word == word)))
        if search.action.endswith("."):
            query = query.where(row.action >= search.action, row.action < search.action[:-1] + "/")
        elif search.action:
            query = query.where(row.action == search.action)
        if search.outcome:
            query = query.where(row.outcome == search.outcome)
        if search.since:
            query = query.where(row.time >= search.since)
        if search.until:
            query = query.where(row.time < search.until)
        if after is not None:
            # Spelled out: a bare tuple would lose the type of its time.
            moment, n = after
            query = query.where(or_(row.time < moment, (row.time == moment) & (row.n < n)))
        query = query.order_by(row.time.desc(), row.n.desc()).limit(limit)
        return (await self.session.scalars(query)).all()

    async def sealed_after(
        self, seq: int, *, limit: int, since: datetime | None, until: datetime | None
    ) -> Sequence[EventRow]:
        """Return sealed events in the order of the log."""
        query = select(EventRow).where(EventRow.seq > seq)
        if since:
            query = query.where(EventRow.time >= since)
        if until:
            query = query.where(EventRow.time < until)
        return (await self.session.scalars(query.order_by(EventRow.seq).limit(limit))).all()

    async def expired(self, now: datetime, *, after: int, limit: int) -> Sequence[EventRow]:
        """Return events whose content may go, and is there."""
        row = EventRow
        query = select(row).where(row.expires_at <= now, row.n > after, row.box.is_not(None))
        query = query.where(row.seq.is_not(None)).order_by(row.n).limit(limit)
        return (await self.session.scalars(query)).all()

    async def with_word(self, word: int, *, after: int, limit: int) -> Sequence[EventRow]:
        """Return events that have a word, in the order in which they came."""
        row = EventRow
        query = select(row).where(row.n.in_(select(WordRow.n).where(WordRow.word == word)))
        query = query.where(row.n > after).order_by(row.n).limit(limit)
        return (await self.session.scalars(query)).all()

    async def drop_content(self, rows: Sequence[EventRow]) -> None:
        """Drop what events say and are found by; their place in the log stays."""
        numbers = [row.n for row in rows]
        gone = {"box": None, "fingerprint": None, "words": b""}
        await self.session.execute(update(EventRow).where(EventRow.n.in_(numbers)).values(**gone))
        await self.session.execute(delete(WordRow).where(WordRow.n.in_(numbers)))

    async def holds(self) -> Sequence[HoldRow]:
        """Return the holds that are in force, by name."""
        query = select(HoldRow).where(HoldRow.released_at.is_(None)).order_by(HoldRow.name)
        return (await self.session.scalars(query)).all()

    async def log(self, tenant: str) -> LogRow | None:
        """Return the log of a tenant."""
        return await self.session.get(LogRow, tenant)

    async def log_of(self, origin: str) -> LogRow | None:
        """Return the log of a name."""
        query = select(LogRow).where(LogRow.origin == origin)
        return (await self.session.scalars(query)).first()

    async def logs(self) -> Sequence[LogRow]:
        """Return every log."""
        return (await self.session.scalars(select(LogRow).order_by(LogRow.tenant_id))).all()

    async def checkpoint(
        self, tenant: str, *, at_least: int = 0, cosigned: bool = False
    ) -> CheckpointRow | None:
        """Return the newest checkpoint of a log of this size or more; None when there is none.

        Args:
            tenant: Whose log.
            at_least: The fewest entries that it covers.
            cosigned: Only one that a witness has cosigned.
        """
        row = CheckpointRow
        query = select(row).where(row.tenant_id == tenant, row.size >= at_least)
        if cosigned:
            query = query.where(row.cosigned)
        return (await self.session.scalars(query.order_by(row.size.desc()).limit(1))).first()
