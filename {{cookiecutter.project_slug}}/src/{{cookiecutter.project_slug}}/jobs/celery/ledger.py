# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is known about every job on Celery, and what may happen to it.

Celery's result backends can't list jobs, keep dead letters or be asked who holds a job, and a broker
can lose or repeat a message. So the ledger decides and messages only name jobs: a job starts when the
ledger says so, once, and what has no message in time gets a new one. Messages may come twice.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ..errors import JobsUnavailableError
from ..records import (
    Beat,
    Claim,
    Enqueued,
    Job,
    JobFilter,
    JobState,
    Lease,
    NewJob,
    Outcome,
    Progress,
    QueueStats,
)
from .entry import (
    CANCEL,
    DROPPED,
    EXPIRE,
    LEASE,
    QUEUES,
    SEND,
    Entry,
    dropped,
    finished,
    job_key,
    load,
    new_entry,
    running,
    unique_key,
    waiting,
)
from .overview import matching, queue_stats
from .rates import wait_for_turn
from .table import ABSENT, Change, Stored, Table

_TRIES = 50
"""How often a write is tried when others write the same job; two rarely meet, and never so often."""
_BATCH = 200
_UNDERWAY_S = 5.0
_RETRY_S = 1.0
"""After which a message is tried again that the broker did not take."""

WORKER_LOST = "WorkerLost: the worker of the last attempt died, or lost its connections"


class Ticket(NamedTuple):
    """A job that is to be sent to the broker."""

    id: str
    task: str
    queue: str
    priority: int


class Ledger:
    """Every job, in a `Table`. Blocks; any thread may call it.

    Args:
        table: Where it is kept.
        first_hold_s: Seconds that a new job waits for whoever enqueued it to send it, too.
        hold_s: Seconds that a worker which is about to send a job keeps others from that.
        resend_s: Seconds after which a job that was sent and did not start is sent again.
        retention_s: Seconds that a cancelled job's record is kept.
        dead_retention_s: Seconds that a dead letter is kept.
        rate_limits: Starts per second by queue.
    """

    def __init__(
        self,
        table: Table,
        *,
        first_hold_s: float = 30.0,
        hold_s: float = 30.0,
        resend_s: float = 900.0,
        retention_s: float = 86_400.0,
        dead_retention_s: float = 2_592_000.0,
        rate_limits: dict[str, float] | None = None,
    ) -> None:
        self.table = table
        self._first_hold_s = first_hold_s
        self._hold_s = hold_s
        self._resend_s = resend_s
        self._retention_s = retention_s
        self._dead_retention_s = dead_retention_s
        self._rate_limits = rate_limits or {}

    # What a service does

    def add(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Write new jobs down, all or none; see `JobBackend.enqueue_many`."""
        keys = [job_key(job.id) for job in jobs]
        keys += [unique_key(job.unique) for job in jobs if job.unique]
        for _ in range(_TRIES):
            now, found = self.table.read(keys)
            known = dict(zip(keys, found, strict=True))
            changes: list[Change] = []
            answers = [self._add_one(job, now, known, changes) for job in jobs]
            if self.table.write(changes):
                return answers
        raise _busy()

    def _add_one(
        self, job: NewJob, now: float, known: dict[str, Stored], changes: list[Change]
    ) -> Enqueued:
        if known[job_key(job.id)].body:
            return Enqueued(job.id, created=False)
        holder = known[unique_key(job.unique)] if job.unique else ABSENT
        if holder.body:
            return Enqueued(holder.body.decode(), created=False)
        entry = new_entry(job, now, self._first_hold_s)
        put = entry.places() | {(QUEUES, job.queue): 0.0}
        written = Stored(1, job.id.encode())
        changes.append(Change(key=job_key(job.id), version=0, body=entry.dump(), put=put))
        known[job_key(job.id)] = written
        if job.unique:
            changes.append(Change(key=unique_key(job.unique), version=0, body=job.id.encode()))
            known[unique_key(job.unique)] = written
        return Enqueued(job.id, created=True)

    def get(self, job_id: str) -> Job | None:
        """Return a job."""
        _, (stored,) = self.table.read([job_key(job_id)])
        return load(stored.body).job() if stored.body else None

    def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs, the newest first."""
        return [entry.job() for entry in matching(self.table, wanted)]

    def stats(self) -> list[QueueStats]:
        """Return how each queue is doing that has a job."""
        return queue_stats(self.table)

    def cancel(self, job_id: str) -> Job | None:
        """Cancel a job that waits, or mark one that runs."""

        def change(entry: Entry, now: float) -> Entry | None:
            if entry.is_waiting:
                return finished(entry, JobState.CANCELLED, now, self._retention_s)
            return replace(entry, cancel=True) if entry.state == "running" else None

        entry = self._change(job_id, change)
        return entry.job() if entry else self.get(job_id)

    def replay(self, job_id: str) -> Job | None:
        """Let a failed, cancelled or delayed job start now."""

        def change(entry: Entry, now: float) -> Entry | None:
            if entry.state in {"failed", "cancelled"}:
                again = waiting(entry, JobState.QUEUED, now, attempt=0)
                return replace(again, progress=None, started=None, worker="")
            if entry.is_waiting and entry.due > now:
                return replace(entry, due=now, send_at=now)
            return None

        entry = self._change(job_id, change)
        return entry.job() if entry else self.get(job_id)

    def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs."""
        states = [wanted.state] if wanted.state else [s for s in JobState if s.is_finished]
        deleted = 0
        for state in states:
            left = replace(wanted, state=state, limit=wanted.limit - deleted)
            found = list(matching(self.table, left)) if state.is_finished else []
            for entry in found:
                deleted += self._change(entry.id, _if_finished) is not None
        return deleted

    # What a worker does

    def start(
        self, job_id: str, *, message: str, redelivered: bool, lease_s: float, worker: str
    ) -> Claim | None:
        """Start the job that a message names, and return the attempt; None when it must not start.

        Args:
            job_id: The job.
            message: Tells this message from others about the same job.
            redelivered: Whether the broker says that it took the message back from a worker that
                lost its connection: then that worker's attempt is over, and fenced off.
            lease_s: Seconds that the attempt belongs to the caller.
            worker: Who takes it, for people to see.
        """
        for _ in range(_TRIES):
            now, (stored,) = self.table.read([job_key(job_id)])
            entry = load(stored.body) if stored.body else None
            if entry is None or not self._may_start(entry, now, message, redelivered=redelivered):
                return None
            if entry.attempt >= entry.max_attempts:  # its last worker died: `reclaim` reports it
                self.table.touch(LEASE, {entry.lease_member: 0.0})
                return None
            delay_s = wait_for_turn(
                self.table, entry.queue, self._rate_limits.get(entry.queue), now
            )
            if delay_s:
                self._write(stored, entry, replace(entry, due=now + delay_s, send_at=now + delay_s))
                return None
            started = running(entry, now, lease_s, message=message, worker=worker)
            if self._write(stored, entry, started):
                return started.claim(now)
        raise _busy()

    def _may_start(self, entry: Entry, now: float, message: str, *, redelivered: bool) -> bool:
        if entry.is_waiting:
            return entry.due <= now + 0.001
        if entry.state != "running":
            return False
        if redelivered and message == entry.message:
            return True
        _, (until,) = self.table.scores(LEASE, [entry.lease_member])
        return until is not None and until <= now

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases; see `JobStore.heartbeat`."""
        if not leases:
            return Beat(frozenset(), frozenset())
        members = {f"{lease.id}:{lease.token}": lease_s for lease in leases}
        held = self.table.touch(LEASE, members)
        _, marks = self.table.scores(CANCEL, [lease.id for lease in leases])
        return Beat(
            frozenset(one.id for one, kept in zip(leases, held, strict=True) if not kept),
            frozenset(one.id for one, mark in zip(leases, marks, strict=True) if mark is not None),
        )

    def complete(self, outcome: Outcome) -> bool:
        """Take how an attempt ended; return whether it was the newest."""

        def change(entry: Entry, now: float) -> Entry | None:
            if entry.state != "running" or entry.token != outcome.lease.token:
                return None
            return self._after(entry, outcome, now)

        return self._change(outcome.lease.id, change) is not None

    def _after(self, entry: Entry, outcome: Outcome, now: float) -> Entry:
        """Return a job as it is after its newest attempt."""
        state, retain_s = outcome.state, outcome.retain_s
        if entry.cancel and state in {JobState.RETRYING, JobState.QUEUED}:
            state = JobState.CANCELLED
        if state is JobState.RETRYING:
            return waiting(entry, state, now + outcome.delay_s, error=outcome.error)
        if state is JobState.QUEUED:
            return waiting(entry, state, now, attempt=entry.attempt - 1)
        if state is JobState.CANCELLED:
            retain_s = self._retention_s
        if not retain_s:
            return dropped(entry)
        result = outcome.result.decode() if state is JobState.SUCCEEDED else None
        return finished(entry, state, now, retain_s, error=outcome.error, result=result)

    def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep how far a task is."""

        def change(entry: Entry, _now: float) -> Entry | None:
            if entry.state != "running" or entry.token != lease.token:
                return None
            return replace(entry, progress=(progress.done, progress.total, progress.note))

        return self._change(lease.id, change) is not None

    # What keeps it going

    def reclaim(self) -> list[Job]:
        """Take back jobs whose lease ended, drop what is past its time; return new dead letters."""
        dead = []
        for member in self.table.due(LEASE, _BATCH):
            taken = self._change(member.rpartition(":")[0], partial(self._back, member))
            if taken is not None and taken.state == "failed":
                dead.append(taken.job())
        for job_id in self.table.due(EXPIRE, _BATCH):
            self._change(job_id, _if_expired)
        return dead

    def _back(self, member: str, entry: Entry, now: float) -> Entry | None:
        if entry.state != "running" or entry.lease_member != member:
            return None
        if entry.cancel:
            return finished(entry, JobState.CANCELLED, now, self._retention_s)
        if entry.attempt >= entry.max_attempts:
            return self._dead(entry, now)
        return waiting(entry, JobState.RETRYING, now, error=WORKER_LOST)

    def _dead(self, entry: Entry, now: float) -> Entry:
        return finished(entry, JobState.FAILED, now, self._dead_retention_s, error=WORKER_LOST)

    def unsent(self, limit: int) -> list[Ticket]:
        """Return jobs that need a message; they are the caller's to send for a while."""
        tickets: list[Ticket] = []
        for index in SEND.values():
            for job_id in (
                self.table.due(index, limit - len(tickets)) if len(tickets) < limit else ()
            ):
                entry = self._change(job_id, self._held)
                if entry is not None:
                    tickets.append(Ticket(entry.id, entry.task, entry.queue, entry.priority))
        return tickets

    def _held(self, entry: Entry, now: float) -> Entry | None:
        _, (send_at,) = self.table.scores(SEND[entry.priority], [entry.id])
        if not entry.is_waiting or send_at is None or send_at > now:
            return None
        return replace(entry, send_at=now + self._hold_s)

    def sent(self, tickets: Sequence[Ticket], *, arrived: bool = True) -> None:
        """Note that the broker keeps these messages now, or that it could not be reached."""
        wait_s = self._resend_s if arrived else _RETRY_S
        for priority, index in SEND.items():
            ids = [one.id for one in tickets if one.priority == priority]
            if ids:
                self.table.touch(index, dict.fromkeys(ids, wait_s))

    def resend(self, queue: str) -> None:
        """Have the jobs of a queue sent again that the broker should hold, and does not.

        Those that were sent within the last `_UNDERWAY_S` seconds may still be on their way.
        """
        ids = self.table.due(f"wait:{queue}", _BATCH)
        for index in SEND.values():
            now, scores = self.table.scores(index, ids)
            before = now + self._resend_s - _UNDERWAY_S
            lost = [one for one, at in zip(ids, scores, strict=True) if at and at <= before]
            if lost:
                self.table.touch(index, dict.fromkeys(lost, 0.0))

    def _change(self, job_id: str, change: Callable[[Entry, float], Entry | None]) -> Entry | None:
        """Change a job and return it as it is then; None when there is none, or nothing to change."""
        for _ in range(_TRIES):
            now, (stored,) = self.table.read([job_key(job_id)])
            if not stored.body:
                return None
            entry = load(stored.body)
            after = change(entry, now)
            if after is None:
                return None
            if self._write(stored, entry, after):
                return after
        raise _busy()

    def _write(self, stored: Stored, before: Entry, after: Entry) -> bool:
        """Write a job that was read, with its indexes and its unique key."""
        old, dropped = before.places(), after.state == DROPPED
        new = {} if dropped else after.places()
        changes = [
            Change(
                key=job_key(before.id),
                version=stored.version,
                body=b"" if dropped else after.dump(),
                put={place: score for place, score in new.items() if old.get(place) != score},
                drop=[place for place in old if place not in new],
            )
        ]
        changes += self._unique_change(before, after)
        return self.table.write(changes)

    def _unique_change(self, before: Entry, after: Entry) -> list[Change]:
        """Return what happens to the unique key: free when the job ends, taken again by a replay."""
        ended = after.state == DROPPED or after.is_finished
        if not before.unique or before.is_finished == ended:
            return []
        _, (holder,) = self.table.read([unique_key(before.unique)])
        if ended and holder.body == before.id.encode():
            return [Change(key=unique_key(before.unique), version=holder.version, body=b"")]
        if not ended and not holder.body:
            return [Change(key=unique_key(before.unique), version=0, body=before.id.encode())]
        return []


def _if_finished(entry: Entry, _now: float) -> Entry | None:
    return dropped(entry) if entry.is_finished else None


def _if_expired(entry: Entry, now: float) -> Entry | None:
    return dropped(entry) if entry.is_finished and (entry.expires or 0.0) <= now else None


def _busy() -> JobsUnavailableError:
    return JobsUnavailableError("The job store is too busy.")
