"""What may be read and done for a tenant: search, receipts, export, shredding, holds, retention."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..audit.tlog_proof import TlogProof
from ..core.database import Database
from ..kit.cursors import Cursors
from ..kit.tenancy import as_tenant, over_all_tenants
from .errors import HeldError, HoldExistsError, UnknownThingError
from .models import CheckpointRow, EventRow, HoldRow
from .payloads import Opened, PayloadCodec
from .repository import EventRepository, Search
from .tree import tree_of

STEP = 200
"""Events per transaction where there may be many."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An event for a reader.

    Attributes:
        row: The row.
        opened: Its content; None when that is gone.
    """

    row: EventRow
    opened: Opened | None


@dataclass(frozen=True, slots=True)
class FoundReceipts:
    """Receipts by the ids of events, those that have none yet, and those that are unknown."""

    receipts: dict[str, str]
    pending: list[str]
    unknown: list[str]


@dataclass(frozen=True, slots=True)
class TrailService:
    """Works for one tenant.

    Attributes:
        database: Where events are.
        codec: Opens them.
        cursors: Pages.
        witnessed: Whether receipts wait for a witness.
        tenant: The tenant.
    """

    database: Database
    codec: PayloadCodec
    cursors: Cursors
    witnessed: bool
    tenant: str

    # --- reading ---------------------------------------------------------------------------------

    def words(self, **fields: str | Sequence[str]) -> tuple[int, ...]:
        """Return the hashes of what is looked for; empty fields are not asked."""
        return tuple(
            self.codec.word(self.tenant, field, text)
            for field, value in fields.items()
            for text in ([value] if isinstance(value, str) else value)
            if text
        )

    async def search(
        self, search: Search, *, cursor: str | None, limit: int, scope: Mapping[str, str]
    ) -> tuple[list[Shown], str | None]:
        """Return a page of events, the latest first, and the cursor of the next.

        Raises:
            InvalidCursorError: The cursor is of another list.
        """
        of_list = {"list": "events", "tenant": self.tenant, **scope}
        after = None
        if cursor:
            moment, n = self.cursors.read(cursor, of_list)
            after = (datetime.fromisoformat(str(moment)), int(n))
        with as_tenant(self.tenant):
            async with self.database.read() as session:
                repository = EventRepository(session)
                rows = await repository.search(search, after=after, limit=limit + 1)
        more = None
        if len(rows) > limit:
            last = rows[limit - 1]
            more = self.cursors.write([last.time.isoformat(), last.n], of_list)
        await self._load(rows)
        return [self.show(row) for row in rows[:limit]], more

    async def find(self, event_id: str, source: str = "") -> Shown:
        """Return an event.

        Raises:
            UnknownThingError: The tenant has none of this id.
        """
        with as_tenant(self.tenant):
            async with self.database.read() as session:
                row = await EventRepository(session).by_id(event_id, source)
        if row is None:
            raise UnknownThingError("There is no such event.")
        await self._load([row])
        return self.show(row)

    async def _load(self, rows: Iterable[EventRow]) -> None:
        """Fetch the keys of events, so that the loop does not wait for them when they are shown."""
        await asyncio.to_thread(self.codec.load, [row.keys for row in rows if row.box is not None])

    def show(self, row: EventRow) -> Shown:
        """Return an event with what can be read of it."""
        if row.box is None:
            return Shown(row, None)
        found = self.codec.open(self.tenant, row.source, row.event_id, row.keys, row.box)
        return Shown(row, found)

    async def export(
        self, *, after: int = -1, since: datetime | None = None, until: datetime | None = None
    ) -> AsyncIterator[bytes]:
        """Yield events in the order of the log, one JSON object a line, as they were sent.

        What is gone is left out. Each step is a transaction of its own: an export can take long.
        """
        while True:
            with as_tenant(self.tenant):
                async with self.database.read() as session:
                    rows = await EventRepository(session).sealed_after(
                        after, limit=STEP, since=since, until=until
                    )
            await self._load(rows)
            for row in rows:
                opened = self.show(row).opened
                if opened is not None:
                    yield opened.text + b"\n"
            if len(rows) < STEP:
                return
            after = rows[-1].seq or 0

    # --- receipts --------------------------------------------------------------------------------

    async def receipts(
        self, ids: Sequence[str], *, source: str | None, sender: str | None
    ) -> FoundReceipts:
        """Return the receipts of events.

        Args:
            ids: What their source calls them.
            source: The source; None for any.
            sender: Only events that this client has sent; None for any.
        """
        with as_tenant(self.tenant):
            async with self.database.read() as session:
                repository = EventRepository(session)
                rows = await repository.find(source, list(dict.fromkeys(ids)))
                mine = {r.event_id: r for r in rows if sender in {None, r.sender}}
                checkpoint = await repository.checkpoint(self.tenant, cosigned=self.witnessed)
                size = checkpoint.size if checkpoint else 0
                ready = {
                    key: row for key, row in mine.items() if row.seq is not None and row.seq < size
                }
                made = {}
                if checkpoint is not None:
                    made = await session.run_sync(self._write, ready, checkpoint)
        pending = [key for key in dict.fromkeys(ids) if key in mine and key not in made]
        unknown = [key for key in dict.fromkeys(ids) if key not in mine]
        return FoundReceipts(made, pending, unknown)

    def _write(
        self, session: Session, rows: Mapping[str, EventRow], checkpoint: CheckpointRow
    ) -> dict[str, str]:
        tree = tree_of(session, self.tenant, checkpoint.size)
        written = {}
        for event_id, row in rows.items():
            opened, seq = self.show(row).opened, row.seq or 0
            salt = opened.salt if opened else b""  # one that was shredded has none any more
            receipt = TlogProof(seq, tree.inclusion(seq), checkpoint.note, salt)
            written[event_id] = receipt.dump()
        return written

    # --- shredding and holds ---------------------------------------------------------------------

    async def shred(self, person: str) -> tuple[str, int]:
        """Destroy a person's key, and drop what events about them said; returns its id and how many.

        Proofs stay valid: the log has hashes only.

        Raises:
            UnknownThingError: There is nothing about this person.
            HeldError: A legal hold protects it.
        """
        key = await asyncio.to_thread(self.codec.find_person, self.tenant, person)
        if key is None:
            raise UnknownThingError("There is nothing about this person.")
        with as_tenant(self.tenant):
            # In a transaction that writes, so that no hold comes in between (SQLite), or is
            # overlooked for longer than this takes (PostgreSQL).
            async with self.database.transaction() as session:
                await self._require_free(session, key)
                await asyncio.to_thread(self.codec.erase_person, self.tenant, person)
        return key, await self._drop_with(key)

    async def _require_free(self, session: AsyncSession, key: str) -> None:
        for hold in await EventRepository(session).holds():
            if hold.key in {"", key}:
                raise HeldError(f"The hold {hold.name} is in force: release it first.")
        # An event may name several people: a hold on another one of them covers it too.
        word, after = self.codec.word(self.tenant, "key", key), 0
        held = {hold.key for hold in await EventRepository(session).holds()}
        while held:
            rows = await EventRepository(session).with_word(word, after=after, limit=STEP)
            if any(held & set(row.keys.split()) for row in rows):
                raise HeldError("An event about this person names another who is under a hold.")
            if len(rows) < STEP:
                return
            after = rows[-1].n

    async def _drop_with(self, key: str) -> int:
        """Drop what is encrypted with a key that is gone."""
        word, dropped = self.codec.word(self.tenant, "key", key), 0
        while True:
            with as_tenant(self.tenant):
                async with self.database.transaction() as session:
                    repository = EventRepository(session)
                    rows = await repository.with_word(word, after=0, limit=STEP)
                    await repository.drop_content(rows)
            dropped += len(rows)
            if len(rows) < STEP:
                return dropped

    async def place_hold(
        self, session: AsyncSession, name: str, person: str | None, *, by: str, now: datetime
    ) -> HoldRow:
        """Forbid to shred or drop what is about a person, or anything at all.

        Raises:
            UnknownThingError: There is nothing about this person.
            HoldExistsError: A hold of this name is in force.
        """
        key = ""
        if person is not None:
            found = await asyncio.to_thread(self.codec.find_person, self.tenant, person)
            if found is None:
                raise UnknownThingError("There is nothing about this person.")
            key = found
        repository = EventRepository(session)
        if any(hold.name == name for hold in await repository.holds()):
            raise HoldExistsError(f"The hold {name} is in force already.")
        row = HoldRow(name=name, key=key, placed_at=now, placed_by=by)
        session.add(row)
        await session.flush()
        return row

    async def release_hold(
        self, session: AsyncSession, name: str, *, by: str, now: datetime
    ) -> HoldRow:
        """Lift a hold.

        Raises:
            UnknownThingError: No hold of this name is in force.
        """
        holds = await EventRepository(session).holds()
        row = next((hold for hold in holds if hold.name == name), None)
        if row is None:
            raise UnknownThingError("No hold of this name is in force.")
        row.released_at, row.released_by = now, by
        return row


async def drop_expired(database: Database, now: datetime) -> dict[str, tuple[int, int]]:
    """Drop the contents whose retention has ended, of all tenants; what is held stays.

    Returns:
        How many were dropped, and how many are held, by tenant.
    """
    counts: dict[str, tuple[int, int]] = {}
    after = 0
    while True:
        with over_all_tenants():
            async with database.transaction() as session:
                repository = EventRepository(session)
                holds = {(hold.tenant_id, hold.key) for hold in await repository.holds()}
                rows = await repository.expired(now, after=after, limit=STEP)
                free = [row for row in rows if not _is_held(row, holds)]
                await repository.drop_content(free)
        for row in rows:
            dropped, held = counts.get(row.tenant_id, (0, 0))
            is_free = row in free
            counts[row.tenant_id] = (dropped + is_free, held + (not is_free))
        if len(rows) < STEP:
            return counts
        after = rows[-1].n


def _is_held(row: EventRow, holds: set[tuple[str, str]]) -> bool:
    keys = ["", *row.keys.split()]
    return any((row.tenant_id, key) in holds for key in keys)
