# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What of the page needs no browser: who gets in, and that text stays text."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    Change,
    MonitoringTask,
    Outcome,
    RunRecord,
)
from {{ cookiecutter.project_slug }}.monitoring.ui.door import Door
from {{ cookiecutter.project_slug }}.monitoring.ui.launch import command
from {{ cookiecutter.project_slug }}.monitoring.ui.rows import (
    change_row,
    overview,
    plain,
    run_row,
)
from {{ cookiecutter.project_slug }}.settings import Settings

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def test_door_waits_after_too_many_wrong_passwords_even_for_the_right_one() -> None:
    now = [0.0]
    door = Door("right", attempts=3, wait_s=60, clock=lambda: now[0])
    assert [door.opens("wrong"), door.opens(""), door.opens("right")] == [False, False, True]
    assert [door.opens("wrong") for _ in range(3)] == [False] * 3
    assert (door.opens("right"), door.wait_s()) == (False, 60)
    now[0] = 61
    assert door.opens("right")


def test_text_of_a_task_is_no_markup() -> None:
    assert plain("![x](http://evil.example/a.png)") == (r"\!\[x\]\(http\://evil\.example/a\.png\)")
    assert plain("a\n# b :red[c] $x$") == r"a \# b \:red\[c\] \$x\$"


def test_rows_show_runs_and_changes() -> None:
    task = MonitoringTask(name="Watch", check="disk_space", cron="0 6 * * *")
    run = RunRecord(task_id="watch", run_id="1", started=NOW, outcome=Outcome.ALERT, summary="low")
    row = overview(task, [run])
    assert (row["History"], row["Last result"]) == ([3], "low")
    assert run_row(run)["Due (UTC)"] == "by hand"
    change = Change(at=NOW, task_id="watch", action="edited", before={"a": 1}, after={"a": 2})
    assert change_row(change)["After"] == '{"a": 2}'


def test_page_listens_on_this_machine_only_and_calls_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}MONITORING__UI_PASSWORD", "correct horse battery")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    options = command(Settings(), port=0)
    assert {"--server.address=127.0.0.1", "--browser.gatherUsageStats=false"} <= set(options)
