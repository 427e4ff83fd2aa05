# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A job's record in NATS: all that is known about it, in one message that is replaced as a whole."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import ceil
from typing import Any

import orjson

from ..records import Claim, Job, JobState, Lease, NewJob, Outcome, Progress


@dataclass(slots=True, kw_only=True)
class Record:
    """A job; times are milliseconds since 1970 by the server's clock, 0 for never.

    Attributes:
        nonce: Which call made it.
        token: The fencing token.
        message: Sequence of the message that the running attempt was claimed with.
        deliveries: How often that had been delivered.
        reply: Where it is acknowledged.
        lease_s: Seconds that an acknowledgement of progress prolongs it by.
        dropped: It is not kept; the server deletes it within a second.
    """

    id: str
    task: str
    queue: str
    priority: int
    max_attempts: int
    timeout_s: float
    result_ttl_s: float
    unique: str
    key: str
    trace: str
    nonce: str
    enqueued_us: int
    due: int
    state: str = JobState.QUEUED.value
    attempt: int = 0
    token: int = 0
    message: int = 0
    deliveries: int = 0
    reply: str = ""
    lease_s: float = 0.0
    started: int = 0
    finished: int = 0
    expires: int = 0
    error: str = ""
    progress: tuple[float, float | None, str] | None = None
    worker: str = ""
    cancelled: bool = False
    dropped: bool = False
    payload: bytes = field(default=b"", repr=False)
    result: bytes = field(default=b"", repr=False)

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return JobState(self.state).is_finished

    @property
    def waits(self) -> bool:
        """Whether it waits for a worker, or for its time."""
        return self.state in {JobState.QUEUED, JobState.RETRYING}

    def dump(self) -> bytes:
        """Return it as it is stored: a line of JSON, the payload and the result as they are."""
        fields = {name: value for name, value in _plain(self).items() if value not in _DEFAULTS}
        fields["bytes"] = len(self.payload)
        return orjson.dumps(fields) + b"\n" + self.payload + self.result

    def retain(self, seconds: float, now: int) -> dict[str, str]:
        """Finish it, to be kept so long, and return the headers that say so to the server."""
        self.finished, self.expires = now, now + ceil(seconds * 1000)
        self.dropped = seconds <= 0
        return {"Nats-TTL": f"{max(1, ceil(seconds))}s"}

    def claim(self, now: int) -> Claim:
        """Return what its worker gets."""
        return Claim(
            lease=Lease(self.id, self.token),
            task=self.task,
            queue=self.queue,
            payload=self.payload,
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            timeout_s=self.timeout_s,
            result_ttl_s=self.result_ttl_s,
            idempotency_key=self.key,
            trace=self.trace,
            waited_s=max(0, now - self.due) / 1000,
        )

    def job(self) -> Job:
        """Return it as people see it."""
        state = JobState(self.state)
        return Job(
            id=self.id,
            task=self.task,
            queue=self.queue,
            state=state,
            priority=self.priority,
            attempt=self.attempt,
            max_attempts=self.max_attempts,
            payload=self.payload,
            unique=self.unique,
            idempotency_key=self.key,
            enqueued_at=datetime.fromtimestamp(self.enqueued_us / 1e6, UTC),
            due_at=_moment(self.due),
            started_at=_moment(self.started) if self.started else None,
            finished_at=_moment(self.finished) if self.finished else None,
            expires_at=_moment(self.expires) if self.expires else None,
            result=(self.result or b"null") if state is JobState.SUCCEEDED else None,
            error=self.error,
            progress=Progress(*self.progress) if self.progress else None,
            worker=self.worker,
            cancel_requested=self.cancelled and state is JobState.RUNNING,
            trace=self.trace,
        )


_DEFAULTS: tuple[object, ...] = ("", None)
_SPLIT = frozenset({"payload", "result"})
_NAMES = tuple(name for name in Record.__slots__ if name not in _SPLIT)


def _plain(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in _NAMES}


def load(stored: bytes) -> Record:
    """Return what `Record.dump` wrote."""
    head, _, rest = stored.partition(b"\n")
    fields = orjson.loads(head)
    size = fields.pop("bytes")
    for name in ("unique", "key", "trace", "nonce"):
        fields.setdefault(name, "")
    return Record(**fields, payload=rest[:size], result=rest[size:])


def new_record(job: NewJob, nonce: str, now: int, *, enqueued_us: int) -> Record:
    """Return the record of a job that is to be enqueued."""
    return Record(
        id=job.id,
        task=job.task,
        queue=job.queue,
        priority=job.priority,
        max_attempts=job.max_attempts,
        timeout_s=job.timeout_s,
        result_ttl_s=job.result_ttl_s,
        unique=job.unique,
        key=job.idempotency_key,
        trace=job.trace,
        nonce=nonce,
        enqueued_us=enqueued_us,
        due=now + ceil(job.delay_s * 1000),
        payload=job.payload,
    )


def copy_of(record: Record) -> Record:
    """Return a record that can be changed without the other."""
    return Record(**{name: getattr(record, name) for name in Record.__slots__})


def apply(
    outcome: Outcome, record: Record, *, now: int, retention_s: float
) -> tuple[Record, dict[str, str]]:
    """Return a record after an attempt ended so, and the headers that it is stored with."""
    after = copy_of(record)
    state = outcome.state
    if record.cancelled and not state.is_finished:
        state = JobState.CANCELLED
    after.state = state.value
    if state is JobState.SUCCEEDED:
        after.result, after.error = outcome.result, ""
    elif outcome.error:
        after.error = outcome.error
    if state.is_finished:
        # A task that was cancelled says nothing about how long that is kept.
        retain_s = retention_s if state is JobState.CANCELLED else outcome.retain_s
        return after, after.retain(retain_s, now)
    if state is JobState.RETRYING:
        after.due = now + ceil(outcome.delay_s * 1000)
    else:  # given back
        after.attempt -= 1
        after.state = (JobState.RETRYING if after.attempt else JobState.QUEUED).value
    return after, {}


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)
