# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A job as the ledger writes it down, and where it is then found."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime

import orjson

from ..records import Claim, Job, JobState, Lease, NewJob, Progress

ALL, LEASE, CANCEL, EXPIRE, QUEUES = "all", "lease", "cancel", "expire", "queues"
"""Indexes of all jobs, of leases, of jobs to stop, of records to drop, and of names of queues."""

SEND = {1: "send:high", 0: "send:normal", -1: "send:low"}
"""Indexes by when a message is to be sent, the highest priority first."""

DROPPED = "dropped"
"""The state of an entry whose record is to be deleted; never written."""

Places = dict[tuple[str, str], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known about a job. Times are seconds since 1970, by the clock of the ledger.

    Attributes:
        token: Grows with each start: the fencing token.
        message: Which message started the newest attempt.
        send_at: When the job is to be sent to the broker, or sent again.
    """

    id: str
    task: str
    queue: str
    payload: str
    priority: int
    max_attempts: int
    timeout_s: float
    unique: str
    result_ttl_s: float
    idempotency_key: str
    trace: str
    enqueued: float
    due: float
    state: str = "queued"
    attempt: int = 0
    token: int = 0
    message: str = ""
    worker: str = ""
    send_at: float = 0.0
    lease_until: float = 0.0
    started: float | None = None
    finished: float | None = None
    expires: float | None = None
    result: str | None = None
    error: str = ""
    progress: tuple[float, float | None, str] | None = None
    cancel: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether it waits for a worker, for its time or for its next attempt."""
        return self.state in {"queued", "retrying"}

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self.state in {"succeeded", "failed", "cancelled"}

    @property
    def lease_member(self) -> str:
        """By what the index of leases knows the newest attempt."""
        return f"{self.id}:{self.token}"

    def dump(self) -> bytes:
        """Return it as bytes."""
        return orjson.dumps(self)

    def places(self) -> Places:
        """Return in which indexes it is found, and with which score."""
        places: Places = {
            (ALL, self.id): self.enqueued,
            (f"state:{self.state}", self.id): self.enqueued,
        }
        if self.is_waiting:
            places |= {
                (SEND[self.priority], self.id): self.send_at,
                (f"wait:{self.queue}", self.id): self.due,
            }
        elif self.state == "running":
            places[LEASE, self.lease_member] = self.lease_until
            places[f"run:{self.queue}", self.id] = self.started or 0.0
            if self.cancel:
                places[CANCEL, self.id] = 0.0
        else:
            places[EXPIRE, self.id] = self.expires or 0.0
            if self.state == "failed":
                places[f"dead:{self.queue}", self.id] = self.finished or 0.0
        return places

    def claim(self, now: float) -> Claim:
        """Return the running attempt as a worker gets it."""
        return Claim(
            lease=Lease(self.id, self.token),
            task=self.task,
            queue=self.queue,
            payload=self.payload.encode(),
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            timeout_s=self.timeout_s,
            result_ttl_s=self.result_ttl_s,
            idempotency_key=self.idempotency_key,
            trace=self.trace,
            waited_s=max(0.0, now - self.due),
        )

    def job(self) -> Job:
        """Return it as people see it."""
        return Job(
            id=self.id,
            task=self.task,
            queue=self.queue,
            state=JobState(self.state),
            priority=self.priority,
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            payload=self.payload.encode(),
            unique=self.unique,
            idempotency_key=self.idempotency_key,
            enqueued_at=_date(self.enqueued),
            due_at=_date(self.due),
            started_at=None if self.started is None else _date(self.started),
            finished_at=None if self.finished is None else _date(self.finished),
            expires_at=None if self.expires is None else _date(self.expires),
            result=None if self.result is None else self.result.encode(),
            error=self.error,
            progress=Progress(*self.progress) if self.progress else None,
            worker=self.worker,
            cancel_requested=self.cancel,
            trace=self.trace,
        )


def job_key(job_id: str) -> str:
    """Return the key of a job's record."""
    return f"job:{job_id}"


def unique_key(unique: str) -> str:
    """Return the key of the record that says which job holds a unique key."""
    return f"unique:{unique}"


_FIELDS = {one.name for one in fields(Entry)}


def load(body: bytes) -> Entry:
    """Return what `Entry.dump` wrote; what a newer release wrote in addition is left out."""
    known = {name: value for name, value in orjson.loads(body).items() if name in _FIELDS}
    return Entry(**known)


def new_entry(job: NewJob, now: float, hold_s: float) -> Entry:
    """Return the entry of a new job.

    Args:
        job: The job.
        now: The ledger's time.
        hold_s: Seconds after which a worker sends it, unless who enqueued it says that it did.
    """
    due = now + job.delay_s
    return Entry(
        id=job.id,
        task=job.task,
        queue=job.queue,
        payload=job.payload.decode(),
        priority=job.priority,
        max_attempts=job.max_attempts,
        timeout_s=job.timeout_s,
        unique=job.unique,
        result_ttl_s=job.result_ttl_s,
        idempotency_key=job.idempotency_key,
        trace=job.trace,
        enqueued=now,
        due=due,
        send_at=due if job.delay_s else due + hold_s,
    )


def running(entry: Entry, now: float, lease_s: float, *, message: str, worker: str) -> Entry:
    """Return an entry whose next attempt has begun."""
    return replace(
        entry,
        state=JobState.RUNNING.value,
        attempt=entry.attempt + 1,
        token=entry.token + 1,
        started=now,
        lease_until=now + lease_s,
        message=message,
        worker=worker,
        progress=None,
    )


def dropped(entry: Entry) -> Entry:
    """Return an entry whose record is to be deleted."""
    return replace(entry, state=DROPPED)


def waiting(
    entry: Entry, state: JobState, due: float, *, error: str = "", attempt: int | None = None
) -> Entry:
    """Return an entry that waits until it is due."""
    return replace(
        entry,
        state=state.value,
        due=due,
        send_at=due,
        attempt=entry.attempt if attempt is None else attempt,
        error=error,
        finished=None,
        expires=None,
        result=None,
        cancel=False,
    )


def finished(
    entry: Entry,
    state: JobState,
    now: float,
    retain_s: float,
    *,
    error: str = "",
    result: str | None = None,
) -> Entry:
    """Return an entry that is finished."""
    return replace(
        entry,
        state=state.value,
        finished=now,
        expires=now + retain_s,
        error=error,
        result=result,
        cancel=False,
    )


def _date(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
