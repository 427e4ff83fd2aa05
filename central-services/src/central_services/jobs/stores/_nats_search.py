# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Looking at jobs in NATS.

A stream has no index but subjects: dead letters have subjects of their own, and everything else is
found by reading all records.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from ..records import Job, JobFilter, JobState, QueueStats
from ._nats_connection import Connection
from ._nats_names import LINES, Names
from ._nats_records import load


class Search:
    """Finds and counts jobs.

    Args:
        connection: Where they are.
        names: What they are called.
        now: Milliseconds since 1970 by the server's clock.
    """

    def __init__(self, connection: Connection, names: Names, now: Callable[[], int]) -> None:
        self._connection = connection
        self._names = names
        self._now = now

    async def search(self, wanted: JobFilter, *, finished: bool = False) -> list[Job]:
        """Return jobs, the newest first; with `finished`, no others.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        if wanted.state is JobState.FAILED:
            dead = await self.subjects(f"dead.{wanted.queue or '*'}.*")
            subjects = [self._names.record_of(subject) for subject in dead]
        else:
            subjects = list(await self.subjects("job.*"))
        stored = await self._connection.read(self._names.stream, subjects)
        records = [load(one.data) for one in stored.values()]
        jobs = [record.job() for record in records if not record.dropped]
        found = [job for job in jobs if self._fits(job, wanted, finished=finished)]
        return sorted(found, key=lambda job: job.enqueued_at, reverse=True)[: wanted.limit]

    def _fits(self, job: Job, wanted: JobFilter, *, finished: bool) -> bool:
        return (
            (wanted.state is None or job.state is wanted.state)
            and (not wanted.queue or job.queue == wanted.queue)
            and (not wanted.task or job.task == wanted.task)
            and self._age_s(job.finished_at or job.enqueued_at) >= wanted.older_than_s
            and (not finished or job.state.is_finished)
        )

    def _age_s(self, moment: datetime) -> float:
        return max(0.0, self._now() / 1000 - moment.timestamp())

    async def subjects(self, pattern: str) -> dict[str, int]:
        """Return the subjects that fit a pattern, and how many messages each has."""
        found: dict[str, int] = {}
        while True:
            page = await self._connection.manage(
                f"STREAM.INFO.{self._names.stream}",
                subjects_filter=f"{self._names.root}.{pattern}",
                offset=len(found),
            )
            part = page.get("state", {}).get("subjects") or {}
            found |= part
            if not part or len(found) >= page.get("total", 0):
                return found

    async def consumers(self) -> list[dict[str, Any]]:
        """Return what the server says about each consumer."""
        found: list[dict[str, Any]] = []
        while True:
            page = await self._connection.manage(
                f"CONSUMER.LIST.{self._names.stream}", offset=len(found)
            )
            part = page.get("consumers") or []
            found += part
            if not part or len(found) >= page.get("total", 0):
                return found

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        queues: dict[str, QueueStats] = {}
        for info in await self.consumers():
            queue, _, line = info["name"].rpartition("-")
            known = queues.get(queue, QueueStats(queue=queue))
            queues[queue] = replace(
                known,
                ready=known.ready + info["num_pending"],
                running=known.running + info["num_ack_pending"],
                oldest_s=max(known.oldest_s, await self._waited_s(queue, line, info)),
            )
        for queue, count in await self._counts("waiting.*.*"):
            queues[queue] = replace(queues.get(queue, QueueStats(queue=queue)), delayed=count)
        for queue, count in await self._counts("dead.*.*"):
            queues[queue] = replace(queues.get(queue, QueueStats(queue=queue)), failed=count)
        kept = (
            one for one in queues.values() if one.ready or one.delayed or one.running or one.failed
        )
        return sorted(kept, key=lambda one: one.queue)

    async def _counts(self, pattern: str) -> list[tuple[str, int]]:
        """Return queues, and how many subjects that fit the pattern each has."""
        return list(Counter(map(self._names.queue_of, await self.subjects(pattern))).items())

    async def _waited_s(self, queue: str, line: str, info: dict[str, Any]) -> float:
        """Return how long the first message has waited that was not delivered yet."""
        if not info["num_pending"] or line not in LINES.values():
            return 0.0
        answer = await self._connection.manage(
            f"STREAM.MSG.GET.{self._names.stream}",
            seq=info["delivered"]["stream_seq"] + 1,
            next_by_subj=f"{self._names.root}.ready.{queue}.{line}.*",
        )
        said = answer.get("message", {}).get("time", "")
        return self._age_s(moment(said)) if said else 0.0


def moment(text: str) -> datetime:
    """Return a time that the server wrote, whose fractions have up to nine digits."""
    whole, _, fraction = text.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{(fraction + '000000')[:6]}+00:00")
