"""The rendered suites, run as a project runs them: with their own coverage gate."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from combinations import ALWAYS
from processes import RunIn
from rendering import Renderer, copy_project

pytestmark = pytest.mark.slow

LONGEST_S = 900.0
"""Seconds for one suite; the longest takes three minutes on an idle machine."""


def test_rendered_suite_passes_with_its_coverage_gate(
    render: Renderer,
    run_in: RunIn,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    suite_combination: dict[str, Any],
) -> None:
    """Measure the named ones only: on Python 3.11 that takes twice the time."""
    project = copy_project(render("cookiecutter", **suite_combination), tmp_path / "project")
    is_measured = request.node.callspec.id in ALWAYS or request.config.getoption("--all")
    options = ["-q", "--durations=5", *(["--cov"] if is_measured else [])]
    done = run_in(project, "python", "-m", "pytest", *options, timeout=LONGEST_S)
    assert re.search(r"\d+ passed", done.stdout), done.stdout
    assert not re.search(r"\d+ (skipped|xfailed|deselected)", done.stdout), done.stdout
    gate = re.search(r"Required test coverage of \d+(\.\d+)?% reached", done.stdout)
    assert gate or not is_measured, done.stdout


def test_coverage_gate_can_fail(project_copy: Path, run_in: RunIn) -> None:
    """Run a fraction of the suite: what it leaves uncovered must fail the gate."""
    gate = tomllib.loads((project_copy / "pyproject.toml").read_text("utf-8"))["tool"]["coverage"]
    assert gate["report"]["fail_under"] >= 85
    done = run_in(
        project_copy,
        "python",
        "-m",
        "pytest",
        "tests/core",
        "-q",
        "--cov",
        check=False,
        timeout=LONGEST_S,
    )
    assert done.returncode != 0
    assert "not reached" in done.stdout, done.stdout


def test_rendered_suite_works_without_network_and_in_any_order(
    project_copy: Path, run_in: RunIn
) -> None:
    """Refuse every connection that leaves the machine, and run the test files backwards."""
    (project_copy / "closed.py").write_text(
        "import ipaddress, sys\n"
        "def hook(event, arguments):\n"
        "    if event == 'socket.connect' and isinstance(arguments[1], tuple):\n"
        "        host = str(arguments[1][0]).partition('%')[0]\n"
        "        if not ipaddress.ip_address(host).is_loopback:\n"
        "            raise RuntimeError(f'connects to {host}')\n"
        "sys.addaudithook(hook)\n"
        "def pytest_collection_modifyitems(items):\n"
        "    items.reverse()\n",
        "utf-8",
    )
    run_in(
        project_copy,
        "python",
        "-m",
        "pytest",
        "-q",
        "-p",
        "closed",
        timeout=LONGEST_S,
        PYTHONPATH=".:src",
    )
