"""A release that would take something from projects is refused until it says so."""

from __future__ import annotations

import copy
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import release as releases
import tiny_template
from combinations import ROOT
from processes import RunIn
from rendering import commit_all, git
from tiny_template import MANAGED, PACKAGE, Release

Change = Callable[[Release], None]


def template(release: Release) -> releases.Template:
    return releases.Template(
        release.manifest, frozenset(releases.pattern_of(path) for path in release.files)
    )


def said(change: Change, tag: str = "v3.0.0") -> list[str]:
    """Return what is undeclared after a change to the tiny template."""
    before = tiny_template.first(with_scripts=False)
    after = copy.deepcopy(before)
    change(after)
    return list(releases.undeclared(template(before), template(after), tag))


# --- changes that projects could miss, each with the word that names it --------------------------


def drop_a_file(r: Release) -> None:
    del r.files[f"{PACKAGE}/core/errors.py"]


def rename_a_file(r: Release) -> None:
    r.files[f"{PACKAGE}/core/faults.py"] = r.files.pop(f"{PACKAGE}/core/errors.py")


def declare_a_place_that_is_none(r: Release) -> None:
    drop_a_file(r)
    r.manifest["_migrations"]["v3.0.0"] = {"paths": {"src/*/core/errors.py": "nowhere.py"}}


def drop_a_question(r: Release) -> None:
    del r.manifest["include_jobs"]
    del r.manifest["_features"]["include_jobs"]


def rename_a_question(r: Release) -> None:
    r.manifest["__prompts__"]["include_work"] = r.manifest["__prompts__"].pop("include_jobs")
    r.manifest["include_work"] = r.manifest.pop("include_jobs")
    r.manifest["_features"]["include_work"] = r.manifest["_features"].pop("include_jobs")


def drop_an_answer(r: Release) -> None:
    r.manifest["flavour"] = ["plain", "none"]
    del r.manifest["_features"]["flavour=salted"]


def change_a_default(r: Release) -> None:
    r.manifest["include_docs"] = False


def change_the_first_answer(r: Release) -> None:
    r.manifest["flavour"] = ["salted", "plain", "none"]


def change_a_type(r: Release) -> None:
    r.manifest["include_docs"] = ["some", "all"]


def hand_a_managed_file_over(r: Release) -> None:
    r.manifest["_ownership"]["owned"].append("src/*/core/app.py")


def hide_a_file_by_default(r: Release) -> None:
    r.manifest["include_core_tests"] = False
    r.manifest["_features"]["include_core_tests"] = ["tests/test_core.py"]


def add_an_owned_file_without_a_layout(r: Release) -> None:
    r.manifest["_ownership"]["owned"].append("deploy/own.py")
    r.files["deploy/own.py"] = "X = 1\n"


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (drop_a_file, "src/*/core/errors.py is gone"),
        (rename_a_file, "src/*/core/errors.py is gone"),
        (declare_a_place_that_is_none, "nowhere.py now, which does not exist"),
        (drop_a_question, "include_jobs is gone"),
        (rename_a_question, "include_jobs is gone"),
        (drop_an_answer, "'salted' is no answer"),
        (change_a_default, "default of include_docs"),
        (change_the_first_answer, "default of flavour"),
        (change_a_type, "include_docs has another type"),
        (hand_a_managed_file_over, "was managed and is owned"),
        (hide_a_file_by_default, "default to keep"),
        (add_an_owned_file_without_a_layout, "give it a layout"),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_undeclared_change_is_refused_by_name(change: Change, word: str) -> None:
    sentences = said(change)
    assert any(word in sentence for sentence in sentences), sentences


# --- changes that are declared, or take nothing --------------------------------------------------


def add_a_file(r: Release) -> None:
    r.files[f"{PACKAGE}/core/more.py"] = MANAGED


def add_an_answer(r: Release) -> None:
    r.manifest["flavour"].append("sweet")


def declare_a_drop(r: Release) -> None:
    drop_a_file(r)
    r.manifest["_migrations"]["v3.0.0"] = {"paths": {"src/*/core/errors.py": None}}


def declare_a_rename(r: Release) -> None:
    rename_a_question(r)
    r.manifest["_migrations"]["v3.0.0"] = {"questions": {"include_jobs": "include_work"}}


def hide_a_file_behind_a_question_that_keeps_it(r: Release) -> None:
    hide_a_file_by_default(r)
    r.manifest["include_core_tests"] = True


def add_an_owned_file_with_a_layout(r: Release) -> None:
    add_an_owned_file_without_a_layout(r)
    r.manifest["_ownership"]["since"]["deploy/own.py"] = 2


HARMLESS = [
    add_a_file,
    add_an_answer,
    declare_a_drop,
    declare_a_rename,
    hide_a_file_behind_a_question_that_keeps_it,
    add_an_owned_file_with_a_layout,
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: change.__name__)
def test_declared_or_harmless_change_passes(change: Change) -> None:
    assert said(change) == []


def test_each_release_of_the_tiny_template_declares_what_it_does() -> None:
    before = tiny_template.first(with_scripts=False)
    for tag, step in zip(tiny_template.RELEASES[1:], tiny_template.STEPS, strict=True):
        after = copy.deepcopy(before)
        step(after)
        assert list(releases.undeclared(template(before), template(after), tag)) == []
        before = after


# --- the command ---------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository of the tiny template with the release script, at v1.0.0."""
    root = tmp_path / "template"
    root.mkdir()
    _write(root, tiny_template.first(with_scripts=False))
    commit_all(root, "first", "v1.0.0")
    return root


def _write(root: Path, release: Release, changelog: str = "", guide: str = "") -> None:
    release.write(root)
    (root / "scripts").mkdir()
    for name in ("manifest.py", "release.py"):
        shutil.copy(ROOT / "scripts" / name, root / "scripts")
    (root / ".gitignore").write_text("__pycache__/\n")
    (root / "CHANGELOG.md").write_text(f"# Changelog\n{changelog}")
    (root / "docs/how-to").mkdir(parents=True)
    (root / releases.GUIDE).write_text(f"# Guide\n{guide}")


def _release(run_in: RunIn, root: Path, *arguments: str, check: bool = True) -> Any:
    return run_in(root, sys.executable, "scripts/release.py", *arguments, check=check)


def test_release_is_tagged_once_it_is_described(checkout: Path, run_in: RunIn) -> None:
    changed = tiny_template.first(with_scripts=False)
    declare_a_rename(changed)
    _write(checkout, changed)
    commit_all(checkout, "second")
    refused = _release(run_in, checkout, "v3.0.0", check=False)
    assert refused.returncode == 1
    assert "CHANGELOG.md has no section ## [3.0.0]" in refused.stderr
    assert "upgrade-guide.md has no section ## v3.0.0" in refused.stderr
    assert git(checkout, "tag") == "v1.0.0"
    guide = "\n## v3.0.0\n\n`include_jobs` is now `include_work`.\n"
    _write(checkout, changed, "\n## [3.0.0] - 2026-11-22\n", guide)
    commit_all(checkout, "described")
    assert "can be released after v1.0.0" in _release(run_in, checkout, "v3.0.0", "--check").stdout
    assert git(checkout, "tag") == "v1.0.0"
    _release(run_in, checkout, "v3.0.0")
    assert git(checkout, "tag").split() == ["v1.0.0", "v3.0.0"]


@pytest.mark.parametrize(
    ("tag", "change", "sentence"),
    [
        ("1.0.1", add_a_file, "is no release"),
        ("v1.0.0", add_a_file, "does not come after"),
        ("v1.0.1", add_a_file, "has to be a minor release"),
        ("v1.1.0", drop_a_file, "errors.py is gone"),
    ],
)
def test_version_that_says_too_little_is_refused(
    checkout: Path, run_in: RunIn, tag: str, change: Change, sentence: str
) -> None:
    changed = tiny_template.first(with_scripts=False)
    change(changed)
    _write(checkout, changed, f"\n## [{tag[1:]}]\n")
    commit_all(checkout, "second")
    refused = _release(run_in, checkout, tag, check=False)
    assert refused.returncode == 1
    assert sentence in refused.stderr
    assert "Traceback" not in refused.stderr


def test_dirty_work_tree_is_not_released(checkout: Path, run_in: RunIn) -> None:
    (checkout / "CHANGELOG.md").write_text("# Changelog\n\n## [1.0.1]\n")
    refused = _release(run_in, checkout, "v1.0.1", check=False)
    assert "not clean" in refused.stderr


def test_this_repository_declares_what_its_next_release_changes() -> None:
    last = releases.last_release(ROOT)
    if last is None:
        assert json.loads((ROOT / "cookiecutter.json").read_text())["_migrations"] == {}
        return
    old, new = (releases.Template.at(ROOT, commit) for commit in (last, "HEAD"))
    declared = set(new.manifest["_migrations"]) - set(old.manifest["_migrations"])
    release = max(declared, key=releases.version_of, default="v0.0.0")
    assert list(releases.undeclared(old, new, release)) == []
