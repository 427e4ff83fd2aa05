# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is known about jobs: as they are enqueued, claimed, finished and looked at.

Between a worker and a store, times are seconds from now, which need no agreement about the time of
day. Only what people look at holds a date.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal, NamedTuple, TypeAlias

Priority: TypeAlias = Literal[-1, 0, 1]
"""Low, normal, high: within a queue, a job of a higher one starts first. Stores keep three lines."""


class JobState(StrEnum):
    """Where a job is in its life."""

    QUEUED = "queued"
    """It waits for a worker, or for its time."""
    RUNNING = "running"
    """A worker holds its lease."""
    RETRYING = "retrying"
    """An attempt failed; it waits for the next."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """A dead letter: no attempt is left, or none would help. It can be replayed."""
    CANCELLED = "cancelled"

    @property
    def is_finished(self) -> bool:
        """Whether nothing more happens to it by itself."""
        return self in _FINISHED


_FINISHED = frozenset({JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED})


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJob:
    """A job as it is enqueued.

    Attributes:
        id: Its id. A store takes a job once: another one with the id of a job that it still keeps,
            finished or not, is not enqueued.
        task: The task's name.
        queue: Where it waits: lower-case letters, digits, `-` and `_`.
        payload: The arguments as JSON: `[[positional...], {keyword: ...}]`.
        priority: See `Priority`.
        delay_s: Seconds before it may start.
        max_attempts: How often it may start, worker crashes included.
        timeout_s: Seconds that an attempt may take.
        unique: While a job with this key is not finished, another is not enqueued; empty for none.
        result_ttl_s: Seconds that the record of its success, with the result, is kept; 0 drops it at
            once.
        idempotency_key: What the task hands to whoever has the effect, so that it happens once.
        trace: `request_id trace_id span_id` of the request that enqueued it, or empty.
    """

    id: str
    task: str
    queue: str
    payload: bytes
    priority: Priority = 0
    delay_s: float = 0.0
    max_attempts: int = 4
    timeout_s: float = 300.0
    unique: str = ""
    result_ttl_s: float = 86_400.0
    idempotency_key: str = ""
    trace: str = ""


class Enqueued(NamedTuple):
    """What became of a job that was to be enqueued.

    Attributes:
        id: The id of the job that is there now: the new one's, or that of the earlier job with the
            same id or unique key.
        created: Whether it is the new one.
    """

    id: str
    created: bool


class Lease(NamedTuple):
    """The right to finish one attempt of a job.

    Attributes:
        id: The job's id.
        token: Grows each time that the job is claimed, replays included: the fencing token. A store
            refuses whatever comes with another than the newest.
    """

    id: str
    token: int


class Claim(NamedTuple):
    """A job as a worker gets it; fields as in `NewJob`.

    Attributes:
        attempt: Which attempt this is, from 1.
        waited_s: Seconds since it could have started.
    """

    lease: Lease
    task: str
    queue: str
    payload: bytes
    attempt: int
    max_attempts: int
    timeout_s: float
    result_ttl_s: float
    idempotency_key: str
    trace: str
    waited_s: float


class Outcome(NamedTuple):
    """How an attempt ended.

    Attributes:
        lease: The attempt.
        state: `SUCCEEDED`; `RETRYING` after `delay_s`; `FAILED`, for the dead letters;
            `CANCELLED`; or `QUEUED`: it is given back, and the attempt does not count.
        result: The result as JSON.
        error: Type and message of what was raised, and where; at most 4,000 characters.
        delay_s: Seconds before the next attempt.
        retain_s: Seconds that the record of a finished job is kept; 0 drops it at once.
    """

    lease: Lease
    state: JobState
    result: bytes = b"null"
    error: str = ""
    delay_s: float = 0.0
    retain_s: float = 0.0


class Beat(NamedTuple):
    """What a heartbeat brought back.

    Attributes:
        lost: Ids of jobs that the worker no longer holds; it stops them, and reports nothing.
        cancelled: Ids of jobs that somebody cancelled; it stops them, and reports that.
    """

    lost: frozenset[str]
    cancelled: frozenset[str]


@dataclass(frozen=True, slots=True)
class Progress:
    """What a task said about how far it is."""

    done: float
    total: float | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job as people see it.

    Attributes:
        id: Its id.
        task: The task's name.
        queue: Where it waits or waited.
        state: See `JobState`.
        priority: See `Priority`.
        attempt: Attempts that were started.
        max_attempts: Attempts that it has.
        payload: The arguments as JSON: `[[positional...], {keyword: ...}]`.
        unique: Its unique key, or empty.
        idempotency_key: What effects are known by.
        enqueued_at: When it was enqueued (UTC).
        due_at: When it may start, or start again (UTC).
        started_at: When its newest attempt started.
        finished_at: When it succeeded, failed or was cancelled.
        expires_at: When its record is dropped; None before it is finished.
        result: The result as JSON; None unless it succeeded.
        error: What the newest failed attempt raised, or empty.
        progress: What the task said last.
        worker: Which worker has or had it, or empty.
        cancel_requested: Whether somebody cancelled it while it ran.
        trace: See `NewJob`.
    """

    id: str
    task: str
    queue: str
    state: JobState
    priority: int
    attempt: int
    max_attempts: int
    payload: bytes = field(repr=False)
    unique: str
    idempotency_key: str
    enqueued_at: datetime
    due_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None
    expires_at: datetime | None = None
    result: bytes | None = field(default=None, repr=False)
    error: str = ""
    progress: Progress | None = None
    worker: str = ""
    cancel_requested: bool = False
    trace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFilter:
    """Which jobs are meant; a field that is None or empty allows everything.

    Attributes:
        state: Their state.
        queue: Their queue.
        task: The name of their task.
        older_than_s: Only those that were enqueued, or finished, at least so many seconds ago.
        limit: How many at most, the newest first.
    """

    state: JobState | None = None
    queue: str = ""
    task: str = ""
    older_than_s: float = 0.0
    limit: int = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueStats:
    """How a queue is doing.

    Attributes:
        queue: Its name.
        ready: Jobs that could start now: the depth.
        delayed: Jobs that wait for their time, retries included.
        running: Jobs that a worker holds.
        failed: Dead letters.
        oldest_s: Seconds that the oldest ready job has waited; 0 when there is none.
    """

    queue: str
    ready: int = 0
    delayed: int = 0
    running: int = 0
    failed: int = 0
    oldest_s: float = 0.0
