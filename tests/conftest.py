"""Fixtures shared by the tests of the template; what each does stands in its docstring."""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import processes
import pytest
from combinations import (
    BODY,
    ROOT,
    combinations,
    has_turn,
    head_commit,
    load_manifest,
    suites,
)
from home import HOME_VARIABLE, move_home
from node_programs import NodePrograms
from rendering import (
    Renderer,
    commit_all,
    copy_project,
    copy_template,
    share_compiled_templates,
    slug_of,
)
from servers import PostgreSQL
from valkey_server import Valkey

share_compiled_templates()
# What projects and releases are updated with is tested as it is written, not a copy of it.
sys.path[:0] = [str(BODY / "scripts"), str(ROOT / "scripts")]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--all`."""
    parser.addoption(
        "--all", action="store_true", help="run the rendered suite of every combination"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Move the home before anything imports an engine; workers share the controller's."""
    if HOME_VARIABLE not in os.environ:
        home = move_home()
        config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))
    tempfile.tempdir = None  # look at TMPDIR again


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once per combination (`combination`), or per one whose suite runs (`suite_combination`)."""
    named = combinations(load_manifest())
    if "combination" in metafunc.fixturenames:
        metafunc.parametrize("combination", named.values(), ids=named.keys())
    if "suite_combination" in metafunc.fixturenames:
        chosen = suites(named, head_commit(), run_all=metafunc.config.getoption("--all"))
        metafunc.parametrize("suite_combination", chosen.values(), ids=chosen.keys())


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take of tests with many parameters those whose turn it is.

    And keep the tests of a combination on one worker: it has the renders.
    """
    if not config.getoption("--all"):
        waiting = [item for item in items if not _has_turn(item)]
        config.hook.pytest_deselected(items=waiting)
        items[:] = [item for item in items if item not in set(waiting)]
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and "combination" in callspec.params:
            item.add_marker(pytest.mark.xdist_group(callspec.id))


def _has_turn(item: pytest.Item) -> bool:
    """Whether a test runs in this run; one that is named on the command line does."""
    if any(item.name in argument for argument in item.config.args):
        return True
    mark = item.get_closest_marker("turns")
    if mark is None:
        return item.get_closest_marker("whole") is None
    (count,) = mark.args
    return has_turn(item.nodeid, count, head_commit())


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clean, committed, tagged copy of the working tree: what users get."""
    return copy_template(tmp_path_factory.mktemp("template") / "slipway")


@pytest.fixture(scope="session")
def render(template: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """Return `render(engine, **answers) -> Path`: rendered once per answers, treat as read-only."""
    return Renderer(template, tmp_path_factory.mktemp("renders"))


@pytest.fixture(scope="session")
def default_project(render: Renderer) -> Path:
    """Return a project with the default answers. Read-only; a test that writes takes `project_copy`."""
    return render("cookiecutter")


@pytest.fixture
def project_copy(default_project: Path, tmp_path: Path) -> Path:
    """Return a project with the default answers that the test may change."""
    return copy_project(default_project, tmp_path / slug_of(default_project))


@pytest.fixture(scope="session")
def tiny_history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny template with its releases and its scripts."""
    import tiny_template  # noqa: PLC0415  # few tests need it

    return tiny_template.build(tmp_path_factory.mktemp("history") / "template")


@pytest.fixture
def make_tiny(
    tiny_history: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function that makes a committed project of the tiny template."""
    render = Renderer(tiny_history, tmp_path_factory.mktemp("made"))

    def make(tag: str = "v1.0.0", **answers: Any) -> Path:
        out = render.new_folder() / "project"
        made = render.copier(out, str(tiny_history), vcs_ref=tag, **answers)
        project = copy_project(made, tmp_path / "project")
        commit_all(project, "generated")
        return project

    return make


@pytest.fixture(scope="session")
def run_in() -> processes.RunIn:
    """Return `run_in(project, *argv, **env)`; see `processes.run_in`."""
    return processes.run_in


@pytest.fixture(scope="session")
def uv() -> str:
    """Return the path of uv."""
    return processes.find_uv()


@pytest.fixture(scope="session")
def node(tmp_path_factory: pytest.TempPathFactory) -> NodePrograms:
    """Return Node.js with the programs of `relying_parties/`."""
    return NodePrograms(tmp_path_factory.mktemp("node"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """Return a PostgreSQL server, on which tests make databases of their own."""
    server = PostgreSQL()
    yield server
    server.close()


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """Return a Valkey server with nothing in it."""
    server = Valkey(tmp_path)
    yield server
    server.stop()


@pytest.fixture(scope="session")
def manifest() -> dict[str, Any]:
    """Return cookiecutter.json as a mapping."""
    return load_manifest()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail a CI run that skipped something: what CI does not run, nobody runs."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    skipped = reporter.stats.get("skipped", []) if reporter else []
    if reporter and skipped and os.environ.get("CI") and session.exitstatus == pytest.ExitCode.OK:
        names = "\n  ".join(sorted(report.nodeid for report in skipped))
        reporter.write_line(f"\nskipped, which fails a run with CI set:\n  {names}", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say which interpreters executed nothing; test_interpreters.py records what it did."""
    said: dict[str, list[Any]] = {"versions": [], "executed": []}
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                said.setdefault(name, []).append(value)
    executed = {f"{sys.version_info.major}.{sys.version_info.minor}", *said["executed"]}
    missed = sorted({v for versions in said["versions"] for v in versions} - executed)
    if said["versions"] or said["executed"]:
        terminalreporter.write_line(
            f"Python {', '.join(sorted(executed))} executed rendered code in this run; "
            + (f"NOT executed: {', '.join(missed)}" if missed else "none was left out")
        )
