# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Attempts in NATS: starting what was delivered, and ending what was started.

The record decides. A message in a line only says "look at this job": it can come twice, late, or for
a job that is finished, and is then acknowledged and forgotten. Each change of a record replaces
exactly the one that was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from ..errors import JobsUnavailableError
from ..records import Claim, Job, JobState, Lease, Outcome
from ._nats_connection import EXPECTED, Connection, Message, Stored
from ._nats_enqueue import Enqueuing
from ._nats_lines import Delivery
from ._nats_names import Names
from ._nats_records import Record, apply, copy_of, load
from .promises import LOST

if TYPE_CHECKING:
    from .settings import ServerJobsSettings

_TRIES = 10
_EARLY_MS = 1_000


class Change(NamedTuple):
    """A record that is to be replaced.

    Attributes:
        after: What it will be.
        headers: What it is stored with.
        sequence: Of the one that it replaces.
        reply: Where the message is acknowledged that it came from.
    """

    after: Record
    headers: dict[str, str]
    sequence: int
    reply: str


class Attempts:
    """Starts and ends attempts.

    Args:
        connection: Where jobs are kept.
        names: What they are called.
        enqueuing: Makes messages that start jobs, and frees unique keys.
        settings: How long records are kept.
        now: Milliseconds since 1970 by the server's clock.
    """

    def __init__(
        self,
        connection: Connection,
        names: Names,
        enqueuing: Enqueuing,
        settings: ServerJobsSettings,
        now: Callable[[], int],
    ) -> None:
        self._connection = connection
        self._names = names
        self._enqueuing = enqueuing
        self._settings = settings
        self._now = now
        self._held: dict[str, tuple[Record, int]] = {}
        self._dead: list[Job] = []

    def dead_letters(self) -> list[Job]:
        """Return the jobs that became dead letters because their worker died; once each."""
        dead, self._dead = self._dead, []
        return dead

    async def start(self, deliveries: Sequence[Delivery], worker: str | None) -> list[Claim]:
        """Start what was delivered, and return it; without a worker, only clear away what is over.

        Raises:
            JobsUnavailableError: When the server does not answer; the messages come again.
        """
        left, claims = list(deliveries), list[Claim]()
        for _ in range(_TRIES):
            if not left:
                return claims
            stored = await self._read(self._names.record_of(one.subject) for one in left)
            changes = [await self._look(one, stored, worker) for one in left]
            written = await self._write([change for change in changes if change])
            missed = {change.reply for change, at in written if not at}
            for change, sequence in written:
                if sequence and _runs(change):
                    self._held[change.after.id] = (change.after, sequence)
                    claims.append(change.after.claim(self._now()))
            await self._follow([change for change, at in written if at and not _runs(change)])
            left = [one for one in left if one.reply in missed]
        return claims

    async def _look(
        self, delivery: Delivery, stored: dict[str, Stored], worker: str | None
    ) -> Change | None:
        """Return what to do with the record of a delivered message, or None for nothing."""
        found = stored.get(self._names.record_of(delivery.subject))
        record = load(found.data) if found else None
        if found is None or record is None or record.is_finished:
            await self._connection.send(delivery.reply, b"+ACK")
            return None
        if not record.waits:
            if record.message != delivery.sequence:
                await self._connection.send(delivery.reply, b"+ACK")
                return None
            if delivery.times <= record.deliveries:
                return None  # somebody else was given it after us
            ended = self._ended(record)
            if ended:
                return Change(*ended, found.sequence, delivery.reply)
        elif record.due > self._now() + _EARLY_MS:
            await self._connection.publish([self._enqueuing.pointer(record)])
            await self._connection.send(delivery.reply, b"+ACK")
            return None
        if worker is None:
            await self._connection.send(delivery.reply, b"-NAK")
            return None
        return Change(self._running(record, delivery, worker), {}, found.sequence, delivery.reply)

    def _running(self, record: Record, delivery: Delivery, worker: str) -> Record:
        after = copy_of(record)
        if not record.waits:
            after.error = LOST
        after.state, after.worker = JobState.RUNNING.value, worker
        after.attempt += 1
        after.token += 1
        after.started, after.cancelled = self._now(), False
        after.lease_s = delivery.lease_s
        after.message, after.deliveries, after.reply = (
            delivery.sequence,
            delivery.times,
            delivery.reply,
        )
        return after

    def _ended(self, record: Record) -> tuple[Record, dict[str, str]] | None:
        """Return how a record ends whose worker died, if it does."""
        after = copy_of(record)
        after.error = LOST
        if record.cancelled:
            after.state = JobState.CANCELLED.value
            return after, after.retain(self._settings.retention_s, self._now())
        if record.attempt >= record.max_attempts:
            after.state = JobState.FAILED.value
            return after, after.retain(self._settings.dead_retention_s, self._now())
        return None

    async def end(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Take how attempts ended; return for each whether it was taken; safe to repeat.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        taken: dict[Lease, bool] = {}
        left = {outcome.lease: outcome for outcome in outcomes}
        for _ in range(_TRIES):
            held = await self._records_of(left)
            changes: dict[Lease, Change] = {}
            for lease, outcome in left.items():
                record, sequence = held.get(lease.id, (None, 0))
                if record is None or record.token != lease.token:
                    taken[lease] = False
                elif record.state != JobState.RUNNING:
                    taken[lease] = record.state == outcome.state  # an answer that was lost
                else:
                    after, headers = self._apply(outcome, record)
                    changes[lease] = Change(after, headers, sequence, record.reply)
            written = await self._write(list(changes.values()))
            await self._follow([change for change, at in written if at])
            missed = {change.after.id for change, at in written if not at}
            taken |= dict.fromkeys(changes, True)
            for lease in left:
                self._held.pop(lease.id, None)
            left = {
                lease: one for lease, one in left.items() if lease in changes and lease.id in missed
            }
            if not left:
                return [taken[outcome.lease] for outcome in outcomes]
        raise JobsUnavailableError("The records of these jobs change all the time.")

    def _apply(self, outcome: Outcome, record: Record) -> tuple[Record, dict[str, str]]:
        retention_s = self._settings.retention_s
        return apply(outcome, record, now=self._now(), retention_s=retention_s)

    async def _records_of(self, leases: Iterable[Lease]) -> dict[str, tuple[Record, int]]:
        """Return the records of leases: those that are at hand, and the others from the server."""
        found = {lease.id: self._held[lease.id] for lease in leases if lease.id in self._held}
        missing = [lease.id for lease in leases if lease.id not in found]
        if missing:
            stored = await self._read(self._names.record(job_id) for job_id in missing)
            for one in stored.values():
                record = load(one.data)
                found[record.id] = (record, one.sequence)
        return found

    async def _write(self, changes: Sequence[Change]) -> list[tuple[Change, int]]:
        """Replace records, and return for each its new sequence, or 0 when it had changed."""
        messages = [
            Message(
                self._names.record(change.after.id),
                change.after.dump(),
                change.headers | {EXPECTED: str(change.sequence)},
            )
            for change in changes
        ]
        return list(zip(changes, await self._connection.publish(messages), strict=True))

    async def _follow(self, changes: Sequence[Change]) -> None:
        """Do what follows from records that were written: the message comes again until it is done."""
        messages = []
        for record, _, _, _ in changes:
            if record.state == JobState.RETRYING and record.due > record.started:
                messages.append(self._enqueuing.pointer(record))
            elif record.state == JobState.FAILED:
                headers = {"Nats-TTL": _lifetime(record)}
                messages.append(Message(self._names.dead(record.queue, record.id), b"", headers))
        await self._connection.publish(messages)
        await self._enqueuing.release(
            [change.after for change in changes if change.after.is_finished]
        )
        for record, _, _, reply in changes:
            given_back = record.waits and record.due <= record.started
            await self._connection.send(reply, b"-NAK" if given_back else b"+ACK")
            if record.state == JobState.FAILED and record.error == LOST:
                self._dead.append(record.job())

    def at_hand(self, job_id: str) -> Record | None:
        """Return the record of a job that was started here, if it is known without asking."""
        record, _ = self._held.get(job_id, (None, 0))
        return record

    def drop(self, job_ids: Iterable[str]) -> None:
        """Forget what is at hand of jobs that others have now; safe from any thread."""
        for job_id in job_ids:
            self._held.pop(job_id, None)

    async def change(
        self, job_id: str, decide: Callable[[Record], tuple[Record, dict[str, str]] | None]
    ) -> tuple[Record, Record] | None:
        """Change a record, and return it before and after; the same twice when nothing is decided.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        subject = self._names.record(job_id)
        for _ in range(_TRIES):
            stored = (await self._read([subject])).get(subject)
            record = load(stored.data) if stored else None
            if stored is None or record is None or record.dropped:
                return None
            decided = decide(record)
            if decided is None:
                return record, record
            written = await self._write([Change(*decided, stored.sequence, "")])
            if written[0][1]:
                if record.id in self._held:
                    self._held[record.id] = (decided[0], written[0][1])
                return record, decided[0]
        raise JobsUnavailableError("The job's record changes all the time.")

    async def _read(self, subjects: Iterable[str]) -> dict[str, Stored]:
        return await self._connection.read(self._names.stream, subjects)


def _runs(change: Change) -> bool:
    return change.after.state == JobState.RUNNING


def _lifetime(record: Record) -> str:
    return f"{max(1, (record.expires - record.finished + 999) // 1000)}s"
