# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Looking for jobs on a Valkey or Redis server, in what it keeps in order anyway."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from ..records import Job, JobFilter, JobState
from ._valkey_records import load_job
from ._valkey_server import Server

if TYPE_CHECKING:
    from redis.asyncio import Redis

_CHUNK = 500
_FINISHED = tuple(state for state in JobState if state.is_finished)


async def search(server: Server, wanted: JobFilter, *, finished: bool = False) -> list[Job]:
    """Return jobs, the newest first; with `finished`, no others.

    Raises:
        JobsUnavailableError: When the server does not answer.
    """
    found: list[Job] = []
    before = datetime.now(UTC) - timedelta(seconds=wanted.older_than_s)
    for line in await _lines(server, wanted, finished=finished):
        kept = 0
        async for job in _jobs(server, line):
            if _fits(job, wanted, before, finished=finished):
                found.append(job)
                kept += 1
                # Most are in the order that is asked for: further ones would be cut off.
                if kept == wanted.limit and wanted.state is not JobState.RUNNING:
                    break
    return sorted(found, key=lambda job: job.enqueued_at, reverse=True)[: wanted.limit]


def _fits(job: Job, wanted: JobFilter, before: datetime, *, finished: bool) -> bool:
    return (
        (wanted.state is None or job.state is wanted.state)
        and (not wanted.queue or job.queue == wanted.queue)
        and (not wanted.task or job.task == wanted.task)
        and (not wanted.older_than_s or (job.finished_at or job.enqueued_at) <= before)
        and (not finished or job.state.is_finished)
    )


async def _lines(server: Server, wanted: JobFilter, *, finished: bool) -> list[str]:
    """Return sorted sets that hold all jobs that can fit.

    They are scored by when jobs were enqueued; those of running jobs by the ends of their leases.
    """
    states = _FINISHED if finished and wanted.state is None else (wanted.state,)
    if any(state in {None, JobState.QUEUED, JobState.RETRYING} for state in states):
        return [f"{server.prefix}:a"]
    queues = [wanted.queue] if wanted.queue else await _queues(server)
    if wanted.state is JobState.RUNNING:
        return [f"{server.prefix}:l:{queue}" for queue in queues]
    return [f"{server.prefix}:z:{state}:{queue}" for state in states for queue in queues]


async def _queues(server: Server) -> list[str]:
    found: set[bytes] = await server.ask(lambda client: client.smembers(f"{server.prefix}:q"))
    return sorted(name.decode() for name in found)


async def _jobs(server: Server, line: str) -> AsyncGenerator[Job]:
    """Yield the jobs of a sorted set, the highest score first."""
    at = 0
    while ids := await _part(server, line, at):
        at += len(ids)
        for job_id, fields in zip(ids, await _hashes(server, ids), strict=True):
            if fields:
                yield load_job(job_id.decode(), fields)


async def _part(server: Server, line: str, at: int) -> list[bytes]:
    found: list[bytes] = await server.ask(
        lambda client: client.zrevrange(line, at, at + _CHUNK - 1)
    )
    return found


async def _hashes(server: Server, ids: Sequence[bytes]) -> list[dict[bytes, bytes]]:
    async def ask(client: Redis) -> list[Any]:
        pipeline = client.pipeline(transaction=False)
        for job_id in ids:
            pipeline.hgetall(f"{server.prefix}:j:{job_id.decode()}")
        return await pipeline.execute()

    found: list[dict[bytes, bytes]] = await server.ask(ask)
    return found
