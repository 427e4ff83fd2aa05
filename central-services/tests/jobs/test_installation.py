# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs as a part of the service."""

from __future__ import annotations

import time
from typing import Any

import httpx2
import pytest
from fastapi import APIRouter

from central_services.jobs import TaskContext, task
from central_services.jobs.definition import TASKS
from central_services.jobs.dependencies import Jobs
from central_services.jobs.settings import JobsSettings
from central_services.jobs.worker_health import health_server

pytestmark = pytest.mark.anyio


@task()
async def double(ctx: TaskContext, number: int) -> int:
    return 2 * number


router = APIRouter()


@router.post("/doubles/{number}")
async def start(number: int) -> str:
    return await double.enqueue(number)


@router.get("/doubles/{job_id}")
async def look(job_id: str, jobs: Jobs) -> dict[str, str]:
    job = await jobs.get(job_id)
    return {"state": job.state, "result": (job.result or b"").decode(), "trace": job.trace}


async def test_endpoint_enqueues_and_looks_at_jobs(serve: Any) -> None:
    async with serve(routers=[router]) as api:
        started = await api.post("/doubles/21", headers={"x-request-id": "request-7"})
        found = (await api.get(f"/doubles/{started.json()}")).json()
        assert (found["state"], found["trace"].split(" ")[0]) == ("queued", "request-7")
        missing = await api.get("/doubles/unknown")
    assert (missing.status_code, missing.json()["title"]) == (404, "Job not found")


async def test_worker_in_the_web_process_runs_jobs(serve: Any) -> None:
    async with serve(routers=[router], jobs={"embedded_worker": True}) as api:
        job_id = (await api.post("/doubles/21")).json()
        client = api._transport.app.state.jobs
        assert await client.result(job_id, timeout_s=20) == b"42"


async def test_backlog_degrades_readiness_and_fails_nothing(serve: Any) -> None:
    async with serve(routers=[router], jobs={"max_depth": 1}, health={"cache_s": 0}) as api:
        for _ in range(2):
            assert (await api.get("/health/ready")).json()["checks"]["jobs"]["status"]
            await api.post("/doubles/1")
        ready = await api.get("/health/ready")
    assert ready.status_code == 200
    assert "jobs" in ready.json()["degraded"]


async def test_queue_that_can_not_be_opened_degrades_readiness(serve: Any, tmp_path: Any) -> None:
    (tmp_path / "file").touch()
    broken = {"path": tmp_path / "file" / "jobs.db"}
    async with serve(routers=[router], jobs=broken) as api:
        ready = await api.get("/health/ready")
        refused = await api.post("/doubles/1")
    assert ready.json()["checks"]["jobs"]["detail"] == "unreachable"
    assert (refused.status_code, refused.json()["title"]) == (503, "Job queue unavailable")


def test_production_wants_a_place_that_is_kept() -> None:
    (rule,) = JobsSettings().insecure()
    assert rule[1]
    (rule,) = JobsSettings.model_validate({"path": "/var/lib/jobs.db"}).insecure()
    assert not rule[1]


def test_every_task_has_annotations_that_can_be_checked() -> None:
    for one in TASKS:
        one.types.check()


async def test_worker_answers_probes_and_shows_counters(work: Any, jobs: Any) -> None:
    async with work() as consumer, health_server(0, consumer) as port:
        await double.result(await double.enqueue(1), timeout_s=20)
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/health/live")).json() == {"status": "ok"}
            assert (await client.get("/health/ready")).status_code == 200
            assert (await client.get("/other")).status_code == 404
            metrics = (await client.get("/metrics")).text
            assert 'jobs_attempts_total{task="double",outcome="succeeded"} 1' in metrics
            assert 'jobs_duration_seconds_bucket{task="double",le="+Inf"} 1' in metrics
            consumer.stop()
            assert (await client.get("/health/ready")).status_code == 503


async def test_worker_that_has_not_reached_its_queue_for_long_is_not_alive(
    work: Any, jobs: Any
) -> None:
    async with work() as consumer:
        assert consumer.is_alive
        consumer._seen_at = time.monotonic() - 3_600
        assert not consumer.is_alive
        assert not consumer.is_ready
