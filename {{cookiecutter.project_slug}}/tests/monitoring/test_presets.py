# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one source of truth about tasks, in files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.core.monitoring_settings import (
    MonitoringSettings,
)
from {{ cookiecutter.project_slug }}.monitoring import PresetsManager
from {{ cookiecutter.project_slug }}.monitoring.canonical import canonical_hash
from {{ cookiecutter.project_slug }}.monitoring.errors import (
    InvalidTaskError,
    PresetsUnreadableError,
    TaskChangedError,
    TaskExistsError,
    TaskNotFoundError,
)
from {{ cookiecutter.project_slug }}.monitoring.files import FilePresets
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    MonitoringTask,
    RunRecord,
)

pytestmark = pytest.mark.anyio

WATCH = {"name": "Watch", "check": "script", "cron": "*/5 * * * *"}


async def test_task_is_kept_with_its_next_run(presets: PresetsManager) -> None:
    await presets.add(WATCH, by="ann")
    task = await presets.get("watch")
    assert task.next_run is not None
    assert task.next_run.isoformat() == "2026-03-02T12:05:00+00:00"
    assert [(c.action, c.by) for c in await presets.changes()] == [("added", "ann")]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"cron": "61 * * * *"}, "cron: minute: '61' is not 0 to 59"),
        ({"cron": None}, "set either cron or interval_s"),
        ({"interval_s": 60}, "set either cron or interval_s"),
        ({"cron": None, "interval_s": 30}, "runs would be 30 s apart"),
        ({"check": "nothing"}, "there is no check 'nothing'"),
        ({"parameters": {"colour": 1}}, "parameters.colour: Extra inputs"),
        ({"timezone": "Mars/Base"}, "there is no time zone 'Mars/Base'"),
        ({"recipients": ["ann"]}, "'ann' is not an address"),
        ({"recipients": ["a@b.example\r\nBcc: x@y.example"]}, "is not an address"),
        ({"name": "a\nb"}, "a line break"),
        ({"name": "a\u202eb"}, "control character"),
        ({"colour": "red"}, "colour: there is no such field"),
        ({"status": "ok"}, "status: there is no such field"),
    ],
)
async def test_invalid_task_is_refused_and_nothing_is_written(
    presets: PresetsManager, own_settings: MonitoringSettings, fields: dict[str, object], said: str
) -> None:
    with pytest.raises(InvalidTaskError) as refused:
        await presets.add(WATCH | fields)
    assert said in str(refused.value)
    assert not own_settings.presets_path.exists()


async def test_second_task_of_an_id_and_one_too_many_are_refused(
    presets: PresetsManager, own_settings: MonitoringSettings
) -> None:
    await presets.add(WATCH)
    with pytest.raises(TaskExistsError):
        await presets.add(WATCH)
    few = own_settings.model_copy(update={"max_tasks": 1})
    with pytest.raises(InvalidTaskError, match="there are 1 tasks already"):
        await PresetsManager(presets.store, presets._rules, few).add(WATCH | {"name": "Other"})


async def test_edit_keeps_what_runs_have_written(presets: PresetsManager) -> None:
    await presets.add(WATCH)
    await presets.record("watch", lambda _: {"last_hash": "abc", "failures": 2})
    task = await presets.edit("watch", {"cron": "0 * * * *"}, by="bob")
    assert (task.last_hash, task.failures, task.version) == ("abc", 2, 2)
    assert task.next_run is not None
    assert task.next_run.minute == 0
    newest = (await presets.changes("watch"))[0]
    assert newest.before == {"cron": "*/5 * * * *"}
    assert newest.after == {"cron": "0 * * * *"}


async def test_another_check_forgets_what_the_first_one_found(presets: PresetsManager) -> None:
    await presets.add(WATCH)
    await presets.record("watch", lambda _: {"last_hash": "abc"})
    task = await presets.edit("watch", {"parameters": {"label": "b"}})
    assert task.last_hash == ""


async def test_change_made_for_an_older_version_is_refused(presets: PresetsManager) -> None:
    await presets.add(WATCH)
    await presets.edit("watch", {"name": "First"}, version=1)
    with pytest.raises(TaskChangedError):
        await presets.edit("watch", {"name": "Second"}, version=1)
    assert (await presets.get("watch")).name == "First"


async def test_inactive_task_has_no_next_run(presets: PresetsManager) -> None:
    await presets.add(WATCH)
    off = await presets.set_active("watch", active=False)
    on = await presets.set_active("watch", active=True)
    assert isinstance(off, MonitoringTask)
    assert isinstance(on, MonitoringTask)
    assert (off.next_run, on.next_run is not None) == (None, True)


async def test_removed_task_is_gone_and_its_history_stays(presets: PresetsManager) -> None:
    await presets.add(WATCH)
    await presets.remove("watch", by="ann")
    with pytest.raises(TaskNotFoundError):
        await presets.get("watch")
    assert [c.action for c in await presets.changes("watch")] == ["removed", "added"]


async def test_task_that_can_not_be_read_is_listed_as_broken_and_survives_other_changes(
    presets: PresetsManager, own_settings: MonitoringSettings
) -> None:
    await presets.add(WATCH)
    await presets.add(WATCH | {"name": "Other"})
    path = own_settings.presets_path
    # The first of the two in the file is "other".
    path.write_text(path.read_text().replace('"check": "script"', '"check": "gone"', 1))
    await presets.record("watch", lambda _: {"failures": 1})
    tasks, broken = await presets.all()
    assert ([t.id for t in tasks], [b.id for b in broken]) == (["watch"], ["other"])
    assert "there is no check 'gone'" in broken[0].problems[0]
    await presets.edit("other", {"check": "script"})
    assert (await presets.all())[1] == []


async def test_file_that_somebody_broke_is_neither_used_nor_overwritten(
    presets: PresetsManager, own_settings: MonitoringSettings
) -> None:
    await presets.add(WATCH)
    own_settings.presets_path.write_text('{"tasks": [')
    with pytest.raises(PresetsUnreadableError, match="somebody edited it"):
        await presets.add(WATCH | {"name": "Other"})
    assert own_settings.presets_path.read_text() == '{"tasks": ['


async def test_writers_at_the_same_time_lose_nothing(presets: PresetsManager) -> None:
    await presets.add(WATCH)

    async def count() -> None:
        await presets.record("watch", lambda task: {"failures": task.failures + 1})

    await asyncio.gather(*(count() for _ in range(25)))
    assert (await presets.get("watch")).failures == 25


async def test_history_of_a_writer_that_died_in_between_is_not_believed(
    presets: PresetsManager, own_settings: MonitoringSettings
) -> None:
    await presets.add(WATCH, by="ann")
    path = own_settings.presets_path
    before = path.read_bytes()
    await presets.edit("watch", {"name": "Never"}, by="dead")
    path.write_bytes(before)  # as if it had died before the file took its place
    journal = path.with_suffix(".history.jsonl")
    journal.write_bytes(journal.read_bytes() + b'{"revision": 3, "chan')  # and one while writing
    assert [c.by for c in await presets.changes()] == ["ann"]
    await presets.record("watch", lambda _: {"failures": 1})
    await presets.edit("watch", {"name": "Later"}, by="bob")
    assert [c.by for c in await presets.changes()] == ["bob", "ann"]


async def test_history_is_shortened_when_it_has_grown(
    tmp_path: Path, presets: PresetsManager, make_run: Callable[[str, int], RunRecord]
) -> None:
    store = FilePresets(tmp_path / "presets.json", runs_kept=3)
    store._journal._large = 2_000
    few = PresetsManager(store, presets._rules, presets._settings)
    await few.add(WATCH)
    for number in range(20):
        await few.record("watch", lambda _: {}, make_run("watch", number))
    kept = await few.runs("watch", 100)
    assert kept[0].run_id == "run-19"
    assert 3 <= len(kept) < 20
    lines = (tmp_path / "presets.history.jsonl").read_text().splitlines()
    assert all(json.loads(line) for line in lines)


def test_hash_does_not_depend_on_spelling() -> None:
    assert canonical_hash({"a": 1, "b": [1.50]}) == canonical_hash({"b": [1.5], "a": 1.0})
    assert canonical_hash({1, 2}) == canonical_hash({2, 1})
    assert canonical_hash([1, 2]) != canonical_hash([2, 1])
    assert canonical_hash(True) != canonical_hash(1)
    assert canonical_hash("1") != canonical_hash(1)
    assert canonical_hash(1.5) != canonical_hash("1.5")
    with pytest.raises(TypeError, match="can't be compared"):
        canonical_hash(object())
