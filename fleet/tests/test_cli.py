"""The command line: exit codes, JSON everywhere, completion, doctor, its own processes."""

import json
import os
import subprocess
import sys

import pytest
from slipway_fleet import run
from slipway_fleet.run import Opened, every
from slipway_fleet.workspace import Workspace

from tests.fleets import Fleet, invoke

COMMANDS = ("doctor", "inventory", "adopt", "drift", "plan")


@pytest.mark.parametrize("command", COMMANDS)
def test_json_is_one_document_and_nothing_else(fleet: Fleet, command: str) -> None:
    fleet.add("orders")
    assert isinstance(fleet.run(command, "--json").json, dict)


def test_wrong_usage_exits_with_2(fleet: Fleet) -> None:
    assert invoke(["fleet", "drift", "--nonsense"]).code == 2
    assert fleet.run("drift", "nobody").code == 2
    assert fleet.run("campaign", "run", "nothing").code == 2
    fleet.toml.unlink()
    ran = fleet.run("drift")
    assert ran.code == 2
    assert ran.err.startswith("error: ")
    assert "Traceback" not in ran.err


def test_shell_completion_is_offered() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway_fleet", "--show-completion", "bash"],
        capture_output=True,
        text=True,
        timeout=60,
        # Otherwise it looks for the shell among the processes that started this one.
        env=os.environ | {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert "complete" in done.stdout


def test_doctor_names_what_is_wrong(fleet: Fleet) -> None:
    assert fleet.run("doctor").code == 0
    fleet.configure(source='[[source]]\ntype = "dir"\npath = "nowhere"\n')
    ran = fleet.run("doctor", "--json")
    assert ran.code == 1
    wrong = [check for check in ran.json["checks"] if not check["ok"]]
    assert [check["name"] for check in wrong] == ["source 1 (dir)"]


def head(opened: Opened) -> str:
    """Return the commit of a project; one of them ends its process."""
    if opened.project.id == "svc-001":
        raise RuntimeError("broken")
    return opened.snapshot.head


def test_workers_give_the_same_results_and_a_failing_one_is_a_problem(fleet: Fleet) -> None:
    fleet.add_many(4)
    fleet.toml.write_text(fleet.toml.read_text().replace("workers = 1", "workers = 3"))
    workspace = Workspace.load(fleet.toml)
    from slipway_fleet.inventory import take  # noqa: PLC0415  # beside its use

    found = {c.project.id: c for c in every(workspace, take(workspace).projects, head)}
    assert sorted(found) == ["svc-000", "svc-001", "svc-002", "svc-003"]
    assert found["svc-001"].problem == "internal error, RuntimeError: broken"
    assert [name for name, c in found.items() if c.problem] == ["svc-001"]


def endless(opened: Opened) -> str:
    """Never end for one project."""
    while opened.project.id == "svc-001":
        pass
    return opened.snapshot.head


def test_project_that_takes_too_long_is_a_problem(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "LONGEST_S", 2.0)
    fleet.add_many(2)
    workspace = Workspace.load(fleet.toml)
    from slipway_fleet.inventory import take  # noqa: PLC0415  # beside its use

    found = {c.project.id: c.problem for c in every(workspace, take(workspace).projects, endless)}
    assert found == {"svc-000": "", "svc-001": "it took longer than 2 s"}


def test_module_runs_as_the_program() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "slipway_fleet", "doctor", "--json", "--config", "nowhere.toml"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert json.loads(done.stdout)["checks"]
