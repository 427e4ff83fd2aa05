# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands `worker` and `jobs`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from central_services.cli import app
from central_services.core.config import ENV_PREFIX
from central_services.jobs import TaskContext, task
from central_services.jobs.client import open_client
from central_services.jobs.connecting import make_store
from central_services.jobs.identifiers import new_job_id
from central_services.jobs.records import (
    Claim,
    JobState,
    NewJob,
    Outcome,
)
from central_services.settings import Settings

Run = Callable[..., Result]


@pytest.fixture
def run() -> Run:
    """A function that runs a command and returns what became of it."""
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def with_client(work: Callable[[Any], Any]) -> Any:
    """Return what some work with a client of the configured queue returns."""

    async def session() -> Any:
        settings = Settings().jobs
        async with open_client(settings, lambda: make_store(settings)) as client:
            return await work(client)

    return asyncio.run(session())


def enqueue(*states: JobState) -> list[str]:
    """Put a job into the queue for each state and return their ids."""

    async def work(client: Any) -> list[str]:
        made = [
            NewJob(id=new_job_id(), task="weigh", queue="default", payload=b"[[1],{}]")
            for _ in states
        ]
        await client.enqueue_many(made)
        store = await client.backend()
        claims: list[Claim] = []
        while left := len(made) - len(claims):  # an engine may hand them out one by one
            claims += await store.claim(["default"], left, lease_s=60, wait_s=20, worker="test")
        wanted = {job.id: state for job, state in zip(made, states, strict=True)}
        outcomes = [
            Outcome(one.lease, wanted[one.lease.id], b"7", "ValueError: no", retain_s=600)
            for one in claims
            if wanted[one.lease.id] is not JobState.RUNNING
        ]
        await store.complete_many(outcomes)
        return [job.id for job in made]

    return list(with_client(work))


def state_of(job_id: str) -> JobState:
    return JobState(with_client(lambda client: client.get(job_id)).state)


@task(queue="counting")
async def count_up(ctx: TaskContext, most: int) -> list[int]:
    """Return the numbers up to one."""
    await ctx.progress(most, most, "counted")
    return list(range(most))


def test_worker_runs_jobs_and_ends_when_none_is_left(run: Run) -> None:
    job_id = with_client(lambda _client: count_up.enqueue(3))
    done = run("worker", "--until-empty", "-q", "counting")
    assert done.exit_code == 0, done.output
    shown = json.loads(run("jobs", "show", job_id, "--json").output)
    assert (shown["state"], shown["result"]) == ("succeeded", [0, 1, 2])
    assert shown["progress"] == {"done": 3, "total": 3, "note": "counted"}
    assert "succeeded" in run("jobs", "show", job_id).output


def test_list_shows_jobs_and_queues(run: Run) -> None:
    failed, running = enqueue(JobState.FAILED, JobState.RUNNING)
    shown = run("jobs", "list").output
    assert failed in shown
    assert "ValueError: no" in shown
    assert "default: 0 ready, 0 delayed, 1 running, 1 dead" in shown
    (only,) = json.loads(run("jobs", "list", "--state", "running", "--json").output)
    assert only["id"] == running
    assert "payload" not in only


def test_empty_queue_has_no_jobs(run: Run) -> None:
    assert run("jobs", "list").output == "No jobs.\n"


def test_dead_letters_are_listed_and_replayed(run: Run) -> None:
    first, second, done = enqueue(JobState.FAILED, JobState.FAILED, JobState.SUCCEEDED)
    assert {one["id"] for one in json.loads(run("jobs", "dead", "--json").output)} == {
        first,
        second,
    }
    assert run("jobs", "replay", first).output == "Queued again: 1.\n"
    assert run("jobs", "replay", "--all").output == "Queued again: 1.\n"
    assert [state_of(one) for one in (first, second, done)] == [
        JobState.QUEUED,
        JobState.QUEUED,
        JobState.SUCCEEDED,
    ]
    assert run("jobs", "replay").exit_code == 1


def test_job_is_cancelled_and_retried(run: Run) -> None:
    failed, running = enqueue(JobState.FAILED, JobState.RUNNING)
    assert run("jobs", "retry", failed).output == f"{failed} is queued.\n"
    assert run("jobs", "cancel", failed).output == f"{failed} is cancelled.\n"
    assert "is being stopped" in run("jobs", "cancel", running).output


def test_purge_keeps_dead_letters_unless_they_are_named(run: Run) -> None:
    failed, *_ = enqueue(JobState.FAILED, JobState.SUCCEEDED, JobState.CANCELLED)
    assert run("jobs", "purge", "--older-than", "1h").output == "Deleted: 0.\n"
    assert run("jobs", "purge").output == "Deleted: 2.\n"
    assert state_of(failed) is JobState.FAILED
    assert run("jobs", "purge", "--state", "failed").output == "Deleted: 1.\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("jobs", "show", "nothing"), "There is no job nothing"),
        (("jobs", "purge", "--older-than", "soon"), "soon is no age"),
        (("jobs", "purge", "--state", "running"), "not finished"),
    ],
)
def test_mistake_is_one_line_and_exit_code_1(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    done = run(*arguments)
    assert done.exit_code == 1
    assert said in done.output
    assert "Traceback" not in done.output


def test_queue_that_can_not_be_opened_is_one_line(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(f"{ENV_PREFIX}JOBS__PATH", str(tmp_path / "file" / "jobs.db"))
    for arguments in (("jobs", "list"), ("worker", "--until-empty")):
        done = run(*arguments)
        assert done.exit_code == 1
        assert "Job queue unavailable" in done.output
