"""`scripts/update` of a rendered project: what it brings back, refuses, keeps, names and asks for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import tiny_template
from in_process import UpdateError, scripts_update
from processes import RunIn, show
from rendering import Renderer, commit_all, copy_project, git, snapshot

pytestmark = pytest.mark.slow
PACKAGE = "src/acme_orders"
APP = f"{PACKAGE}/core/app.py"
Make = Callable[..., Path]


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny template with its history and its scripts."""
    return tiny_template.build(tmp_path_factory.mktemp("history") / "template")


@pytest.fixture
def make(
    history: Path, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., Path]:
    """Return a function that makes a committed project of the tiny template."""
    render = Renderer(history, tmp_path_factory.mktemp("made"))

    def go(tag: str = "v1.0.0", **answers: object) -> Path:
        made = render.copier(render.new_folder() / "p", str(history), vcs_ref=tag, **answers)
        project = copy_project(made, tmp_path / "project")
        commit_all(project, "generated")
        return project

    return go


def append(path: Path, text: str = "# mine\n") -> None:
    with path.open("a") as file:
        file.write(text)


def script(
    run_in: RunIn, project: Path, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the script as a person does, with the interpreter of the tests."""
    copier = f"{sys.executable} -m copier"
    command = (sys.executable, "scripts/update", *arguments)
    return run_in(project, *command, check=check, COPIER=copier)


# --- the command ---------------------------------------------------------------------------------


def test_update_reports_by_class_runs_the_checks_and_needs_no_trust(
    make: Make, run_in: RunIn
) -> None:
    project = make()
    append(project / "README.md")
    commit_all(project, "mine")
    (project / "scripts/check").write_text("#!/bin/sh\necho CHECKED\n")
    commit_all(project, "a check that shows that it ran")
    done = script(run_in, project, "--to", "v1.1.0")
    assert "release v1.0.0 -> v1.1.0" in done.stdout
    assert re.search(
        r"managed .*: \d+ changed\n(  .*\n)*  changed src/acme_orders/core/app.py", done.stdout
    )
    assert re.search(r"merged .*: \d+ changed\n(  .*\n)*  changed pyproject.toml", done.stdout)
    assert "new     tests/own/test_new.py" in done.stdout
    assert "scripts/check is managed and had edits" in done.stdout
    assert "# mine" in (project / "README.md").read_text()
    assert (project / "scripts/check").read_text().startswith("#!/bin/sh\n# Managed")


def test_checks_that_fail_are_the_exit_code_and_the_update_stays(
    history: Path, make: Make, run_in: RunIn, tmp_path: Path
) -> None:
    failing = tmp_path / "failing"
    shutil.copytree(history, failing)
    (failing / "{{cookiecutter.project_slug}}/scripts/check").write_text("#!/bin/sh\nexit 3\n")
    commit_all(failing, "a check that fails", "v9.0.0")
    project = make()
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(history), str(failing)))
    commit_all(project, "another origin")
    done = script(run_in, project, check=False)
    assert done.returncode == 1, show(done)
    assert "the checks fail" in done.stderr
    assert '_commit: "v9.0.0"' in answers.read_text()
    commit_all(project, "updated")
    script(run_in, project, "--no-checks")


def test_trial_says_what_would_happen_and_changes_nothing(make: Make, run_in: RunIn) -> None:
    project = make()
    append(project / APP)
    commit_all(project, "bent")
    before = snapshot(project)
    trial = script(run_in, project, "--dry-run")
    assert f"{APP} is managed and had edits" in trial.stdout
    assert "+# mine" in trial.stdout
    assert "nothing was changed" in trial.stdout
    assert snapshot(project) == before
    assert git(project, "status", "--porcelain") == ""
    assert script(run_in, project, "--check", check=False).returncode == 1


def test_check_passes_on_a_project_that_is_current(make: Make, run_in: RunIn) -> None:
    project = make(tiny_template.RELEASES[-1])
    assert script(run_in, project, "--check").returncode == 0


def test_conflicts_are_named_and_fail(make: Make, run_in: RunIn) -> None:
    project = make()
    for name in ("pyproject.toml", APP):
        path = project / name
        path.write_text(
            path.read_text().replace("beta>=1", "beta>=1.5").replace("APP_3 = 3", "APP_3 = 5")
        )
    commit_all(project, "the same lines as the next release")
    done = script(run_in, project, "--to", "v1.1.0", check=False)
    assert done.returncode == 1, show(done)
    assert "CONFLICT in pyproject.toml" in done.stdout
    assert "<<<<<<<" not in (project / APP).read_text()
    assert git(project, "diff", "--name-only", "--diff-filter=U") == "pyproject.toml"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--on", "submarine"],
            "there is no feature 'submarine' in this release; there are docs, jobs",
        ),
        (["--on", "docs", "--off", "docs"], "on and off at once"),
        (["--set", "flavour=bitter"], "flavour is one of plain, salted, none"),
        (["--set", "include_docs=maybe"], "QUESTION=ANSWER"),
        (["--renew", APP], "--renew takes what AGENTS.md lists as owned"),
        (["--to", "v0.0.9"], "the template has no such release"),
    ],
)
def test_mistake_on_the_command_line_is_one_sentence(
    make: Make, run_in: RunIn, arguments: list[str], sentence: str
) -> None:
    project = make()
    done = script(run_in, project, *arguments, check=False)
    assert done.returncode == 1, show(done)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert git(project, "status", "--porcelain") == ""


def test_help_explains_every_option(make: Make, run_in: RunIn) -> None:
    text = script(run_in, make(), "--help").stdout
    for option in ("--on", "--off", "--set", "--to", "--dry-run", "--check", "--keep", "--renew"):
        assert re.search(rf"^  {option}\b", text, re.MULTILINE), option
    assert "Exit codes" in text


def test_without_copier_and_uv_it_says_what_to_install(make: Make, tmp_path: Path) -> None:
    project, tools = make(), tmp_path / "tools"
    tools.mkdir()
    (tools / "git").symlink_to(shutil.which("git") or "")
    done = subprocess.run(
        [sys.executable, "scripts/update"],
        cwd=project,
        env={"PATH": str(tools), "HOME": os.environ["HOME"]},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert "neither copier nor uv is installed" in done.stderr


# --- what it says of projects it can't update ----------------------------------------------------


def refusal(project: Path, **wishes: object) -> str:
    before = snapshot(project)
    with pytest.raises(UpdateError) as refused:
        scripts_update(project, **wishes)  # type: ignore[arg-type]  # keywords of several types
    assert snapshot(project) == before
    return str(refused.value)


def test_work_that_is_not_committed_is_named(make: Make) -> None:
    project = make()
    append(project / "README.md")
    (project / "new.py").write_text("X = 1\n")
    assert "README.md, new.py would be mixed" in refusal(project)


def test_folder_without_a_repository_is_told_how_to_make_one(make: Make) -> None:
    project = make()
    shutil.rmtree(project / ".git")
    assert "git init && git add -A" in refusal(project)


@pytest.mark.parametrize("key", ["_commit", "_src_path"])
def test_project_without_an_origin_is_told_the_line_to_add(make: Make, key: str) -> None:
    project = make()
    answers = project / ".copier-answers.yml"
    lines = answers.read_text().splitlines(keepends=True)
    lost = next(line for line in lines if line.startswith(key))
    answers.write_text("".join(line for line in lines if line != lost))
    commit_all(project, "adopted")
    said = refusal(project)
    assert re.search(rf'add it, as in `{key}: "[^"]+"`', said), said
    append(answers, lost)
    commit_all(project, "as it said")
    scripts_update(project)


def test_project_without_answers_is_told_where_to_get_them(make: Make) -> None:
    project = make()
    (project / ".copier-answers.yml").unlink()
    commit_all(project, "adopted")
    assert "render a project with the same answers" in refusal(project)


# --- managed files -------------------------------------------------------------------------------


def test_bent_and_deleted_managed_files_come_back_at_the_same_release(make: Make) -> None:
    project = make()
    before = snapshot(project)
    append(project / APP)
    (project / "tests/test_core.py").unlink()
    (project / f"{PACKAGE}/core/errors.py").chmod(0o755)
    commit_all(project, "bent")
    outcome = scripts_update(project, to="v1.0.0")
    assert set(outcome.bent) == {APP, f"{PACKAGE}/core/errors.py"}
    assert outcome.deleted == ["tests/test_core.py"]
    assert "+# mine" in outcome.bent[APP]
    assert {n: f for n, f in snapshot(project).items() if not n.startswith(".kept/")} == before
    assert (project / ".kept" / APP).read_text().endswith("# mine\n")
    seen = (project / ".git/slipway-update").read_text()
    assert f"{git(project, 'hash-object', APP)} {APP}" in seen.split("\0")


def test_merged_and_owned_files_that_were_deleted_stay_deleted(make: Make) -> None:
    project = make()
    gone = ["site.yml", "CHANGELOG.md", f"{PACKAGE}/orders/service.py", f"{PACKAGE}/commands.py"]
    for name in gone:
        (project / name).unlink()
    commit_all(project, "deleted")
    scripts_update(project, to=tiny_template.RELEASES[-1])
    names = snapshot(project).keys()
    assert not {*gone, f"{PACKAGE}/cli/commands.py"} & names


def test_project_in_a_folder_of_a_larger_repository_is_updated(make: Make, tmp_path: Path) -> None:
    project = make()
    shutil.rmtree(project / ".git")
    service = Path(shutil.move(project, tmp_path / "monorepo/services/orders"))
    (tmp_path / "monorepo/other.txt").write_text("other\n")
    append(service / APP)
    (service / "tests/test_core.py").unlink()
    commit_all(tmp_path / "monorepo", "all")
    outcome = scripts_update(service, to="v1.1.0")
    assert list(outcome.bent) == [APP]
    assert outcome.deleted == ["tests/test_core.py"]
    assert outcome.conflicts == []
    assert (tmp_path / "monorepo/other.txt").read_text() == "other\n"


# --- what a switch or a release takes away -------------------------------------------------------


def test_edited_file_of_a_feature_that_goes_is_refused_then_kept(make: Make) -> None:
    project = make(include_jobs=True)
    worker = project / f"{PACKAGE}/jobs/worker.py"
    append(worker)
    commit_all(project, "bent")
    assert f"{PACKAGE}/jobs/worker.py" in refusal(project, off=("jobs",))
    outcome = scripts_update(project, off=("jobs",), keep=True)
    assert outcome.kept == [f".kept/{PACKAGE}/jobs/worker.py"]
    assert "# mine" in (project / outcome.kept[0]).read_text()
    assert not worker.exists()


def test_code_that_imports_what_would_go_is_refused_with_the_line(make: Make) -> None:
    project = make(include_jobs=True)
    main = project / f"{PACKAGE}/main.py"
    append(main, "from .jobs import worker\n")
    test = project / "tests/test_jobs.py"
    test.write_text("import acme_orders.jobs.worker\n")
    commit_all(project, "uses jobs")
    said = refusal(project, off=("jobs",))
    assert f"{PACKAGE}/main.py:4 imports acme_orders.jobs.worker" in said
    assert "tests/test_jobs.py:1 imports acme_orders.jobs.worker" in said
    assert "--accept-broken" in said
    outcome = scripts_update(project, off=("jobs",), accept_broken=True)
    assert len(outcome.broken) >= 2


def test_renewed_path_is_as_in_a_new_project_and_edits_are_kept(make: Make) -> None:
    project = make()
    service = project / f"{PACKAGE}/orders/service.py"
    pristine = service.read_bytes()
    append(service)
    (project / f"{PACKAGE}/orders/__init__.py").unlink()
    commit_all(project, "mine")
    outcome = scripts_update(project, to="v1.0.0", renew=[f"{PACKAGE}/orders"])
    assert service.read_bytes() == pristine
    assert (service.parent / "__init__.py").is_file()
    assert outcome.kept == [f".kept/{PACKAGE}/orders/service.py"]


@pytest.mark.parametrize(
    ("on", "off"),
    [
        ({"on": ("audit", "background")}, {"off": ("audit", "background")}),
        ({"given": ("flavour=salted",)}, {"given": ("flavour=plain",)}),
        ({"off": ("docs", "guide")}, {"on": ("docs", "guide")}),
    ],
)
def test_switching_there_back_and_there_again_gives_the_same_tree(
    make: Make, on: dict[str, tuple[str, ...]], off: dict[str, tuple[str, ...]]
) -> None:
    project = make(tiny_template.RELEASES[-1])
    trees = []
    for wish in (on, off, on):
        scripts_update(project, **wish)
        commit_all(project, "switched")
        trees.append(snapshot(project))
    assert trees[0] == trees[2] != trees[1]


# --- what a release moves and renames ------------------------------------------------------------


def test_renamed_question_keeps_its_answer_by_either_command(make: Make, run_in: RunIn) -> None:
    project = make(include_jobs=True)
    run_in(project, "copier", "update", "--defaults", "--quiet", "--vcs-ref", "v2.0.0")
    answers = (project / ".copier-answers.yml").read_text()
    assert "include_background: true" in answers
    assert "include_jobs" not in answers
    assert (project / f"{PACKAGE}/jobs/worker.py").is_file()


def test_deleted_owned_file_of_a_renamed_feature_stays_deleted(make: Make) -> None:
    project = make(include_jobs=True)
    (project / f"{PACKAGE}/jobs/tasks.py").unlink()
    commit_all(project, "no tasks")
    scripts_update(project, to="v2.0.0")
    assert not (project / f"{PACKAGE}/jobs/tasks.py").exists()


def test_moved_files_keep_the_edits(make: Make) -> None:
    project = make()
    append(project / f"{PACKAGE}/commands.py")
    append(project / "settings.toml")
    append(project / f"{PACKAGE}/core/errors.py")
    commit_all(project, "mine")
    outcome = scripts_update(project, to="v2.0.0")
    assert (project / f"{PACKAGE}/cli/commands.py").read_text().endswith("# mine\n")
    merged = (project / "config/settings.toml").read_text()
    assert merged.endswith("# mine\n")
    assert "SETTING_9 = 99" in merged
    assert not (project / "settings.toml").exists()
    assert ("settings.toml", "config/settings.toml") in outcome.moved
    assert outcome.kept == [f".kept/{PACKAGE}/core/errors.py"]
    assert "# mine" not in (project / f"{PACKAGE}/core/problems.py").read_text()


def test_replaced_image_stays_and_an_untouched_one_follows_the_template(make: Make) -> None:
    project = make()
    logo = project / "docs/logo.png"
    scripts_update(project, to="v1.1.0")
    assert logo.read_bytes().endswith(b"second")
    logo.write_bytes(tiny_template.PNG + b"mine")
    commit_all(project, "our own logo")
    scripts_update(project, to=tiny_template.RELEASES[-1])
    assert logo.read_bytes().endswith(b"mine")


def test_path_that_becomes_optional_is_kept(make: Make) -> None:
    project = make()
    scripts_update(project, to=tiny_template.RELEASES[-1])
    assert (project / "docs/guide.md").is_file()
    assert "include_guide: true" in (project / ".copier-answers.yml").read_text()


def test_answers_added_later_default_and_new_owned_files_come_once(make: Make) -> None:
    project = make()
    scripts_update(project, to="v1.1.0")
    assert "include_audit: false" in (project / ".copier-answers.yml").read_text()
    new = project / "tests/own/test_new.py"
    assert new.is_file()
    new.unlink()
    commit_all(project, "not wanted")
    scripts_update(project, to="v2.0.0")
    assert not new.exists()
