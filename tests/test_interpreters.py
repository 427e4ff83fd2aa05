"""Every Python version a project may choose: resolved and checked for, and run where it is installed."""

import json
import os
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from combinations import load_manifest
from processes import RunIn, find_uv, rendered_python, run_in
from rendering import Renderer, copy_project

VERSIONS: list[str] = load_manifest()["python_version"]


def installed() -> dict[str, str]:
    """Return the path of each version that this machine has; nothing is downloaded."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    places = [*map(str, sorted(pyenv.glob("*/bin"))), os.environ["PATH"]]
    options = ("--only-installed", "--no-python-downloads", "--output-format", "json")
    listed = run_in(
        Path(__file__).parent,
        find_uv(),
        "python",
        "list",
        *options,
        online=True,
        PATH=os.pathsep.join(places),
    )
    found: dict[str, str] = {}
    for entry in json.loads(listed.stdout):
        parts = entry["version_parts"]
        version = f"{parts['major']}.{parts['minor']}"
        if entry["implementation"] == "cpython" and version in VERSIONS and entry["path"]:
            found.setdefault(version, entry["path"])
    return found


INSTALLED = installed()
OTHERS = [v for v in INSTALLED if v != f"{sys.version_info.major}.{sys.version_info.minor}"]


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
def test_dependencies_resolve(
    render: Renderer, run_in: RunIn, uv: str, tmp_path: Path, version: str
) -> None:
    project = render("cookiecutter", python_version=version)
    config = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    options = ["--python-version", version, "--universal", "--no-header", "--quiet"]
    options += [option for group in config["dependency-groups"] for option in ("--group", group)]
    output = tmp_path / "requirements.txt"
    run_in(
        project,
        uv,
        "pip",
        "compile",
        *options,
        "pyproject.toml",
        "-o",
        output,
        online=True,
        timeout=300,
    )
    assert "fastapi==" in output.read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_types_are_clean_for_the_version(render: Renderer, run_in: RunIn, version: str) -> None:
    project = render("cookiecutter", python_version=version)
    options = ["--python", rendered_python(), "--python-version", version]
    run_in(project, "ty", "check", *options, "--output-format", "concise")


@pytest.mark.slow
@pytest.mark.turns(2)
@pytest.mark.parametrize("version", OTHERS)
def test_rendered_suite_passes_on_another_interpreter(
    default_project: Path,
    run_in: RunIn,
    uv: str,
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    version: str,
) -> None:
    project = copy_project(default_project, tmp_path / "project")
    sync = ["sync", "--quiet", "--python", INSTALLED[version], "--no-python-downloads"]
    run_in(project, uv, *sync, online=True, timeout=600)
    python = project / ".venv/bin/python"
    shown = run_in(project, python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])")
    assert shown.stdout.strip() == version
    done = run_in(project, python, "-m", "pytest", "-q", timeout=300, PYTHONPATH="")
    assert " passed" in done.stdout, done.stdout
    record_property("executed", version)


def test_at_least_the_running_interpreter_is_known(
    record_property: Callable[[str, object], None],
) -> None:
    record_property("versions", VERSIONS)
    assert INSTALLED
    assert set(INSTALLED) <= set(VERSIONS)
