# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `db`."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner, Result

from central_services.cli import app
from central_services.core.config import ENV_PREFIX


@pytest.fixture(autouse=True)
def unmade_database(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", empty_database)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["db", *arguments])


def test_upgrade_makes_the_database_and_check_is_content() -> None:
    assert "up to date" in run("upgrade").output
    assert run("check").exit_code == 0


def test_check_and_current_say_what_to_run_when_there_is_no_database() -> None:
    for name in ("check", "current"):
        result = run(name)
        assert result.exit_code == 1
        assert "db upgrade" in result.stderr
        assert "Traceback" not in result.output


def test_downgrade_asks_first() -> None:
    run("upgrade")
    at_head = run("current").output
    assert run("downgrade", "base").exit_code == 1
    assert run("current").output == at_head
    assert run("downgrade", "base", "--yes").exit_code == 0
    assert run("current").output == "none\n"


def test_an_unknown_revision_is_one_sentence() -> None:
    result = run("upgrade", "nothing")
    assert result.exit_code == 1
    assert "nothing" in result.stderr
    assert "Traceback" not in result.output


def test_a_revision_in_a_package_that_is_not_there_is_refused() -> None:
    run("upgrade")
    result = run("revision", "-m", "add", "--package", "nowhere")
    assert result.exit_code == 1
    assert "no package nowhere" in result.stderr


def test_serve_refuses_a_database_that_is_not_migrated() -> None:
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 1
    assert "db upgrade" in result.stderr
    assert "Traceback" not in result.output


def test_a_server_that_is_away_is_one_sentence(
    unused_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"postgresql://app:s3cr3t-pw@127.0.0.1:{unused_port}/app"
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", url)
    result = run("upgrade")
    assert result.exit_code == 1
    assert "can't be used" in result.stderr
    assert "s3cr3t-pw" not in result.output
    assert "s3cr3t-pw" not in CliRunner().invoke(app, ["config", "show"]).output
