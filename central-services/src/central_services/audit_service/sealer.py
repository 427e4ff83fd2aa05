"""The sealer: gives events their place in their tenant's log, signs what the log then is, has it cosigned.

It runs beside the requests, which wait for the disk and never for the log. Several processes may run
one: each step locks the log's row. What was stored when a process died is sealed by the next.
"""

from __future__ import annotations

import asyncio
import contextlib
from hmac import compare_digest

from sqlalchemy import insert, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..audit.checkpoint import Checkpoint
from ..audit.merkle import Frontier, leaf_hash
from ..core.database import Database, DatabaseUnavailableError
from ..kit.inserting import insert_once_async
from ..kit.tenancy import over_all_tenants
from ..utils.logging import get_logger
from .keys import LogKeys
from .models import CheckpointRow, EventRow, LogRow, NodeRow, WordRow
from .payloads import PayloadCodec, words_of
from .tree import frontier_of
from .witnessing import Witnesses

STEP = 500
"""Events of one tenant per transaction."""

LOOK_S = 1.0
"""Seconds between two looks for what another process stored and did not live to seal."""

_log = get_logger(__name__)


class Sealer:
    """Seals events, one step at a time or until it is stopped.

    Args:
        database: Where they are.
        keys: Sign the logs.
        codec: Checks that the service itself stored an event.
        witnesses: Cosign.
        interval_s: Seconds between two checkpoints of a log.

    Attributes:
        last_error: Why the last step failed, or an empty string.
    """

    def __init__(
        self,
        database: Database,
        keys: LogKeys,
        codec: PayloadCodec,
        witnesses: Witnesses,
        *,
        interval_s: float,
    ) -> None:
        self._database = database
        self._keys = keys
        self._codec = codec
        self._witnesses = witnesses
        self._interval_s = interval_s
        self._frontiers: dict[str, Frontier] = {}
        self._refused: set[int] = set()
        self._waiting = asyncio.Event()
        self.last_error = ""

    def wake(self) -> None:
        """Say that events were stored."""
        self._waiting.set()

    async def run(self) -> None:
        """Seal until cancelled: soon after events were stored, and each second whatever happens."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._waiting.wait()
            self._waiting.clear()
            try:
                await self.seal()
                self.last_error = ""
            except (SQLAlchemyError, DatabaseUnavailableError, IndexError, ValueError) as error:
                # A log whose rows were changed has no hashes to go on from: `verify` says where.
                self.last_error = type(error).__name__
                _log.exception("audit_service_seal_failed")
            await self._witnesses.catch_up()
            await asyncio.sleep(self._interval_s)

    async def seal(self) -> int:
        """Seal what waits, and return how many events that were."""
        total = 0
        for tenant in await self._tenants():
            sealed = STEP
            while sealed == STEP:
                sealed = await self._step(tenant)
                total += sealed
        return total

    async def _tenants(self) -> list[str]:
        with over_all_tenants():
            async with self._database.read() as session:
                query = select(EventRow.tenant_id).where(EventRow.seq.is_(None)).distinct()
                return list((await session.scalars(query)).all())

    async def _step(self, tenant: str) -> int:
        try:
            with over_all_tenants():
                async with self._database.transaction() as session:
                    log = await self._locked(session, tenant)
                    sealed = await session.run_sync(self._seal_some, log)
        except BaseException:  # whatever it is, the step is undone, and it goes on
            self._frontiers.pop(tenant, None)  # it may be ahead of what is stored
            raise
        return sealed

    async def _locked(self, session: AsyncSession, tenant: str) -> LogRow:
        """Return the log of a tenant, which nobody else may seal meanwhile; it is made if need be."""
        query = select(LogRow).where(LogRow.tenant_id == tenant).with_for_update()
        log = (await session.scalars(query)).first()
        if log is None:
            signer = self._keys.signer(tenant)
            values = {"origin": signer.name, "key": signer.verification_key}
            await insert_once_async(
                session, LogRow, tenant_id=tenant, size=0, witnessed=0, **values
            )
            log = (await session.scalars(query)).one()
        return log

    def _seal_some(self, session: Session, log: LogRow) -> int:
        tenant = log.tenant_id
        frontier = self._frontiers.get(tenant)
        if frontier is None or frontier.size != log.size:
            frontier = self._frontiers[tenant] = frontier_of(session, tenant, log.size)
        row = EventRow
        query = select(row.n, row.source, row.event_id, row.commitment, row.code, row.words).where(
            row.tenant_id == tenant, row.seq.is_(None)
        )
        step = _Step(tenant)
        for n, source, event_id, commitment, code, words in session.execute(
            query.order_by(row.n).limit(STEP + len(self._refused))
        ):
            if compare_digest(self._codec.code(tenant, source, event_id, commitment), code):
                step.add(frontier, n, commitment, words)
            else:
                self._refuse(n)
        if not step.places:
            return 0
        step.store(session)
        log.size = frontier.size
        checkpoint = Checkpoint(log.origin, frontier.size, frontier.root())
        note = self._keys.signer(tenant).sign(checkpoint)
        session.add(
            CheckpointRow(tenant_id=tenant, size=checkpoint.size, note=note, cosigned=False)
        )
        return len(step.places)

    def _refuse(self, n: int) -> None:
        """Leave a row that this service did not write where it is, and say so once."""
        if n not in self._refused:
            self._refused.add(n)
            _log.critical("audit_service_row_forged", n=n)


class _Step:
    """The rows that one transaction adds and changes."""

    def __init__(self, tenant: str) -> None:
        self._tenant = tenant
        self.places: list[dict[str, object]] = []
        self._nodes: list[dict[str, object]] = []
        self._words: list[dict[str, object]] = []

    def add(self, frontier: Frontier, n: int, commitment: bytes, words: bytes) -> None:
        """Append an event to the log."""
        self.places.append({"n": n, "seq": frontier.size, "words": b""})
        for level, position, digest in frontier.append(leaf_hash(commitment)):
            where = {"tenant_id": self._tenant, "level": level, "position": position}
            self._nodes.append({**where, "hash": digest})
        self._words += [{"word": word, "n": n} for word in words_of(words)]

    def store(self, session: Session) -> None:
        """Write the rows."""
        session.execute(update(EventRow), self.places)
        for table, rows in ((NodeRow, self._nodes), (WordRow, self._words)):
            if rows:
                session.execute(insert(table), rows)
