# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a run does: look, compare, tell, and write down only what was told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.clients.errors import (
    BlockedAddressError,
    ConnectionFailedError,
)
from {{ cookiecutter.project_slug }}.core.monitoring_settings import (
    MonitoringSettings,
)
from {{ cookiecutter.project_slug }}.monitoring.checks import CheckResult
from {{ cookiecutter.project_slug }}.monitoring.errors import (
    InvalidTaskError,
    PermanentCheckError,
    PermanentNotifierError,
    TransientCheckError,
    TransientNotifierError,
)
from {{ cookiecutter.project_slug }}.monitoring.results import run_id_of
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    MonitoringTask,
    Outcome,
    TaskStatus,
)

from .conftest import Bench, found

pytestmark = pytest.mark.anyio


async def run(bench: Bench, *steps: CheckResult | Exception) -> MonitoringTask:
    """Run the task once for each step, and return it."""
    for step in steps:
        bench.script.steps = [step]
        bench.clock.pass_s(60)
        await bench.service.run("watch")
    return await bench.presets.get("watch")


def told(bench: Bench) -> list[str]:
    return [notification.run.summary for notification in bench.pager.told]


async def test_change_is_told_once(bench: Bench) -> None:
    await bench.add()
    task = await run(bench, found(1), found(1), found(2), found(2), found(1))
    assert told(bench) == ["it is 1", "it is 2", "it is 1"]
    assert (task.status, task.pending) == (TaskStatus.OK, ())


async def test_every_run_is_told_when_that_is_asked_for(bench: Bench) -> None:
    await bench.add(notify_condition="always")
    await run(bench, found(1), found(1), PermanentCheckError("no"))
    assert told(bench) == ["it is 1", "it is 1", "no"]


async def test_only_what_is_bad_is_told_when_that_is_asked_for(bench: Bench) -> None:
    await bench.add(notify_condition="on_failure")
    await run(bench, found(1), found(2, ok=False), found(2, ok=False), PermanentCheckError("no"))
    assert told(bench) == ["it is 2", "it is 2", "no"]


async def test_hash_is_kept_only_after_it_was_told(bench: Bench) -> None:
    await bench.add()
    before = (await run(bench, found(1))).last_hash
    bench.pager.failures = [PermanentNotifierError("no")]
    task = await run(bench, found(2))
    assert task.last_hash == before
    assert task.status is TaskStatus.ERROR
    assert task.problem == "pager: no"
    task = await run(bench, found(2))
    assert task.last_hash != before
    assert told(bench) == ["it is 1", "it is 2"]


async def test_changes_that_could_not_be_told_are_told_in_order_under_their_own_keys(
    bench: Bench,
) -> None:
    await bench.add()
    await run(bench, found(1))
    bench.pager.failures = [PermanentNotifierError("no"), PermanentNotifierError("no")]
    await run(bench, found(2), found(3))
    await run(bench, found(4))
    assert told(bench) == ["it is 1", "it is 2", "it is 3", "it is 4"]
    keys = [notification.key for notification in bench.pager.told]
    assert [key.rsplit(":", 1)[1] for key in keys] == ["1", "2", "3", "4"]


async def test_failing_channel_stops_no_other(bench: Bench) -> None:
    await bench.add()
    broken = _Channel("broken", ValueError("a bug"))
    bench.service.notifiers = {"broken": broken} | bench.service.notifiers
    task = await run(bench, found(1))
    assert told(bench) == ["it is 1"]
    assert [notice.channels for notice in task.pending] == [("broken",)]
    broken.error = None
    task = await run(bench, found(1))
    assert (broken.calls, task.pending, len(told(bench))) == (2, (), 1)


@dataclass
class _Channel:
    name: str
    error: Exception | None = None
    calls: int = field(default=0)

    def applies(self, task: MonitoringTask) -> bool:
        return bool(task.id)

    async def notify(self, notification: object) -> None:
        assert notification
        self.calls += 1
        if self.error:
            raise self.error


async def test_transient_errors_are_tried_again_and_permanent_ones_are_not(bench: Bench) -> None:
    await bench.add()
    bench.script.steps = [TransientCheckError("busy"), ConnectionFailedError("gone"), found(1)]
    await bench.service.run("watch")
    assert (bench.script.runs, told(bench)) == (3, ["it is 1"])
    bench.script.steps = [BlockedAddressError("inside"), found(2)]
    record = await bench.service.run("watch")
    assert record is not None
    assert (bench.script.runs, record.outcome) == (4, Outcome.ERROR)
    bench.pager.failures = [TransientNotifierError("busy")]
    await run(bench, found(3))
    assert told(bench) == ["it is 1", "it is 3"]


async def test_admins_are_told_once_after_some_failures_and_once_on_recovery(bench: Bench) -> None:
    await bench.add()
    task = await run(bench, *[PermanentCheckError("no")] * 2)
    assert (task.status, bench.admins.said) == (TaskStatus.ERROR, [])
    task = await run(bench, *[PermanentCheckError("no")] * 3)
    assert (task.status, task.failures) == (TaskStatus.FAILING, 5)
    assert bench.admins.said == [("outage", "monitoring:watch")]
    task = await run(bench, found(1), found(1))
    assert (task.status, task.failures) == (TaskStatus.OK, 0)
    assert bench.admins.said[1:] == [("recovered", "monitoring:watch")]


async def test_undelivered_notification_counts_as_a_failure(bench: Bench) -> None:
    await bench.add()
    bench.pager.failures = [PermanentNotifierError("mail server gone")] * 3
    task = await run(bench, found(1), found(1), found(1))
    assert task.status is TaskStatus.FAILING
    assert "mail server gone" in bench.admins.texts[0]
    task = await run(bench, found(1))
    assert bench.admins.said[-1] == ("recovered", "monitoring:watch")


async def test_kill_switch_tells_nobody_and_loses_nothing(
    make_bench: Callable[..., Bench],
) -> None:
    silent = make_bench(notifications=False)
    await silent.add()
    await run(silent, found(1), found(2))
    loud = make_bench()
    await run(loud, found(2))
    assert (told(silent), told(loud)) == ([], ["it is 2"])


async def test_task_whose_check_is_gone_is_deactivated_with_a_notice(
    bench: Bench, own_settings: MonitoringSettings
) -> None:
    await bench.add()
    path = own_settings.presets_path
    path.write_text(path.read_text().replace('"script"', '"gone"'))
    with pytest.raises(InvalidTaskError):
        await bench.service.run("watch")
    _, broken = await bench.presets.all()
    assert [preset.active for preset in broken] == [False]
    assert "was deactivated" in bench.admins.texts[0]
    assert "no check 'gone'" in bench.admins.texts[0]


async def test_check_that_raises_or_hangs_is_an_error_on_record(
    make_bench: Callable[..., Bench],
) -> None:
    bench = make_bench(check_timeout_s=0.01)
    await bench.add()
    await run(bench, ZeroDivisionError("secret in it"))

    async def hang(*_: Any) -> CheckResult:
        await asyncio.Event().wait()
        raise AssertionError

    bench.service.checks.find("script")._function = hang
    await run(bench, found(1))
    summaries = [record.summary for record in await bench.presets.runs("watch")]
    assert summaries == ["it took longer than 0.01 s", "the check raised ZeroDivisionError"]


async def test_result_that_can_not_be_compared_is_an_error(bench: Bench) -> None:
    await bench.add()
    nonsense: Any = object()
    odd = CheckResult(ok=True, summary="odd", facts=nonsense)
    await run(bench, odd)
    assert "can't be compared" in (await bench.presets.runs("watch"))[0].summary


async def test_same_run_is_looked_at_once(bench: Bench) -> None:
    await bench.add()
    due = bench.clock.now
    for _ in range(2):
        await bench.service.run("watch", scheduled_for=due, run_id=run_id_of("watch", due))
    assert (bench.script.runs, told(bench)) == (1, ["it is 1"])


async def test_deactivated_task_runs_only_when_asked_to(bench: Bench) -> None:
    await bench.add(active=False)
    assert await bench.service.run("watch", scheduled_for=bench.clock.now) is None
    assert await bench.service.run("watch") is not None


async def test_task_tells_only_where_it_says(bench: Bench) -> None:
    await bench.add(channels=["log"])
    task = await run(bench, found(1))
    assert (told(bench), task.last_hash != "") == ([], True)


async def test_channel_that_is_no_longer_set_up_is_not_waited_for(bench: Bench) -> None:
    await bench.add()
    bench.pager.failures = [PermanentNotifierError("no")]
    await run(bench, found(1))
    del bench.service.notifiers["pager"]
    task = await run(bench, found(1))
    assert (task.pending, task.failures) == ((), 0)


async def test_too_many_untold_changes_drop_the_oldest(bench: Bench) -> None:
    await bench.add()
    bench.pager.failures = [PermanentNotifierError("no")] * 22
    await run(bench, *(found(number) for number in range(22)))
    await run(bench, found("last"))
    assert len(told(bench)) == 20
    assert told(bench)[-1] == "it is last"


@dataclass
class _Deletes:
    bench: Bench
    name: str = "deletes"

    def applies(self, task: MonitoringTask) -> bool:
        return bool(task.id)

    async def notify(self, notification: object) -> None:
        assert notification
        await self.bench.presets.remove("watch")


async def test_task_that_is_deleted_while_it_runs_leaves_nothing_behind(bench: Bench) -> None:
    await bench.add()

    bench.service.notifiers["deletes"] = _Deletes(bench)
    await bench.service.run("watch")
    assert await bench.presets.all() == ([], [])
