# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Questions about many jobs, for people and for health checks."""

from __future__ import annotations

from collections.abc import Iterator

from ..records import JobFilter, QueueStats
from .entry import ALL, QUEUES, Entry, job_key, load
from .table import Table

_BATCH = 200
_MAX_QUEUES = 10_000


def matching(table: Table, wanted: JobFilter) -> Iterator[Entry]:
    """Yield the entries that fit, the newest first."""
    index = f"state:{wanted.state.value}" if wanted.state else ALL
    offset = count = 0
    while count < wanted.limit and (ids := table.newest(index, offset, _BATCH)):
        offset += len(ids)
        now, found = table.read([job_key(one) for one in ids])
        for entry in (load(stored.body) for stored in found if stored.body):
            if count < wanted.limit and _fits(entry, wanted, now):
                count += 1
                yield entry


def _fits(entry: Entry, wanted: JobFilter, now: float) -> bool:
    since = entry.enqueued if entry.finished is None else entry.finished
    return (
        (not wanted.state or entry.state == wanted.state)
        and (not wanted.queue or entry.queue == wanted.queue)
        and (not wanted.task or entry.task == wanted.task)
        and since <= now - wanted.older_than_s
    )


def queue_stats(table: Table) -> list[QueueStats]:
    """Return how each queue is doing that has a job."""
    queues = sorted(table.newest(QUEUES, 0, _MAX_QUEUES))
    kinds = ("wait", "run", "dead")
    found = table.summaries([f"{kind}:{queue}" for queue in queues for kind in kinds])
    stats = [
        QueueStats(
            queue=queue,
            ready=wait.due,
            delayed=wait.total - wait.due,
            running=run.total,
            failed=dead.total,
            oldest_s=max(0.0, wait.first_age_s),
        )
        for queue, wait, run, dead in zip(queues, found[::3], found[1::3], found[2::3], strict=True)
    ]
    return [one for one in stats if one.ready or one.delayed or one.running or one.failed]
