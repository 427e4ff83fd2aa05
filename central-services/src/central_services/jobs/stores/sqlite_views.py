# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The embedded queue as people look at it."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from typing import Any

from ..records import Job, JobFilter, JobState, QueueStats
from .sqlite_operations import progress_of
from .sqlite_schema import CANCELLED, FAILED, RUNNING, SUCCEEDED

_COLUMNS = (
    "id, task, queue, state, priority, attempt, max_attempts, payload, unique_key, idempotency_key,"
    " enqueued, due, started, finished, expires, result, error, progress, worker, cancel, trace"
)
# One index for each state: finished jobs, the most by far, are not looked at.
_STATS = """
SELECT queue, sum(state = 0), sum(state = 1), sum(state = 2), sum(state = 4),
    min(CASE WHEN state = 0 THEN due END)
FROM (
    SELECT queue, state, due FROM jobs WHERE state = 0
    UNION ALL SELECT queue, state, due FROM jobs WHERE state = 1
    UNION ALL SELECT queue, state, due FROM jobs WHERE state = 2
    UNION ALL SELECT queue, state, due FROM jobs WHERE state = 4
)
GROUP BY queue ORDER BY queue
"""
_FINISHED = {
    SUCCEEDED: JobState.SUCCEEDED,
    FAILED: JobState.FAILED,
    CANCELLED: JobState.CANCELLED,
}
_CONDITIONS = {
    JobState.QUEUED: "state IN (0, 1) AND attempt = 0",
    JobState.RETRYING: "state IN (0, 1) AND attempt > 0",
    JobState.RUNNING: "state = 2",
    JobState.SUCCEEDED: "state = 3",
    JobState.FAILED: "state = 4",
    JobState.CANCELLED: "state = 5",
}


def get(connection: sqlite3.Connection, job_id: str) -> Job | None:
    """Return a job."""
    query = f"SELECT {_COLUMNS} FROM jobs WHERE id = ?"  # noqa: S608  # names of columns and fixed conditions; values are parameters
    row = connection.execute(query, (job_id,)).fetchone()
    return None if row is None else _job(row)


def search(connection: sqlite3.Connection, wanted: JobFilter, now: float) -> list[Job]:
    """Return jobs, the newest first."""
    condition, values = _condition(wanted, now)
    where = f"WHERE {condition} ORDER BY n DESC LIMIT ?"
    query = f"SELECT {_COLUMNS} FROM jobs {where}"  # noqa: S608  # names of columns and fixed conditions; values are parameters
    return [_job(row) for row in connection.execute(query, (*values, wanted.limit))]


def purge(connection: sqlite3.Connection, wanted: JobFilter, now: float) -> int:
    """Delete finished jobs, and return how many that were."""
    condition, values = _condition(wanted, now)
    where = f"WHERE state >= 3 AND {condition} ORDER BY n LIMIT ?"
    query = f"DELETE FROM jobs WHERE n IN (SELECT n FROM jobs {where})"  # noqa: S608  # names of columns and fixed conditions; values are parameters
    return connection.execute(query, (*values, wanted.limit)).rowcount


def stats(connection: sqlite3.Connection, now: float) -> list[QueueStats]:
    """Return how each queue is doing."""
    return [
        QueueStats(
            queue=queue,
            ready=ready,
            delayed=delayed,
            running=running,
            failed=failed,
            oldest_s=max(0.0, now - oldest) if oldest is not None else 0.0,
        )
        for queue, ready, delayed, running, failed, oldest in connection.execute(_STATS)
    ]


def _condition(wanted: JobFilter, now: float) -> tuple[str, list[object]]:
    """Return a filter as SQL."""
    parts, values = ["1"], list[object]()
    if wanted.state is not None:
        parts.append(_CONDITIONS[wanted.state])
    if wanted.queue:
        parts.append("queue = ?")
        values.append(wanted.queue)
    if wanted.task:
        parts.append("task = ?")
        values.append(wanted.task)
    if wanted.older_than_s > 0:
        parts.append("coalesce(finished, enqueued) <= ?")
        values.append(now - wanted.older_than_s)
    return " AND ".join(parts), values


def _job(row: tuple[Any, ...]) -> Job:
    job_id, task, queue, state, priority, attempt, most, payload, unique, key = row[:10]
    enqueued, due, started, finished, expires, result, error, progress, worker = row[10:19]
    return Job(
        id=job_id,
        task=task,
        queue=queue,
        state=_state(state, attempt),
        priority=priority,
        attempt=attempt,
        max_attempts=most,
        payload=payload,
        unique=unique or "",
        idempotency_key=key,
        enqueued_at=datetime.fromtimestamp(enqueued, UTC),
        due_at=datetime.fromtimestamp(due, UTC),
        started_at=_time(started),
        finished_at=_time(finished),
        expires_at=_time(expires),
        result=result,
        error=error,
        progress=progress_of(progress),
        worker=worker,
        cancel_requested=bool(row[19]) and state == RUNNING,
        trace=row[20],
    )


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _state(state: int, attempt: int) -> JobState:
    if state == RUNNING:
        return JobState.RUNNING
    return _FINISHED.get(state, JobState.RETRYING if attempt else JobState.QUEUED)
