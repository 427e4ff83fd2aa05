# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What holds for every store of jobs; see `jobs/store.py`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from central_services.jobs.errors import (
    JobStateError,
    JobsUnavailableError,
)
from central_services.jobs.identifiers import new_job_id
from central_services.jobs.records import (
    Claim,
    JobFilter,
    JobState,
    NewJob,
    Outcome,
    Progress,
)

if TYPE_CHECKING:
    from central_services.jobs.store import JobStore

pytestmark = pytest.mark.anyio

LONG_S = 20.0
"""Seconds to wait for what has to come; on an idle machine it takes milliseconds."""


def job(queue: str = "default", **more: Any) -> NewJob:
    made = NewJob(id=new_job_id(), task="count", queue=queue, payload=b"[[1],{}]")
    return replace(made, **more)


async def claim(
    store: JobStore,
    limit: int = 10,
    *,
    wait_s: float = 0.0,
    lease_s: float = 30.0,
    queues: Sequence[str] = ("default",),
) -> list[Claim]:
    return await store.claim(queues, limit, lease_s=lease_s, wait_s=wait_s, worker="test")


async def finish(store: JobStore, one: Claim, state: JobState, **more: Any) -> bool:
    outcome = Outcome(one.lease, state, retain_s=60.0)._replace(**more)
    return (await store.complete_many([outcome]))[0]


async def state_of(store: JobStore, job_id: str) -> JobState | None:
    found = await store.get(job_id)
    return found.state if found else None


async def test_enqueued_job_is_claimed_with_all_that_the_task_needs(store: JobStore) -> None:
    new = job(idempotency_key="key", trace="request trace span", max_attempts=3, timeout_s=7.0)
    assert await store.enqueue_many([new]) == [(new.id, True)]
    assert await state_of(store, new.id) is JobState.QUEUED
    (got,) = await claim(store, wait_s=LONG_S)
    assert (got.lease.id, got.task, got.queue, got.payload) == (
        new.id,
        "count",
        "default",
        new.payload,
    )
    assert (got.attempt, got.max_attempts, got.timeout_s) == (1, 3, 7.0)
    assert (got.idempotency_key, got.trace) == ("key", "request trace span")
    assert await state_of(store, new.id) is JobState.RUNNING
    assert await claim(store) == []


async def test_result_is_kept_until_its_time_is_over(store: JobStore) -> None:
    first, second = job(), job()
    await store.enqueue_many([first, second])
    for one in await claim(store, wait_s=LONG_S):
        kept_s = 60.0 if one.lease.id == first.id else 0.0
        assert await finish(store, one, JobState.SUCCEEDED, result=b'{"a":1}', retain_s=kept_s)
    found = await store.get(first.id)
    assert found is not None
    assert (found.state, found.result, found.attempt) == (JobState.SUCCEEDED, b'{"a":1}', 1)
    assert found.finished_at is not None
    assert found.expires_at is not None
    assert await store.get(second.id) is None


async def test_job_is_enqueued_once_for_its_id_even_when_it_is_finished(store: JobStore) -> None:
    new = job()
    assert await store.enqueue_many([new, new]) == [(new.id, True), (new.id, False)]
    (got,) = await claim(store, wait_s=LONG_S)
    await finish(store, got, JobState.SUCCEEDED)
    assert await store.enqueue_many([new]) == [(new.id, False)]
    assert await claim(store) == []


async def test_unique_key_is_free_again_when_the_job_is_finished(store: JobStore) -> None:
    first, second, third = (job(unique="count:1") for _ in range(3))
    await store.enqueue_many([first])
    assert await store.enqueue_many([second]) == [(first.id, False)]
    (got,) = await claim(store, wait_s=LONG_S)
    assert await store.enqueue_many([second]) == [(first.id, False)]
    await finish(store, got, JobState.FAILED)
    assert await store.enqueue_many([third]) == [(third.id, True)]
    with pytest.raises(JobStateError):
        await store.replay(first.id)


async def test_higher_priority_starts_first_and_then_who_came_first(store: JobStore) -> None:
    order = [-1, 0, 1, 0, 1]
    jobs = [job(priority=priority) for priority in order]
    await store.enqueue_many(jobs)
    got = []
    while len(got) < len(jobs):
        got += [one.lease.id for one in await claim(store, 1, wait_s=LONG_S)]
    assert got == [jobs[n].id for n in (2, 4, 1, 3, 0)]


async def test_delayed_job_starts_when_it_is_due_and_not_before(store: JobStore) -> None:
    new = job(delay_s=0.4)
    await store.enqueue_many([new])
    began = asyncio.get_running_loop().time()
    assert await claim(store) == []
    (got,) = await claim(store, wait_s=LONG_S)
    assert got.lease.id == new.id
    assert asyncio.get_running_loop().time() - began >= 0.35


async def test_waiting_claim_gets_a_job_that_comes_later(store: JobStore) -> None:
    waiting = asyncio.create_task(claim(store, wait_s=LONG_S))
    await asyncio.sleep(0)
    new = job()
    await store.enqueue_many([new])
    (got,) = await waiting
    assert got.lease.id == new.id


async def test_waiting_claim_hears_of_a_job_from_another_process(
    store: JobStore, open_store: Any
) -> None:
    waiting = asyncio.create_task(claim(store, wait_s=LONG_S))
    async with open_store() as other:
        new = job()
        await other.enqueue_many([new])
        (got,) = await waiting
    assert got.lease.id == new.id


async def test_wake_lets_a_waiting_claim_return(store: JobStore) -> None:
    waiting = asyncio.create_task(claim(store, wait_s=600))
    await asyncio.sleep(0)
    store.wake()
    assert await asyncio.wait_for(waiting, LONG_S) == []


async def test_cancelled_claim_loses_no_job(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    waiting = asyncio.create_task(claim(store, wait_s=LONG_S, lease_s=0.5))
    await asyncio.sleep(0)
    waiting.cancel()
    (got,) = await _claim_after_reclaim(store)
    assert got.lease.id == new.id


async def _claim_after_reclaim(store: JobStore) -> list[Claim]:
    """Claim, and reclaim as workers do, until there is something."""
    for _ in range(int(LONG_S / 0.1)):
        await store.reclaim()
        got = await claim(store, wait_s=0.1)
        if got:
            return got
    return []


async def test_retry_comes_after_its_delay_with_the_next_attempt(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    assert await finish(store, got, JobState.RETRYING, error="ValueError: no", delay_s=0.1)
    found = await store.get(new.id)
    assert found is not None
    assert (found.state, found.error) == (JobState.RETRYING, "ValueError: no")
    (again,) = await claim(store, wait_s=LONG_S)
    assert again.attempt == 2
    assert again.lease.token > got.lease.token


async def test_job_that_is_given_back_has_not_used_an_attempt(store: JobStore) -> None:
    await store.enqueue_many([job()])
    (got,) = await claim(store, wait_s=LONG_S)
    assert await finish(store, got, JobState.QUEUED)
    (again,) = await claim(store, wait_s=LONG_S)
    assert again.attempt == 1


async def test_worker_that_lost_its_lease_is_refused(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (stale,) = await claim(store, wait_s=LONG_S, lease_s=0.05)
    (fresh,) = await _claim_after_reclaim(store)
    assert fresh.attempt == 2
    for state in (JobState.SUCCEEDED, JobState.RETRYING, JobState.FAILED, JobState.QUEUED):
        assert not await finish(store, stale, state)
    assert not await store.progress(stale.lease, Progress(1))
    beat = await asyncio.to_thread(store.heartbeat, [stale.lease, fresh.lease], 30.0)
    assert beat.lost == {new.id}
    assert await finish(store, fresh, JobState.SUCCEEDED)


async def test_heartbeat_keeps_the_lease(store: JobStore) -> None:
    await store.enqueue_many([job()])
    (got,) = await claim(store, wait_s=LONG_S, lease_s=0.5)
    await asyncio.to_thread(store.heartbeat, [got.lease], 60.0)
    await asyncio.sleep(0.7)
    assert await store.reclaim() == []
    assert await claim(store) == []
    assert await finish(store, got, JobState.SUCCEEDED)


async def test_job_whose_last_worker_died_is_a_dead_letter_and_is_told_once(
    store: JobStore,
) -> None:
    new = job(max_attempts=1)
    await store.enqueue_many([new])
    await claim(store, wait_s=LONG_S, lease_s=0.05)
    dead: list[str] = []
    for _ in range(int(LONG_S / 0.1)):
        dead += [one.id for one in await store.reclaim()]
        if dead:
            break
        await asyncio.sleep(0.1)
    assert dead == [new.id]
    assert await store.reclaim() == []
    found = await store.get(new.id)
    assert found is not None
    assert found.state is JobState.FAILED
    assert "WorkerLost" in found.error


async def test_dead_letter_is_replayed_with_all_its_attempts(store: JobStore) -> None:
    new = job(max_attempts=1)
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    await finish(store, got, JobState.FAILED, error="ValueError: no")
    assert await claim(store) == []
    replayed = await store.replay(new.id)
    assert replayed is not None
    assert (replayed.state, replayed.attempt) == (JobState.QUEUED, 0)
    (again,) = await claim(store, wait_s=LONG_S)
    assert (again.lease.id, again.attempt) == (new.id, 1)
    assert not await finish(store, got, JobState.SUCCEEDED)


async def test_waiting_job_is_cancelled_at_once(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    cancelled = await store.cancel(new.id)
    assert cancelled is not None
    assert cancelled.state is JobState.CANCELLED
    assert await claim(store) == []
    assert await store.cancel("unknown") is None


async def test_running_job_is_cancelled_by_its_worker(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    asked = await store.cancel(new.id)
    assert asked is not None
    assert (asked.state, asked.cancel_requested) == (JobState.RUNNING, True)
    beat = await asyncio.to_thread(store.heartbeat, [got.lease], 30.0)
    assert beat.cancelled == {new.id}
    assert await finish(store, got, JobState.CANCELLED)
    assert await state_of(store, new.id) is JobState.CANCELLED


async def test_failed_attempt_of_a_cancelled_job_is_not_retried(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    await store.cancel(new.id)
    assert await finish(store, got, JobState.RETRYING, delay_s=0.0)
    assert await state_of(store, new.id) is JobState.CANCELLED


async def test_progress_is_kept(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    assert await store.progress(got.lease, Progress(2, 5, "half way"))
    found = await store.get(new.id)
    assert found is not None
    assert found.progress == Progress(2, 5, "half way")


async def test_queues_are_served_by_name(store: JobStore) -> None:
    mail, reports = job("mail"), job("reports")
    await store.enqueue_many([mail, reports])
    (got,) = await claim(store, wait_s=LONG_S, queues=["reports"])
    assert got.lease.id == reports.id
    both = await claim(store, wait_s=LONG_S, queues=["reports", "mail"])
    assert [one.lease.id for one in both] == [mail.id]


async def test_rate_limit_of_a_queue_holds_over_all_workers(open_store: Any) -> None:
    limits = {"rate_limits": {"mail": 4.0}}
    async with open_store(**limits) as store, open_store(**limits) as other:
        await store.enqueue_many([job("mail") for _ in range(4)])
        began = asyncio.get_running_loop().time()
        got: list[Claim] = []
        while len(got) < 4:
            for one in (store, other):
                got += await claim(one, queues=["mail"], wait_s=0.3)
        assert asyncio.get_running_loop().time() - began >= 0.7


async def test_stats_and_search_show_where_jobs_are(store: JobStore) -> None:
    jobs = [job(), job(), job(delay_s=60.0), job("mail", task="send")]
    await store.enqueue_many(jobs)
    (got,) = await claim(store, 1, wait_s=LONG_S)
    default, mail = await store.stats()
    assert (default.queue, default.ready, default.delayed, default.running) == ("default", 1, 1, 1)
    assert (mail.queue, mail.ready, mail.failed) == ("mail", 1, 0)
    assert default.oldest_s >= 0
    everything = await store.search(JobFilter())
    assert [one.id for one in everything] == [one.id for one in reversed(jobs)]
    running = await store.search(JobFilter(state=JobState.RUNNING))
    assert [one.id for one in running] == [got.lease.id]
    found = await store.search(JobFilter(task="send", queue="mail", state=JobState.QUEUED))
    assert [one.id for one in found] == [jobs[3].id]


async def test_purge_deletes_finished_jobs_only(store: JobStore) -> None:
    jobs = [job() for _ in range(3)]
    await store.enqueue_many(jobs)
    first, second, _ = await claim(store, wait_s=LONG_S)
    await finish(store, first, JobState.SUCCEEDED)
    await finish(store, second, JobState.FAILED)
    assert await store.purge(JobFilter(older_than_s=3_600)) == 0
    assert await store.purge(JobFilter(state=JobState.SUCCEEDED)) == 1
    assert await store.purge(JobFilter()) == 1
    assert len(await store.search(JobFilter())) == 1


async def test_record_is_dropped_when_its_time_is_over(store: JobStore) -> None:
    new = job()
    await store.enqueue_many([new])
    (got,) = await claim(store, wait_s=LONG_S)
    await finish(store, got, JobState.SUCCEEDED, retain_s=0.05)
    for _ in range(int(LONG_S / 0.1)):
        await store.reclaim()
        if await store.get(new.id) is None:
            break
        await asyncio.sleep(0.1)
    assert await store.get(new.id) is None


async def test_jobs_outlive_the_store(open_store: Any) -> None:
    new = job()
    async with open_store() as store:
        await store.enqueue_many([new])
    async with open_store() as store:
        (got,) = await claim(store, wait_s=LONG_S)
        assert got.lease.id == new.id


async def test_closed_store_says_so(store: JobStore) -> None:
    await store.aclose()
    with pytest.raises(JobsUnavailableError):
        await store.enqueue_many([job()])
    with pytest.raises(JobsUnavailableError):
        await claim(store)
