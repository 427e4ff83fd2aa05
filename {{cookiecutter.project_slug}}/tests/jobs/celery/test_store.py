# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs on Celery, where it differs from other engines."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.jobs import TaskContext, task
from {{ cookiecutter.project_slug }}.jobs.celery.settings import CeleryJobsSettings
from {{ cookiecutter.project_slug }}.jobs.connecting import make_store
from {{ cookiecutter.project_slug }}.jobs.identifiers import new_job_id
from {{ cookiecutter.project_slug }}.jobs.records import JobState, NewJob

pytestmark = pytest.mark.anyio


@task()
async def celery_probe(ctx: TaskContext) -> None:
    """Do nothing."""


def job(**more: Any) -> NewJob:
    return NewJob(id=new_job_id(), task="celery_probe", queue="default", payload=b"[[],{}]", **more)


async def claimed(store: Any) -> Any:
    (claim,) = await store.claim(["default"], 1, lease_s=60, wait_s=20, worker="test")
    return claim


async def test_job_is_kept_while_the_broker_is_away(tmp_path: Path) -> None:
    given = {"url": "amqp://127.0.0.1:1//", "path": tmp_path / "jobs.db"}
    store = make_store(CeleryJobsSettings.model_validate(given))
    await store.open()
    first, second = job(), job()
    await store.enqueue_many([first])
    await store.enqueue_many([second])
    found = [await store.get(one.id) for one in (first, second)]
    assert [one.state for one in found if one] == [JobState.QUEUED, JobState.QUEUED]
    await store.aclose()


async def test_worker_that_ends_gives_back_what_it_started_and_did_not_claim(
    open_store: Any,
) -> None:
    async with open_store() as store:
        await store.enqueue_many([job(), job()])
        running = await claimed(store)
        store.wake()
    async with open_store() as store:
        other = await claimed(store)
        assert (other.attempt, other.lease.id != running.lease.id) == (1, True)


async def test_settings_of_another_engine_are_refused() -> None:
    from {{ cookiecutter.project_slug }}.jobs.settings import JobsSettings  # noqa: PLC0415  # the other's

    with pytest.raises(TypeError, match="CeleryJobsSettings"):
        make_store(JobsSettings())


def test_importing_the_service_does_not_import_celery() -> None:
    script = "import sys; import {{ cookiecutter.project_slug }}.main; print('celery' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.strip() == "False"
