# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Verification: is the trail still what was signed, and if not, where was it changed?

Everything is recomputed from the stored rows; nothing that is stored is believed, but the
checkpoints that a trusted key has signed. Whoever rewrote the whole file and put back an older one,
signatures included, is found only by a checkpoint that was kept elsewhere: the anchor.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hmac import compare_digest
from itertools import islice
from typing import Any

import orjson

from .canonical import canonical
from .checkpoint import Checkpoint, CheckpointError, NoteVerifier
from .errors import InvalidEventError
from .events import timestamp, utc_now
from .keys import MasterKey
from .merkle import Frontier, is_consistent, leaf_hash
from .records import commitment, entry_for, keys_of
from .retention import RECORDS_DROPPED
from .schema import altered_schema
from .sealer import columns
from .trail import Trail

SEALED_WITHIN = timedelta(seconds=60)
"""What waits longer than this is a finding: the sealer does not run."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it was recorded.

    Attributes:
        where: The place: `entry 12`, `checkpoint 40`, `inbox`, `anchor`, `schema`.
        what: What is wrong there.
    """

    where: str
    what: str


@dataclass(slots=True)
class Report:
    """What a verification found.

    Attributes:
        size: Sealed events.
        unsealed: Events that wait to be sealed; nothing protects these but file permissions.
        checkpoints: Signed checkpoints.
        dropped: Records that were dropped at the end of their retention.
        anchored: The size of the anchor that the log extends; None without an anchor.
        findings: What is wrong; empty for a trail that is whole.
    """

    size: int = 0
    unsealed: int = 0
    checkpoints: int = 0
    dropped: int = 0
    anchored: int | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


class Verification:
    """One verification of a trail.

    Args:
        connection: The trail; it is read in one transaction, so a running service does not matter.
        verifier: Knows the keys whose checkpoints are believed.
        origin: The log's name.
        master: Needed to check events that are not sealed yet; None leaves their codes unchecked.
        now: When it is; decides which records may be gone.
        limit: Findings after which it gives up.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        verifier: NoteVerifier,
        origin: str,
        *,
        master: MasterKey | None = None,
        now: datetime | None = None,
        limit: int = 100,
    ) -> None:
        self._trail = Trail(connection)
        self._connection = connection
        self._verifier = verifier
        self._origin = origin
        self._master = master
        self._now = now or utc_now()
        self._limit = limit
        self._report = Report()
        self._gone: list[tuple[int, dict[str, Any]]] = []

    def run(self, anchor: str | None = None) -> Report:
        """Verify everything and return what was found.

        Args:
            anchor: A checkpoint of this log that was kept where the log's keeper can't change it.
        """
        self._connection.execute("BEGIN")
        try:
            self._report.findings = list(islice(self._findings(anchor), self._limit))
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            self._report.findings.append(Finding("file", f"can't be read: {error}"))
        finally:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        return self._report

    def _findings(self, anchor: str | None) -> Iterator[Finding]:
        for name in altered_schema(self._connection):
            yield Finding("schema", f"{name} is not as this service creates it")
        for (problem,) in self._connection.execute("PRAGMA integrity_check(10)"):
            if problem != "ok":
                yield Finding("file", str(problem))
        known = _Anchor.read(anchor, self._verifier, self._origin)
        if known is not None and known.problem:
            yield Finding("anchor", known.problem)
        yield from self._check_log(known)
        yield from self._check_strays()
        yield from self._check_retention()
        yield from self._check_inbox()

    def _check_log(self, anchor: _Anchor | None) -> Iterator[Finding]:
        """Walk through entries, records, nodes and checkpoints together, in order."""
        frontier = Frontier()
        roots: dict[int, bytes] = {}
        signed = {size for (size,) in self._connection.execute("SELECT size FROM checkpoints")}
        wanted = {anchor.checkpoint.size, *signed} if anchor and anchor.checkpoint else signed
        nodes = []
        # All that one step of the sealer seals has one time, and is followed by a checkpoint.
        steps: list[int] = []
        sealed = ""
        for seq, event_id, leaf, *stored in self._connection.execute(_LOG):
            if seq != frontier.size:
                yield Finding(f"entry {frontier.size}", f"missing: the next one is {seq}")
                return
            entry, wrong = _read_entry(seq, event_id, leaf)
            yield from (Finding(f"entry {seq}", text) for text in wrong)
            if not wrong:
                yield from self._check_record(seq, entry, leaf, stored)
                if seq and entry["sealed"] != sealed:
                    steps.append(seq)
                sealed = entry["sealed"]
            nodes += frontier.append(leaf_hash(leaf.encode()))
            if frontier.size in wanted:
                roots[frontier.size] = frontier.root()
        self._report.size = frontier.size
        yield from self._check_nodes(nodes)
        for size in steps:
            if size not in signed:
                yield Finding(f"checkpoint {size}", "is missing: it was deleted")
        yield from self._check_checkpoints(roots)
        if anchor is not None and anchor.checkpoint is not None:
            yield from self._check_anchor(anchor.checkpoint, roots)

    def _check_record(
        self, seq: int, entry: dict[str, Any], leaf: str, stored: list[Any]
    ) -> Iterator[Finding]:
        record, where = stored[-1], f"entry {seq}"
        if record is None:
            self._report.dropped += 1
            self._gone.append((seq, entry))
            return
        if commitment(record) != entry["commitment"]:
            yield Finding(where, f"the record of event {entry['id']} was changed")
            return
        try:
            yield from self._compare(seq, entry, leaf, stored)
        except (ValueError, KeyError, TypeError, AttributeError):
            yield Finding(where, "the record is not one this service writes")

    def _compare(
        self, seq: int, entry: dict[str, Any], leaf: str, stored: list[Any]
    ) -> Iterator[Finding]:
        """Compare a record with all that was derived from it."""
        record, where = stored[-1], f"entry {seq}"
        fields = orjson.loads(record)
        sealed = timestamp(datetime.fromisoformat(entry["sealed"]))
        if entry_for(seq, record, fields, sealed) != leaf:
            yield Finding(where, "the entry contradicts its record")
        if columns(fields) != tuple(stored[:-1]):
            yield Finding(where, "the columns it is searched by contradict its record")
        mentioned = {key for (key,) in self._connection.execute(_MENTIONS, (seq,))}
        if mentioned != keys_of(fields):
            yield Finding(where, "the index of subjects contradicts its record")

    def _check_nodes(self, expected: list[tuple[int, int, bytes]]) -> Iterator[Finding]:
        stored = {
            (level, index): digest for level, index, digest in self._connection.execute(_NODES)
        }
        for level, index, digest in expected:
            if stored.pop((level, index), None) != digest:
                yield Finding(f"node {level}/{index}", "is not the hash of its entries")
        for level, index in sorted(stored):
            yield Finding(f"node {level}/{index}", "has no entries")

    def _check_checkpoints(self, roots: dict[int, bytes]) -> Iterator[Finding]:
        last, good = 0, 0
        for size, note in self._connection.execute(
            "SELECT size, note FROM checkpoints ORDER BY size"
        ):
            self._report.checkpoints += 1
            where, last = f"checkpoint {size}", size
            try:
                signed = self._verifier.open(note)
            except CheckpointError as error:
                yield Finding(where, str(error))
                continue
            if (signed.origin, signed.size) != (self._origin, size):
                yield Finding(where, f"is of {signed.origin}, size {signed.size}")
            elif size > self._report.size:
                yield Finding(
                    where, f"signed {size} entries, {self._report.size} are left: truncated"
                )
            elif roots.get(size) != signed.root:
                yield Finding(
                    where, f"signed other entries: one of {good} to {size - 1} was changed"
                )
            else:
                good = size
        if last < self._report.size:
            yield Finding(
                f"entry {last}", f"entries {last} to {self._report.size - 1} were never signed"
            )

    def _check_anchor(self, anchor: Checkpoint, roots: dict[int, bytes]) -> Iterator[Finding]:
        if anchor.size > self._report.size:
            yield Finding(
                "anchor",
                f"the log had {anchor.size} entries, it has {self._report.size}: it was rolled back",
            )
        elif anchor.size and not is_consistent(
            anchor.size, anchor.root, anchor.size, roots.get(anchor.size, b""), ()
        ):
            yield Finding("anchor", f"the first {anchor.size} entries are not those it was made of")
        else:
            self._report.anchored = anchor.size

    def _check_strays(self) -> Iterator[Finding]:
        for table in ("records", "mentions"):
            query = f"SELECT DISTINCT seq FROM {table} WHERE seq NOT IN (SELECT seq FROM {_OWNER[table]})"  # noqa: S608  # names from the table below
            for (seq,) in self._connection.execute(query):
                yield Finding(f"{table} {seq}", "belongs to no entry")

    def _check_retention(self) -> Iterator[Finding]:
        today, due = timestamp(self._now), 0
        for seq, entry in self._gone:
            expires = entry.get("expires")
            if expires is not None and expires <= today:
                due += 1
            else:
                until = f"before its time, {expires}" if expires else "and is to be kept for ever"
                yield Finding(f"entry {seq}", f"the record of {entry['id']} is gone {until}")
        told = sum(self._dropped_as_told())
        if due > told:
            text = f"{due} are gone, the trail tells of {told} that were dropped"
            yield Finding("records", text)

    def _dropped_as_told(self) -> Iterator[int]:
        """Yield how many records each event about dropping them names, sealed or not."""
        for (record,) in self._connection.execute(_DROPS):
            try:
                fields = orjson.loads(record)
                if fields["action"] == RECORDS_DROPPED:
                    yield int(fields["data"]["dropped"])
            except (ValueError, KeyError, TypeError):
                continue  # what is wrong with it was found before

    def _check_inbox(self) -> Iterator[Finding]:
        overdue = timestamp(self._now - SEALED_WITHIN)
        for number, event_id, record, code in self._connection.execute(_INBOX):
            self._report.unsealed += 1
            where = f"inbox {number}"
            if self._master is not None and not compare_digest(self._master.code(record), code):
                yield Finding(where, f"event {event_id} was not written by this service")
            elif self._master is not None and orjson.loads(record)["id"] != event_id:
                yield Finding(where, f"holds another event than {event_id}")
            elif self._master is not None and orjson.loads(record)["time"] < overdue:
                yield Finding(where, f"event {event_id} waits for more than a minute to be sealed")


_LOG = (
    "SELECT e.seq, e.id, e.leaf, r.time, r.action, r.outcome, r.target, r.request_id, r.expires,"
    " r.record FROM entries e LEFT JOIN records r USING (seq) ORDER BY e.seq"
)
_MENTIONS = "SELECT key FROM mentions INDEXED BY mentions_by_seq WHERE seq = ?"
_NODES = "SELECT level, position, hash FROM nodes"
_INBOX = "SELECT n, id, record, code FROM inbox ORDER BY n"
_DROPS = f"SELECT record FROM records WHERE action = '{RECORDS_DROPPED}' UNION ALL SELECT record FROM inbox"  # noqa: S608  # a constant
_OWNER = {"records": "entries", "mentions": "records"}


def _read_entry(seq: int, event_id: str, leaf: str) -> tuple[dict[str, Any], list[str]]:
    """Return an entry and what is wrong with it in itself."""
    try:
        entry = orjson.loads(leaf)
        same = canonical(entry).decode() == leaf
    except (ValueError, InvalidEventError):
        return {}, ["the entry is not readable: it was changed"]
    if (
        not isinstance(entry, dict)
        or not same
        or not _ENTRY <= entry.keys() <= _ENTRY | {"expires"}
    ):
        return {}, ["the entry is not one this service writes: it was changed"]
    if not all(isinstance(entry[name], str) for name in entry.keys() - {"seq", "v"}):
        return {}, ["the entry is not one this service writes: it was changed"]
    wrong = []
    if entry["seq"] != seq:
        wrong.append(f"the entry is number {entry['seq']}: it was moved")
    if entry["id"] != event_id:
        wrong.append("the entry is that of another event")
    return entry, wrong


_ENTRY = {"commitment", "id", "retention", "sealed", "seq", "time", "v"}


@dataclass(frozen=True, slots=True)
class _Anchor:
    """A checkpoint from elsewhere, or why it can't be used."""

    checkpoint: Checkpoint | None
    problem: str = ""

    @classmethod
    def read(cls, note: str | None, verifier: NoteVerifier, origin: str) -> _Anchor | None:
        if note is None:
            return None
        try:
            checkpoint = verifier.open(note)
        except CheckpointError as error:
            return cls(None, str(error))
        if checkpoint.origin != origin:
            return cls(None, f"is a checkpoint of {checkpoint.origin}, not of {origin}")
        return cls(checkpoint)
