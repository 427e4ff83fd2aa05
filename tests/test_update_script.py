"""`scripts/update` of a rendered project: what it brings back, refuses, keeps, names and asks for."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_template
from in_process import scripts_update
from processes import RunIn, show
from rendering import commit_all, git, snapshot
from tiny_projects import APP, PACKAGE, Make, append, refusal

pytestmark = pytest.mark.slow


def script(
    run_in: RunIn, project: Path, *arguments: str, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Run the script as a person does, with the interpreter of the tests."""
    copier = f"{sys.executable} -m copier"
    command = (sys.executable, "scripts/update", *arguments)
    return run_in(project, *command, check=check, COPIER=copier)


# --- the command ---------------------------------------------------------------------------------


def test_update_reports_by_class_runs_the_checks_and_needs_no_trust(
    make_tiny: Make, run_in: RunIn
) -> None:
    project = make_tiny()
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
    tiny_history: Path, make_tiny: Make, run_in: RunIn, tmp_path: Path
) -> None:
    failing = tmp_path / "failing"
    shutil.copytree(tiny_history, failing)
    (failing / "{{cookiecutter.project_slug}}/scripts/check").write_text("#!/bin/sh\nexit 3\n")
    commit_all(failing, "a check that fails", "v9.0.0")
    project = make_tiny()
    answers = project / ".copier-answers.yml"
    answers.write_text(answers.read_text().replace(str(tiny_history), str(failing)))
    commit_all(project, "another origin")
    done = script(run_in, project, check=False)
    assert done.returncode == 1, show(done)
    assert "the checks fail" in done.stderr
    assert '_commit: "v9.0.0"' in answers.read_text()
    commit_all(project, "updated")
    script(run_in, project, "--no-checks")


def test_trial_says_what_would_happen_and_changes_nothing(make_tiny: Make, run_in: RunIn) -> None:
    project = make_tiny()
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


def test_check_passes_on_a_project_that_is_current(make_tiny: Make, run_in: RunIn) -> None:
    project = make_tiny(tiny_template.RELEASES[-1])
    assert script(run_in, project, "--check").returncode == 0


def test_conflicts_are_named_and_fail(make_tiny: Make, run_in: RunIn) -> None:
    project = make_tiny()
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
    make_tiny: Make, run_in: RunIn, arguments: list[str], sentence: str
) -> None:
    project = make_tiny()
    done = script(run_in, project, *arguments, check=False)
    assert done.returncode == 1, show(done)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert git(project, "status", "--porcelain") == ""


def test_help_explains_every_option(make_tiny: Make, run_in: RunIn) -> None:
    text = script(run_in, make_tiny(), "--help").stdout
    for option in ("--on", "--off", "--set", "--to", "--dry-run", "--check", "--keep", "--renew"):
        assert re.search(rf"^  {option}\b", text, re.MULTILINE), option
    assert "Exit codes" in text


def test_without_copier_and_uv_it_says_what_to_install(make_tiny: Make, tmp_path: Path) -> None:
    project, tools = make_tiny(), tmp_path / "tools"
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


def test_work_that_is_not_committed_is_named(make_tiny: Make) -> None:
    project = make_tiny()
    append(project / "README.md")
    (project / "new.py").write_text("X = 1\n")
    assert "README.md, new.py would be mixed" in refusal(project)


def test_folder_without_a_repository_is_told_how_to_make_one(make_tiny: Make) -> None:
    project = make_tiny()
    shutil.rmtree(project / ".git")
    assert "git init && git add -A" in refusal(project)


@pytest.mark.parametrize("key", ["_commit", "_src_path"])
def test_project_without_an_origin_is_told_the_line_to_add(make_tiny: Make, key: str) -> None:
    project = make_tiny()
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


def test_project_without_answers_is_told_where_to_get_them(make_tiny: Make) -> None:
    project = make_tiny()
    (project / ".copier-answers.yml").unlink()
    commit_all(project, "adopted")
    assert "render a project with the same answers" in refusal(project)


# --- managed files -------------------------------------------------------------------------------


def test_bent_and_deleted_managed_files_come_back_at_the_same_release(make_tiny: Make) -> None:
    project = make_tiny()
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


def test_without_copiers_own_renders_the_outcome_is_the_same(
    make_tiny: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a hook may not be executed, or with a copier that names its folders otherwise."""
    monkeypatch.setattr("updating.engine.CAPTURE", "#!/bin/sh\n")
    project = make_tiny()
    append(project / APP)
    (project / "tests/test_core.py").unlink()
    (project / f"{PACKAGE}/orders/service.py").unlink()
    commit_all(project, "bent")
    outcome = scripts_update(project, to="v1.1.0")
    assert (list(outcome.bent), outcome.deleted) == ([APP], ["tests/test_core.py"])
    assert not (project / f"{PACKAGE}/orders/service.py").exists()
    assert "APP_3 = 33" in (project / APP).read_text()


def test_merged_and_owned_files_that_were_deleted_stay_deleted(make_tiny: Make) -> None:
    project = make_tiny()
    gone = ["site.yml", "CHANGELOG.md", f"{PACKAGE}/orders/service.py", f"{PACKAGE}/commands.py"]
    for name in gone:
        (project / name).unlink()
    commit_all(project, "deleted")
    scripts_update(project, to=tiny_template.RELEASES[-1])
    names = snapshot(project).keys()
    assert not {*gone, f"{PACKAGE}/cli/commands.py"} & names


def test_project_in_a_folder_of_a_larger_repository_is_updated(
    make_tiny: Make, tmp_path: Path
) -> None:
    project = make_tiny()
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


def test_uv_fetches_copier_where_none_is_installed(
    make_tiny: Make, run_in: RunIn, uv: str, tmp_path: Path
) -> None:
    project, tools = make_tiny(), tmp_path / "tools"
    tools.mkdir()
    for name, place in {"uv": uv, "python3": sys.executable}.items():
        (tools / name).symlink_to(place)
    path = f"{tools}:/usr/bin:/bin"
    assert shutil.which("copier", path=path) is None
    command = ("scripts/update", "--to", "v1.1.0", "--no-checks")
    done = run_in(project, *command, online=True, timeout=300, PATH=path)
    assert "release v1.0.0 -> v1.1.0" in done.stdout
