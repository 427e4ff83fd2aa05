"""`central-services/` is a project of this template, equal to it in the same commit."""

import importlib.util
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from combinations import ROOT
from ownership import says
from processes import RunIn, rendered_python
from rendering import git, tracked_files

PROJECT = ROOT / "central-services"


@pytest.fixture(scope="module")
def central() -> ModuleType:
    """Return scripts/central_project.py as a module."""
    spec = importlib.util.spec_from_file_location(
        "central_script", ROOT / "scripts/central_project.py"
    )
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def fresh(
    central: ModuleType, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[bool, bytes]]:
    """Return what the template renders for its answers."""
    made: dict[str, tuple[bool, bytes]] = central.render(
        ROOT, PROJECT, tmp_path_factory.mktemp("fresh")
    )
    return made


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """Return a copy of the project where a test may write."""
    for name in tracked_files(PROJECT):
        target = tmp_path / "project" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target)
    git(tmp_path / "project", "init", "-q")
    return tmp_path / "project"


def test_managed_files_are_those_of_the_template_in_this_commit(
    central: ModuleType, fresh: dict[str, tuple[bool, bytes]]
) -> None:
    assert central.problems(fresh, PROJECT) == {}


def test_only_a_release_is_recorded_and_the_public_repository(central: ModuleType) -> None:
    answers = central.recorded(PROJECT)
    assert re.fullmatch(r"v\d+\.\d+\.\d+", answers.get("_commit", "v0.0.0"))
    assert answers["_src_path"].startswith("https://")


def edit(project: Path) -> None:
    (project / "AGENTS.md").write_text("mine")


def delete(project: Path) -> None:
    (project / "SECURITY.md").unlink()


def make_executable(project: Path) -> None:
    (project / "LICENSE").chmod(0o755)


def keep_what_is_gone(project: Path) -> None:
    shutil.copy(project / "SECURITY.md", project / "OLD.md")


def drop_a_line(project: Path) -> None:
    path = project / ".gitignore"
    path.write_text(path.read_text().replace(".coverage\n", "", 1))


def drop_a_dependency(project: Path) -> None:
    path = project / "pyproject.toml"
    path.write_text(re.sub(r'  "fastapi>=.*\n', "", path.read_text()))


def drop_a_page(project: Path) -> None:
    path = project / "mkdocs.yml"
    path.write_text(path.read_text().replace("  - Home: index.md\n", ""))


@pytest.mark.parametrize(
    ("change", "path", "kind"),
    [
        (edit, "AGENTS.md", "managed: it differs"),
        (delete, "SECURITY.md", "managed: it is missing"),
        (make_executable, "LICENSE", "managed: its mode"),
        (keep_what_is_gone, "OLD.md", "extra:"),
        (drop_a_line, ".gitignore", "merged: it lacks .coverage"),
        (drop_a_dependency, "pyproject.toml", "merged: it lacks project.dependencies.'fastapi"),
        (drop_a_page, "mkdocs.yml", "merged: it lacks nav."),
    ],
)
def test_what_the_platform_owns_is_noticed_when_it_changes(
    central: ModuleType,
    fresh: dict[str, tuple[bool, bytes]],
    copy: Path,
    change: Callable[[Path], None],
    path: str,
    kind: str,
) -> None:
    change(copy)
    found = central.problems(fresh, copy)
    assert list(found) == [path]
    assert found[path].startswith(kind)


def test_owned_files_are_the_projects(
    central: ModuleType, fresh: dict[str, tuple[bool, bytes]], copy: Path
) -> None:
    (copy / "README.md").write_text("mine")
    (copy / "src/central_services/main.py").unlink()
    assert central.problems(fresh, copy) == {}


def test_it_carries_no_sample_domain() -> None:
    names = tracked_files(PROJECT)
    assert not [name for name in names if "/orders/" in name or name.endswith("0001_orders.py")]


def own_files() -> list[str]:
    """Return the Python files that are the project's, not the template's."""
    python = [name for name in tracked_files(PROJECT) if name.endswith(".py")]
    return [name for name in python if says((PROJECT / name).read_text("utf-8")) != "managed"]


def test_services_do_not_import_each_other() -> None:
    packages = sorted((PROJECT / "src/central_services").glob("*_service"))
    assert len(packages) > 2
    for package in packages:
        others = "|".join(other.name for other in packages if other != package)
        crossing = re.compile(rf"^\s*(from|import) .*\b({others})\b", re.MULTILINE)
        for path in package.rglob("*.py"):
            assert not crossing.search(path.read_text("utf-8")), path


@pytest.mark.slow
def test_its_own_tests_pass_and_cover_its_own_code(run_in: RunIn) -> None:
    """Run the tests of what it adds, and those of the template's that look at what it adds.

    The others are run where the rendered suites are.
    """
    own = [name for name in own_files() if name.startswith("tests/") and "/test_" in name]
    shared = ["tests/test_cli.py", "tests/core/test_migrations.py", "tests/core/test_config.py"]
    assert len(own) > 5
    packages = {name.split("/")[2] for name in own_files() if name.count("/") > 2}
    packages = {name for name in packages if (PROJECT / "src/central_services" / name).is_dir()}
    include = ",".join(f"*/central_services/{name}/*" for name in sorted(packages - {"jobs"}))
    cover = ["--cov", "--cov-report=", "--cov-fail-under=0", "-p", "no:cacheprovider"]
    done = run_in(PROJECT, "python", "-m", "pytest", "-q", *cover, *own, *shared, timeout=900)
    assert not re.search(r"\d+ (skipped|xfailed|deselected)", done.stdout), done.stdout
    report = ["coverage", "report", "--include", include, "--fail-under=85"]
    run_in(PROJECT, "python", "-m", *report)


@pytest.mark.slow
def test_its_code_is_clean_and_typed(run_in: RunIn) -> None:
    run_in(PROJECT, "ruff", "check")
    run_in(PROJECT, "ruff", "format", "--check")
    run_in(PROJECT, "ty", "check", "--python", rendered_python())
    # What the template brings is checked on renders, in test_renders.py.
    options = ["--strict", "--follow-imports=silent", "--python-executable", rendered_python()]
    own = [name for name in own_files() if name.startswith("src/")]
    run_in(PROJECT, sys.executable, "-m", "mypy", *options, *own)


@pytest.mark.slow
def test_its_settings_are_documented(run_in: RunIn) -> None:
    run_in(PROJECT, "python", "-m", "central_services", "config", "env-example", "--check")
