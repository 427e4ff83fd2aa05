"""What `scripts/update` does when a switch or a release takes files away, moves or renames them."""

from __future__ import annotations

import pytest
import tiny_template
from in_process import scripts_update
from processes import RunIn
from rendering import commit_all, snapshot
from tiny_projects import PACKAGE, Make, append, refusal

pytestmark = pytest.mark.slow


# --- what a switch or a release takes away -------------------------------------------------------


def test_edited_file_of_a_feature_that_goes_is_refused_then_kept(make_tiny: Make) -> None:
    project = make_tiny(include_jobs=True)
    worker = project / f"{PACKAGE}/jobs/worker.py"
    append(worker)
    commit_all(project, "bent")
    assert f"{PACKAGE}/jobs/worker.py" in refusal(project, off=("jobs",))
    outcome = scripts_update(project, off=("jobs",), keep=True)
    assert outcome.kept == [f".kept/{PACKAGE}/jobs/worker.py"]
    assert "# mine" in (project / outcome.kept[0]).read_text()
    assert not worker.exists()


def test_code_that_imports_what_would_go_is_refused_with_the_line(make_tiny: Make) -> None:
    project = make_tiny(include_jobs=True)
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


def test_renewed_path_is_as_in_a_new_project_and_edits_are_kept(make_tiny: Make) -> None:
    project = make_tiny()
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
    make_tiny: Make, on: dict[str, tuple[str, ...]], off: dict[str, tuple[str, ...]]
) -> None:
    project = make_tiny(tiny_template.RELEASES[-1])
    trees = []
    for wish in (on, off, on):
        scripts_update(project, **wish)
        commit_all(project, "switched")
        trees.append(snapshot(project))
    assert trees[0] == trees[2] != trees[1]


# --- what a release moves and renames ------------------------------------------------------------


def test_renamed_question_keeps_its_answer_by_either_command(
    make_tiny: Make, run_in: RunIn
) -> None:
    project = make_tiny(include_jobs=True)
    run_in(project, "copier", "update", "--defaults", "--quiet", "--vcs-ref", "v2.0.0")
    answers = (project / ".copier-answers.yml").read_text()
    assert "include_background: true" in answers
    assert "include_jobs" not in answers
    assert (project / f"{PACKAGE}/jobs/worker.py").is_file()


def test_deleted_owned_file_of_a_renamed_feature_stays_deleted(make_tiny: Make) -> None:
    project = make_tiny(include_jobs=True)
    (project / f"{PACKAGE}/jobs/tasks.py").unlink()
    commit_all(project, "no tasks")
    scripts_update(project, to="v2.0.0")
    assert not (project / f"{PACKAGE}/jobs/tasks.py").exists()


def test_moved_files_keep_the_edits(make_tiny: Make) -> None:
    project = make_tiny()
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


def test_replaced_image_stays_and_an_untouched_one_follows_the_template(make_tiny: Make) -> None:
    project = make_tiny()
    logo = project / "docs/logo.png"
    scripts_update(project, to="v1.1.0")
    assert logo.read_bytes().endswith(b"second")
    logo.write_bytes(tiny_template.PNG + b"mine")
    commit_all(project, "our own logo")
    scripts_update(project, to=tiny_template.RELEASES[-1])
    assert logo.read_bytes().endswith(b"mine")


def test_path_that_becomes_optional_is_kept(make_tiny: Make) -> None:
    project = make_tiny()
    scripts_update(project, to=tiny_template.RELEASES[-1])
    assert (project / "docs/guide.md").is_file()
    assert "include_guide: true" in (project / ".copier-answers.yml").read_text()


def test_answers_added_later_default_and_new_owned_files_come_once(make_tiny: Make) -> None:
    project = make_tiny()
    scripts_update(project, to="v1.1.0")
    assert "include_audit: false" in (project / ".copier-answers.yml").read_text()
    new = project / "tests/own/test_new.py"
    assert new.is_file()
    new.unlink()
    commit_all(project, "not wanted")
    scripts_update(project, to="v2.0.0")
    assert not new.exists()
