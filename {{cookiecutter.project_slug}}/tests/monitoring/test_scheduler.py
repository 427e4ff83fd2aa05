# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduling: once each, in time, whatever happened to the scheduler."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.core.monitoring_settings import (
    MonitoringSettings,
)
from {{ cookiecutter.project_slug }}.monitoring.scheduler import (
    MonitoringScheduler,
)
from {{ cookiecutter.project_slug }}.monitoring.schemas import MonitoringTask

from .conftest import Bench, Clock

pytestmark = pytest.mark.anyio


@pytest.fixture
def enqueued() -> list[tuple[str, datetime]]:
    return []


class _Time(datetime):
    """The `datetime` of APScheduler, which has no clock to hand in."""

    clock: Clock

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Any:
        assert tz is not None
        return cls.clock.now


@pytest.fixture
async def scheduler(
    bench: Bench, enqueued: list[tuple[str, datetime]], monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[MonitoringScheduler]:
    """A scheduler that runs by the test's clock."""
    _Time.clock = bench.clock
    monkeypatch.setattr("apscheduler.schedulers.base.datetime", _Time)

    async def enqueue(task: MonitoringTask, due: datetime) -> None:
        enqueued.append((task.id, due))

    made = MonitoringScheduler(bench.service, enqueue, bench.admins, clock=bench.clock)
    async with made.running():
        yield made


async def settle(scheduler: MonitoringScheduler) -> None:
    """Let the scheduler look at the clock, as its timer would."""
    scheduler.waiting._process_jobs()
    await scheduler.settled()


async def test_task_is_enqueued_when_it_is_due_and_not_before(
    bench: Bench, scheduler: MonitoringScheduler, enqueued: list[tuple[str, datetime]]
) -> None:
    task = await bench.add(interval_s=300)
    await scheduler.sync()
    await settle(scheduler)
    assert (enqueued, task.next_run) == ([], bench.clock.now + timedelta(seconds=270))
    bench.clock.pass_s(270)
    await settle(scheduler)
    assert enqueued == [("watch", task.next_run)]
    following = (await bench.presets.get("watch")).next_run
    assert following == bench.clock.now + timedelta(seconds=300)


async def test_runs_that_were_slept_through_become_one_and_old_ones_are_left_out(
    bench: Bench, scheduler: MonitoringScheduler, enqueued: list[tuple[str, datetime]]
) -> None:
    await bench.add(interval_s=60, misfire_grace_s=200)
    bench.clock.pass_s(1_000)
    await scheduler.sync()
    await settle(scheduler)
    assert [due.isoformat() for _, due in enqueued] == ["2026-03-02T12:17:00+00:00"]
    await bench.presets.edit("watch", {"cron": "0 6 * * *", "interval_s": None})
    bench.clock.pass_s(2 * 86_400)
    await scheduler.sync()
    await settle(scheduler)
    assert len(enqueued) == 1
    assert [run.outcome.value for run in await bench.presets.runs("watch")] == ["missed"]
    following = (await bench.presets.get("watch")).next_run
    assert following is not None
    assert following > bench.clock.now


async def test_deactivated_changed_and_deleted_tasks_are_noticed(
    bench: Bench, scheduler: MonitoringScheduler, enqueued: list[tuple[str, datetime]]
) -> None:
    for name in ("Off", "Gone", "Other"):
        await bench.add(name=name, interval_s=60)
    await scheduler.sync()
    await bench.presets.set_active("off", active=False)
    await bench.presets.remove("gone")
    await bench.presets.edit("other", {"interval_s": 3_600})
    await scheduler.sync()
    bench.clock.pass_s(120)
    await settle(scheduler)
    assert enqueued == []


async def test_broken_task_is_deactivated_with_a_notice(
    bench: Bench, scheduler: MonitoringScheduler, own_settings: MonitoringSettings
) -> None:
    await bench.add()
    path = own_settings.presets_path
    path.write_text(path.read_text().replace('"script"', '"gone"'))
    await scheduler.sync()
    await scheduler.sync()
    assert len(bench.admins.said) == 1
    assert not (await bench.presets.all())[1][0].active


async def test_unreadable_file_is_told_once_and_its_repair_too(
    bench: Bench, scheduler: MonitoringScheduler, own_settings: MonitoringSettings
) -> None:
    await bench.add()
    path = own_settings.presets_path
    good = path.read_text()
    path.write_text("{")
    await scheduler.sync()
    await scheduler.sync()
    path.write_text(good)
    await scheduler.sync()
    assert [kind for kind, _ in bench.admins.said] == ["outage", "recovered"]


async def test_run_that_could_not_be_enqueued_is_tried_again(
    bench: Bench, scheduler: MonitoringScheduler, enqueued: list[tuple[str, datetime]]
) -> None:
    task = await bench.add(interval_s=60)
    await scheduler.sync()
    works = scheduler._enqueue

    async def fails(task: MonitoringTask, due: datetime) -> None:
        raise OSError(f"{task.id} {due}")

    scheduler._enqueue = fails
    bench.clock.pass_s(60)
    await settle(scheduler)
    scheduler._enqueue = works
    await scheduler.sync()
    await settle(scheduler)
    assert enqueued == [("watch", task.next_run)]
