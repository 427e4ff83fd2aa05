# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How jobs are spelt in Valkey or Redis.

A job is a hash. What scripts look at has a field of its own: `q` queue, `p` priority, `m` attempts
that it has, `k` unique key, `u` which call made it, `s` state, `a` attempts that were started, `f`
fencing token, `e` its entry in a stream, `n` enqueued, `d` due, `g` started, `z` finished, `h` expires
(milliseconds since 1970; `n` microseconds), `v` result, `y` error, `l` progress, `w` worker, `c` cancelled while
it ran. `b` holds the rest: a line of JSON, and the payload as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from math import ceil
from typing import Any

import orjson

from ..records import Claim, Job, JobState, Lease, NewJob, Outcome, Progress, QueueStats

Argument = bytes | str | int
"""What redis-py sends as it is."""


def milliseconds(seconds: float) -> int:
    """Return seconds as whole milliseconds, rounded up: a delay is never cut short."""
    return ceil(seconds * 1000)


def enqueue_arguments(job: NewJob, nonce: str) -> tuple[Argument, ...]:
    """Return what the script ENQUEUE takes for a job."""
    rest = (job.task, job.timeout_s, job.result_ttl_s, job.idempotency_key, job.trace)
    body = orjson.dumps(rest) + b"\n" + job.payload
    delay = milliseconds(job.delay_s)
    return job.id, job.queue, job.priority, job.max_attempts, job.unique, delay, nonce, body


def complete_arguments(outcome: Outcome) -> tuple[Argument, ...]:
    """Return what the script COMPLETE takes for an outcome."""
    text = outcome.result if outcome.state is JobState.SUCCEEDED else outcome.error
    delay, retain = milliseconds(outcome.delay_s), milliseconds(outcome.retain_s)
    return outcome.lease.id, outcome.lease.token, outcome.state.value, text, delay, retain


def lease_arguments(leases: Sequence[Lease]) -> Iterator[Argument]:
    """Yield ids and tokens."""
    for lease in leases:
        yield lease.id
        yield lease.token


def dump_progress(progress: Progress) -> bytes:
    """Return progress as it is stored."""
    return orjson.dumps((progress.done, progress.total, progress.note))


def load_claims(answer: Sequence[Any]) -> list[Claim]:
    """Return what the script CLAIM took: seven values a job, after the first two."""
    return [_claim(*answer[at : at + 7]) for at in range(2, len(answer), 7)]


def _claim(  # the seven values
    job_id: bytes,
    token: int,
    attempt: int,
    attempts: bytes,
    waited: bytes,
    queue: bytes,
    body: bytes,
) -> Claim:
    head, _, payload = body.partition(b"\n")
    task, timeout_s, result_ttl_s, key, trace = orjson.loads(head)
    return Claim(
        lease=Lease(job_id.decode(), token),
        task=task,
        queue=queue.decode(),
        payload=payload,
        attempt=attempt,
        max_attempts=int(attempts),
        timeout_s=timeout_s,
        result_ttl_s=result_ttl_s,
        idempotency_key=key,
        trace=trace,
        waited_s=int(waited) / 1000,
    )


def load_job(job_id: str, fields: dict[bytes, bytes]) -> Job:
    """Return a job from its hash."""

    def text(name: bytes) -> str:
        return fields.get(name, b"").decode()

    head, _, payload = fields[b"b"].partition(b"\n")
    task, _, _, key, trace = orjson.loads(head)
    state = JobState(text(b"s"))
    finished = state.is_finished
    return Job(
        id=job_id,
        task=task,
        queue=text(b"q"),
        state=state,
        priority=int(fields[b"p"]),
        attempt=int(fields[b"a"]),
        max_attempts=int(fields[b"m"]),
        payload=payload,
        unique=text(b"k"),
        idempotency_key=key,
        enqueued_at=datetime.fromtimestamp(int(fields[b"n"]) / 1e6, UTC),
        due_at=_moment(fields[b"d"]),
        started_at=_moment_or_none(fields.get(b"g")),
        finished_at=_moment_or_none(fields.get(b"z")) if finished else None,
        expires_at=_moment_or_none(fields.get(b"h")) if finished else None,
        result=fields.get(b"v", b"null") if state is JobState.SUCCEEDED else None,
        error=text(b"y"),
        progress=Progress(*orjson.loads(fields[b"l"])) if fields.get(b"l") else None,
        worker=text(b"w"),
        cancel_requested=fields.get(b"c") == b"1" and state is JobState.RUNNING,
        trace=trace,
    )


def load_stats(answer: Sequence[Any]) -> list[QueueStats]:
    """Return what the script STATS counted, queues that have no job left out."""
    found = []
    for at in range(0, len(answer), 6):
        name, ready, delayed, running, failed, waited = answer[at : at + 6]
        if ready or delayed or running or failed:
            found.append(
                QueueStats(
                    queue=name.decode(),
                    ready=ready,
                    delayed=delayed,
                    running=running,
                    failed=failed,
                    oldest_s=int(waited) / 1000 if ready else 0.0,
                )
            )
    return sorted(found, key=lambda stats: stats.queue)


def _moment(milliseconds_since: bytes) -> datetime:
    return datetime.fromtimestamp(int(milliseconds_since) / 1000, UTC)


def _moment_or_none(milliseconds_since: bytes | None) -> datetime | None:
    return _moment(milliseconds_since) if milliseconds_since else None
