# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What happens to jobs in the embedded queue, each function inside a transaction of its caller."""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from ..records import Beat, Claim, Enqueued, Lease, NewJob, Outcome, Progress
from ..records import JobState as State
from .promises import LOST, burst_of
from .sqlite_schema import CANCELLED, FAILED, READY, WAITING

# States stand in the SQL as numbers (see sqlite_schema): with parameters SQLite could not use the
# indexes, which are for one state each.

_INSERT = """
INSERT INTO jobs (
    id, task, queue, payload, priority, state, due, max_attempts, timeout_s, result_ttl_s,
    unique_key, idempotency_key, trace, enqueued
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_PROMOTE = "UPDATE jobs SET state = 0 WHERE state = 1 AND due <= ?"
_CLAIM = """
UPDATE jobs SET state = 2, lease = ?, fence = fence + 1, attempt = attempt + 1,
    worker = ?, started = ?
WHERE n IN (
    SELECT n FROM jobs WHERE state = 0 AND queue = ? ORDER BY priority DESC, n LIMIT ?
)
RETURNING priority, n, id, fence, task, payload, attempt, max_attempts, timeout_s,
    result_ttl_s, idempotency_key, trace, due
"""
_SUCCEED = """
UPDATE jobs SET state = 3, lease = NULL, finished = ?, expires = ?, result = ?
WHERE id = ? AND fence = ? AND state = 2
"""
_FINISH = """
UPDATE jobs SET state = ?, lease = NULL, finished = ?, expires = ?, error = ?
WHERE id = ? AND fence = ? AND state = 2
"""
_DROP = "DELETE FROM jobs WHERE id = ? AND fence = ? AND state = 2"
# Somebody may have cancelled the job meanwhile.
_RETRY = """
UPDATE jobs SET state = 1, lease = NULL, due = ?, error = ?
WHERE id = ? AND fence = ? AND state = 2 AND cancel = 0
"""
_GIVE_BACK = """
UPDATE jobs SET state = 0, lease = NULL, attempt = attempt - 1
WHERE id = ? AND fence = ? AND state = 2 AND cancel = 0
"""
_FREE = """
UPDATE jobs SET lease = NULL, error = ?,
    state = CASE WHEN cancel THEN 5 WHEN attempt < max_attempts THEN 0 ELSE 4 END,
    finished = CASE WHEN cancel OR attempt >= max_attempts THEN ? END,
    expires = CASE WHEN cancel THEN ? WHEN attempt >= max_attempts THEN ? END
WHERE state = 2 AND lease <= ? RETURNING id, state
"""
_EXPIRE = """
DELETE FROM jobs WHERE n IN (
    SELECT n FROM jobs WHERE state >= 3 AND expires <= ? LIMIT 1000
)
"""
_CANCEL = """
UPDATE jobs SET cancel = 1,
    state = CASE WHEN state = 2 THEN state ELSE 5 END,
    finished = CASE WHEN state = 2 THEN NULL ELSE ? END,
    expires = CASE WHEN state = 2 THEN NULL ELSE ? END
WHERE id = ? AND state < 3
"""
_REPLAY = """
UPDATE jobs SET state = 0, due = ?, cancel = 0, finished = NULL, expires = NULL,
    attempt = CASE WHEN state = 1 THEN attempt ELSE 0 END
WHERE id = ? AND state IN (1, 4, 5)
"""


def enqueue(connection: sqlite3.Connection, jobs: Sequence[NewJob], now: float) -> list[Enqueued]:
    """Insert jobs that are not there yet."""
    return [_enqueue_one(connection, job, now) for job in jobs]


def _enqueue_one(connection: sqlite3.Connection, job: NewJob, now: float) -> Enqueued:
    row = (
        job.id,
        job.task,
        job.queue,
        job.payload,
        job.priority,
        WAITING if job.delay_s > 0 else READY,
        now + job.delay_s,
        job.max_attempts,
        job.timeout_s,
        job.result_ttl_s,
        job.unique or None,
        job.idempotency_key,
        job.trace,
        now,
    )
    if connection.execute(_INSERT, row).rowcount == 1:
        return Enqueued(job.id, True)
    by_id = "SELECT id FROM jobs WHERE id = ?"
    found = connection.execute(by_id, (job.id,)).fetchone()
    if found is None:
        by_key = "SELECT id FROM jobs WHERE unique_key = ? AND state < 3"
        found = connection.execute(by_key, (job.unique,)).fetchone()
    return Enqueued(found[0], False)


def claim(
    connection: sqlite3.Connection,
    queues: Sequence[str],
    limit: int,
    lease_s: float,
    worker: str,
    rates: Mapping[str, float],
    now: float,
) -> list[Claim]:
    """Lease jobs that are due, the queues in the given order."""
    connection.execute(_PROMOTE, (now,))
    claims: list[Claim] = []
    for queue in queues:
        rate = rates.get(queue)
        room = limit - len(claims)
        if rate is not None:
            room = min(room, _allowance(connection, queue, rate, now))
        if room <= 0:
            continue
        found = connection.execute(_CLAIM, (now + lease_s, worker, now, queue, room)).fetchall()
        found.sort(key=lambda row: (-row[0], row[1]))
        claims += [_claim(queue, row, now) for row in found]
        if rate is not None and found:
            _spend(connection, queue, rate, len(found), now)
    return claims


def _claim(queue: str, row: tuple[Any, ...], now: float) -> Claim:
    """Return a claim from what `_CLAIM` returned."""
    _, _, job_id, fence, task, payload, attempt, most, timeout_s, ttl_s, key, trace, due = row
    return Claim(
        lease=Lease(job_id, fence),
        task=task,
        queue=queue,
        payload=payload,
        attempt=attempt,
        max_attempts=most,
        timeout_s=timeout_s,
        result_ttl_s=ttl_s,
        idempotency_key=key,
        trace=trace,
        waited_s=max(0.0, now - due),
    )


def next_due(
    connection: sqlite3.Connection, queues: Sequence[str], rates: Mapping[str, float]
) -> float:
    """Return when a claim that found nothing may find something without anybody's doing."""
    query = "SELECT min(due) FROM jobs WHERE state = 1"
    times = [connection.execute(query).fetchone()[0]]
    ready = "SELECT 1 FROM jobs WHERE state = 0 AND queue = ? LIMIT 1"
    for queue in queues:
        if queue in rates and connection.execute(ready, (queue,)).fetchone():
            query = "SELECT next FROM rates WHERE queue = ?"
            row = connection.execute(query, (queue,)).fetchone()
            burst = burst_of(rates[queue])
            times.append(row[0] - (burst - 1) / rates[queue] if row else 0.0)
    return min((time for time in times if time is not None), default=math.inf)


def _allowance(connection: sqlite3.Connection, queue: str, rate: float, now: float) -> int:
    """Return how many jobs of a queue may start now (GCRA, as in ITU-T I.371)."""
    row = connection.execute("SELECT next FROM rates WHERE queue = ?", (queue,)).fetchone()
    waiting = max(0.0, row[0] - now) if row else 0.0
    # A microsecond of tolerance: what a sum of floats lacks must not cost a whole turn.
    return max(0, math.floor((burst_of(rate) / rate - waiting) * rate + 1e-6))


def _spend(connection: sqlite3.Connection, queue: str, rate: float, count: int, now: float) -> None:
    connection.execute(
        "INSERT INTO rates (queue, next) VALUES (:queue, :now + :taken) ON CONFLICT (queue)"
        " DO UPDATE SET next = max(next, :now) + :taken",
        {"queue": queue, "now": now, "taken": count / rate},
    )


def complete(
    connection: sqlite3.Connection, outcomes: Sequence[Outcome], retention_s: float, now: float
) -> list[bool]:
    """Take outcomes of attempts whose lease is the newest."""
    return [_complete_one(connection, outcome, retention_s, now) for outcome in outcomes]


def _complete_one(
    connection: sqlite3.Connection, outcome: Outcome, retention_s: float, now: float
) -> bool:
    lease, state = outcome.lease, outcome.state
    retain_s = outcome.retain_s
    if state is State.SUCCEEDED and retain_s <= 0:
        return connection.execute(_DROP, lease).rowcount == 1
    if state is State.SUCCEEDED:
        values = (now, now + retain_s, outcome.result, *lease)
        return connection.execute(_SUCCEED, values).rowcount == 1
    if state is State.RETRYING:
        again = (now + outcome.delay_s, outcome.error, *lease)
        if connection.execute(_RETRY, again).rowcount == 1:
            return True
    if state is State.QUEUED and connection.execute(_GIVE_BACK, lease).rowcount == 1:
        return True
    # What is neither of these was cancelled, while it ran or by its worker.
    kept_s = retain_s if state is State.FAILED else retention_s
    stored = FAILED if state is State.FAILED else CANCELLED
    finished = (stored, now, now + kept_s, outcome.error, *lease)
    return connection.execute(_FINISH, finished).rowcount == 1


def beat(connection: sqlite3.Connection, leases: Sequence[Lease], until: float) -> Beat:
    """Prolong leases."""
    query = "UPDATE jobs SET lease = ? WHERE id = ? AND fence = ? AND state = 2 RETURNING cancel"
    lost, cancelled = set[str](), set[str]()
    for lease in leases:
        found = connection.execute(query, (until, *lease)).fetchone()
        if found is None:
            lost.add(lease.id)
        elif found[0]:
            cancelled.add(lease.id)
    return Beat(frozenset(lost), frozenset(cancelled))


def report(connection: sqlite3.Connection, lease: Lease, progress: str) -> bool:
    """Keep progress, as JSON, of an attempt whose lease is the newest."""
    query = "UPDATE jobs SET progress = ? WHERE id = ? AND fence = ? AND state = 2"
    return connection.execute(query, (progress, *lease)).rowcount == 1


def free(
    connection: sqlite3.Connection, retention_s: float, dead_retention_s: float, now: float
) -> list[str]:
    """Take back jobs whose lease has ended; return the ids of those that are dead letters now."""
    row = (LOST, now, now + retention_s, now + dead_retention_s, now)
    freed = connection.execute(_FREE, row).fetchall()
    return [job_id for job_id, state in freed if state == FAILED]


def expire(connection: sqlite3.Connection, now: float) -> int:
    """Drop some of the records whose retention is over."""
    return connection.execute(_EXPIRE, (now,)).rowcount


def cancel(connection: sqlite3.Connection, job_id: str, retention_s: float, now: float) -> None:
    """Cancel a job that waits, or mark one that runs."""
    connection.execute(_CANCEL, (now, now + retention_s, job_id))


def replay(connection: sqlite3.Connection, job_id: str, now: float) -> None:
    """Let a job start now, unless another one with its unique key is not finished."""
    connection.execute(_REPLAY, (now, job_id))


def progress_of(text: str | None) -> Progress | None:
    """Return progress as it was stored."""
    if text is None:
        return None
    import orjson  # noqa: PLC0415  # only people look at it

    return Progress(*orjson.loads(text))
