"""Verification: are the stored logs still what was signed, and the events what the logs commit to?

Everything is recomputed from the stored rows, and compared with every checkpoint that the log's own key
has signed. Who could put back the whole database, signatures included, is found by the witness, by
the receipts that projects keep, and by any checkpoint that was kept elsewhere. Balances of the ledger are
computed anew from its events.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hmac import compare_digest

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..audit.checkpoint import CheckpointError, NoteVerifier
from ..audit.errors import AuditKeyError
from ..audit.merkle import Frontier, leaf_hash
from ..audit.verify import Finding
from ..core.database import Database
from ..kit.tenancy import as_tenant
from .keys import LogKeys
from .ledger.verification import LedgerVerification
from .models import CheckpointRow, EventRow, LogRow, NodeRow, WordRow
from .payloads import PayloadCodec, entry_of
from .repository import EventRepository

STEP = 500


@dataclass(slots=True)
class LogReport:
    """What the verification of a log found.

    Attributes:
        tenant: Whose log.
        size: Sealed events.
        unsealed: Events that wait to be sealed.
        checkpoints: Signed checkpoints.
        erased: Events whose content is gone.
        transfers: Transfers of the ledger.
        findings: What is wrong.
    """

    tenant: str
    size: int = 0
    unsealed: int = 0
    checkpoints: int = 0
    erased: int = 0
    transfers: int = 0
    findings: list[Finding] = field(default_factory=list)


async def verify_logs(
    database: Database, keys: LogKeys, codec: PayloadCodec, tenant: str = ""
) -> list[LogReport]:
    """Return a report for the log of a tenant, or of each."""
    async with database.read() as session:
        logs = await EventRepository(session).logs()
    reports = []
    for log in logs:
        if tenant in {"", log.tenant_id}:
            with as_tenant(log.tenant_id):
                # One transaction, so that a running service does not matter.
                async with database.read() as session:
                    await _see_one_moment(session)
                    verification = _Verification(log.tenant_id, keys, codec)
                    report = await session.run_sync(verification.run)
                    ledger = LedgerVerification(log.tenant_id, codec)
                    report.findings += await session.run_sync(ledger.run)
                    report.transfers = ledger.transfers
                    reports.append(report)
    return reports


async def _see_one_moment(session: AsyncSession) -> None:
    """Let a transaction see one state of the database; SQLite's always do."""
    if session.get_bind().dialect.name == "postgresql":
        await session.connection(execution_options={"isolation_level": "REPEATABLE READ"})


class _Verification:
    def __init__(self, tenant: str, keys: LogKeys, codec: PayloadCodec) -> None:
        self._tenant = tenant
        self._codec = codec
        signer = keys.signer(tenant)
        self._origin = signer.name
        self._verifier = NoteVerifier([signer.verification_key])
        self._report = LogReport(tenant)
        self._nodes: dict[tuple[int, int], bytes] = {}

    def run(self, session: Session) -> LogReport:
        """Read everything."""
        log = session.get_one(LogRow, self._tenant, populate_existing=True)
        roots = self._checkpoints(session)
        frontier = Frontier()
        for row in self._rows(session):
            if row.seq is None:
                self._report.unsealed += 1
            elif row.seq != frontier.size:
                self._find(f"entry {frontier.size}", "is missing, or another is in its place")
                break
            self._check_row(row)
            if row.seq is not None:
                self._append(frontier, row.commitment)
                expected = roots.pop(frontier.size, None)
                if expected is not None and expected != frontier.root():
                    self._find(f"checkpoint {frontier.size}", "was signed for another tree")
        self._report.size = frontier.size
        for size in roots:
            self._find(f"checkpoint {size}", "covers entries that are missing")
        if log.size != frontier.size:
            self._find("log", f"has {frontier.size} entries and says {log.size}")
        if frontier.size and frontier.size not in self._sizes:
            self._find("log", "its newest entries are under no checkpoint")
        self._check_nodes(session)
        self._check_words(session)
        return self._report

    def _find(self, where: str, what: str) -> None:
        self._report.findings.append(Finding(where, what))

    def _checkpoints(self, session: Session) -> dict[int, bytes]:
        roots: dict[int, bytes] = {}
        row = CheckpointRow
        query = select(row.size, row.note).where(row.tenant_id == self._tenant)
        for size, note in session.execute(query.order_by(row.size)):
            self._report.checkpoints += 1
            try:
                checkpoint = self._verifier.open(note)
            except CheckpointError as error:
                self._find(f"checkpoint {size}", str(error))
                continue
            if (checkpoint.origin, checkpoint.size) != (self._origin, size):
                self._find(f"checkpoint {size}", "is another log's or another size's")
                continue
            roots[size] = checkpoint.root
        self._sizes = frozenset(roots)
        return roots

    def _rows(self, session: Session) -> Iterator[EventRow]:
        """Yield the events in the order of the log, then those that wait."""
        row, after = EventRow, -1
        while True:
            query = select(row).where(row.seq > after).order_by(row.seq).limit(STEP)
            rows = session.scalars(query).all()
            yield from rows
            if len(rows) < STEP:
                break
            after = rows[-1].seq or 0
            session.expunge_all()
        yield from session.scalars(select(row).where(row.seq.is_(None)).order_by(row.n))

    def _check_row(self, row: EventRow) -> None:
        where = f"entry {row.seq}" if row.seq is not None else f"waiting event {row.n}"
        code = self._codec.code(self._tenant, row.source, row.event_id, row.commitment)
        if not compare_digest(code, row.code):
            self._find(where, "was not stored by this service")
        if row.box is None:
            self._report.erased += 1
            return
        try:
            opened = self._codec.open(self._tenant, row.source, row.event_id, row.keys, row.box)
        except AuditKeyError:
            self._find(where, "its content was changed")
            return
        if opened is None:
            self._report.erased += 1
        elif entry_of(opened.salt, opened.text) != row.commitment:
            self._find(where, "its content is not what the log commits to")
        else:
            self._check_columns(where, row, opened.event)

    def _check_columns(self, where: str, row: EventRow, event: Mapping[str, object]) -> None:
        """Compare what an event is found by in clear with what it says."""
        from .events import read_event  # noqa: PLC0415  # beside its only use

        said = read_event(event, max_event_bytes=2**31)
        clear = (row.time, row.action, row.outcome, row.retention)
        if clear != (said.time, said.action, said.outcome, said.retention.value):
            self._find(where, "what it is found by is not what it says")

    def _append(self, frontier: Frontier, commitment: bytes) -> None:
        for level, position, digest in frontier.append(leaf_hash(commitment)):
            self._nodes[level, position] = digest

    def _check_nodes(self, session: Session) -> None:
        row = NodeRow
        query = select(row.level, row.position, row.hash).where(row.tenant_id == self._tenant)
        stored = {(level, at): digest for level, at, digest in session.execute(query)}
        for level, at in sorted(stored.keys() | self._nodes.keys()):
            if stored.get((level, at)) != self._nodes.get((level, at)):
                self._find(f"node {level}/{at}", "is not the hash of its subtree")

    def _check_words(self, session: Session) -> None:
        """Look for sealed events with content that are not found by anything."""
        row = EventRow
        found = select(WordRow.n).where(WordRow.n == row.n).exists()
        query = select(func.count(row.n)).where(row.seq.is_not(None), row.box.is_not(None), ~found)
        missing = session.scalar(query) or 0
        if missing:
            self._find("index", f"{missing} events are not found by any word")
