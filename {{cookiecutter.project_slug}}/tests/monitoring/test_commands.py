# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `tasks`, as people type them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from {{ cookiecutter.project_slug }}.cli import app
from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX
from {{ cookiecutter.project_slug }}.monitoring import MonitoringService
from {{ cookiecutter.project_slug }}.monitoring.session import Session
from {{ cookiecutter.project_slug }}.settings import Settings
from {{ cookiecutter.project_slug }}.utils.logging import flush, get_logger, setup_logging


@pytest.fixture(autouse=True)
def own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep what commands write in the test's folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(f"{ENV_PREFIX}MAIL__RECORDS_PATH", str(tmp_path / "mail.db"))
    monkeypatch.setenv(f"{ENV_PREFIX}MONITORING__BACKOFF_S", "0")


# jinja: if cookiecutter.include_database
@pytest.fixture(autouse=True)
def database_of_the_test(own_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the tasks of a test in a database of its own."""
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", own_database)


# jinja: endif
def tasks(*arguments: str, code: int = 0) -> Result:
    """Run a command, and fail unless it ends with a code."""
    result = CliRunner().invoke(app, ["tasks", *arguments], env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result


def as_json(*arguments: str, code: int = 0) -> Any:
    return json.loads(tasks(*arguments, "--json", code=code).stdout)


def add(*more: str, name: str = "Disk") -> None:
    tasks("add", name, "--check", "disk_space", "--every", "300", *more)


def test_task_is_added_shown_edited_run_and_removed(tmp_path: Path) -> None:
    add("-p", f"path={tmp_path}", "-p", "min_free_percent=0", "--recipient", "ann@example.com")
    shown = as_json("show", "disk")
    assert shown["parameters"] == {"path": str(tmp_path), "min_free_percent": 0}
    tasks("edit", "disk", "--cron", "0 6 * * *", "--timezone", "Europe/Berlin", "-p", "path=/")
    shown = as_json("show", "disk")
    assert (shown["cron"], shown["interval_s"]) == ("0 6 * * *", None)
    assert shown["parameters"] == {"path": "/", "min_free_percent": 0}
    run = as_json("run", "disk")
    assert (run["outcome"], run["told"]) == ("ok", ["log", "email"])
    assert "ok" in tasks("list").stdout
    assert as_json("history", "disk")[0]["run_id"] == run["run_id"]
    tasks("remove", "disk", "--yes")
    assert as_json("list") == {"tasks": [], "broken": []}
    actions = [change["action"] for change in as_json("history", "disk", "--changes")]
    assert actions == ["removed", "edited", "added"]


def test_what_the_work_prints_and_logs_is_not_what_the_command_prints(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def work(_: MonitoringService) -> None:
        get_logger("work").info("log_line_of_the_work")  # waits up to 10 ms
        typer.echo("mail of the work")

    setup_logging("INFO")
    Session(Settings).service(work)
    flush()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "log_line_of_the_work" in printed.err
    assert "mail of the work" in printed.err


def test_tables_are_for_people() -> None:
    add()
    tasks("run", "disk")
    for command in (["list"], ["show", "disk"], ["checks"]):
        assert "disk" in tasks(*command).stdout.lower()
    assert "Outcome" in tasks("history", "disk").stdout
    assert "added" in tasks("history", "disk", "--changes").stdout


def test_task_is_switched_off_and_on() -> None:
    add()
    tasks("deactivate", "disk")
    assert as_json("show", "disk")["next_run"] is None
    tasks("activate", "disk")
    assert as_json("show", "disk")["next_run"] is not None


def test_next_runs_are_shown_by_the_clock_of_the_zone() -> None:
    shown = as_json("validate", "--cron", "0 9 * * *", "--timezone", "Asia/Tokyo")
    assert [time[11:] for time in shown["next"]] == ["09:00:00+09:00"] * 5
    refused = tasks("validate", "--cron", "0 25 * * *", code=1)
    assert "hour: '25' is not 0 to 23" in refused.stderr


def test_refusal_names_each_field() -> None:
    refused = tasks("add", "X", "--check", "nope", "--cron", "* * * * *", "--notify", "x", code=1)
    assert "notify_condition: " in refused.stderr
    assert "Traceback" not in refused.output
    assert "There is no task 'x'" in tasks("show", "x", code=1).stderr
    assert "is not name=value" in tasks("edit", "x", "-p", "path", code=1).stderr
    assert "Nothing to change" in tasks("edit", "x", code=1).stderr


def test_run_that_finds_something_ends_with_an_error() -> None:
    add("-p", "min_free_percent=100")
    assert "alert" in tasks("run", "disk", code=1).stdout
    add("-p", "path=/nowhere", name="Gone")
    assert as_json("run", "gone", code=1)["outcome"] == "error"


def test_examples_are_there_to_try_and_not_active() -> None:
    tasks("examples")
    found = as_json("list")["tasks"]
    assert {task["check"] for task in found} == {
        "http_endpoint",
        "stock_levels",
        "tls_certificate",
    }
    assert not any(task["active"] for task in found)


def test_tasks_of_another_file_are_imported(tmp_path: Path) -> None:
    old = {"id": "old", "name": "Old", "check": "disk_space", "interval_s": 60}
    (tmp_path / "old.json").write_text(json.dumps({"revision": 1, "tasks": [old]}))
    tasks("import", "old.json")
    assert as_json("show", "old")["interval_s"] == 60
    assert "There is no file" in tasks("import", "nowhere.json", code=1).stderr


def test_validation_of_all_tasks_says_how_many_there_are() -> None:
    add()
    assert "1 tasks are valid" in tasks("validate").stdout


def test_page_does_not_start_without_a_password_or_streamlit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert "MONITORING__UI_PASSWORD" in tasks("ui", code=1).stderr
    monkeypatch.setenv(f"{ENV_PREFIX}MONITORING__UI_PASSWORD", "correct horse battery")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert "extra `ui`" in tasks("ui", code=1).stderr
