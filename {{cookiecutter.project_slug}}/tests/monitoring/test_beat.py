# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Celery's beat schedules from the project's own tasks."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from celery import Celery  # type: ignore[import-untyped]  # Celery has no types
from celery.app.utils import find_app  # type: ignore[import-untyped]  # as above

from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX
from {{ cookiecutter.project_slug }}.jobs import Job
from {{ cookiecutter.project_slug }}.jobs.client import open_client
from {{ cookiecutter.project_slug }}.jobs.connecting import make_store
from {{ cookiecutter.project_slug }}.jobs.errors import JobNotFoundError
from {{ cookiecutter.project_slug }}.monitoring import beat
from {{ cookiecutter.project_slug }}.monitoring.composition import open_presets
from {{ cookiecutter.project_slug }}.monitoring.results import run_id_of
from {{ cookiecutter.project_slug }}.settings import Settings

LONG_S = 20.0
"""Seconds to wait for what has to come; on an idle machine it takes milliseconds."""


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what is written in the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{ENV_PREFIX}MAIL__RECORDS_PATH", str(tmp_path / "mail.db"))


# jinja: if cookiecutter.include_database
@pytest.fixture(autouse=True)
def database_of_the_test(own_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tasks of a test in a database of its own."""
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", own_database)


# jinja: endif
async def add_task() -> tuple[str, datetime]:
    """Add a task that is due, and return its id and the time of its run."""
    due = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=1)
    async with open_presets(Settings()) as presets:
        given = {"name": "Disk", "check": "disk_space", "interval_s": 3600}
        made = await presets.add(given)
        await presets.record(made.id, lambda _: {"next_run": due})
    return made.id, due


async def find_job(job_id: str) -> Job | None:
    settings = Settings()
    async with open_client(settings.jobs, lambda: make_store(settings.jobs)) as client:
        with contextlib.suppress(JobNotFoundError):
            return await client.get(job_id)
        return None


def test_celery_finds_the_application_and_its_scheduler() -> None:
    found = find_app(beat.__name__)
    assert isinstance(found, Celery)
    assert found.conf.beat_scheduler == f"{beat.__name__}:TaskScheduler"
    with pytest.raises(AttributeError):
        beat.nothing  # noqa: B018  # asked for


def test_task_that_is_due_is_enqueued_under_the_id_of_its_run() -> None:
    task_id, due = asyncio.run(add_task())
    scheduler = beat.TaskScheduler(app=beat.make_app())
    try:
        assert 0 <= scheduler.tick() <= beat.TICK_S
        until = time.monotonic() + LONG_S
        job = None
        while job is None and time.monotonic() < until:
            job = asyncio.run(find_job(run_id_of(task_id, due)))
    finally:
        scheduler.close()
    assert job is not None
    assert job.task == "run_scheduled_task"


def test_beat_says_why_it_can_not_start_and_ends_when_scheduling_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*_: object) -> Any:
        raise OSError("no disk")

    with monkeypatch.context() as broken:
        broken.setattr(beat, "open_scheduling", fail)
        with pytest.raises(OSError, match="no disk"):
            beat.TaskScheduler(app=beat.make_app())
    scheduler = beat.TaskScheduler(app=beat.make_app())
    scheduler.close()
    with pytest.raises(RuntimeError, match="has ended"):
        scheduler.tick()
