"""Both engines render every combination to the same paths, bytes and exec bits."""

from pathlib import Path
from typing import Any

import pytest
from binaryornot.check import is_binary
from combinations import BODY, ROOT
from processes import RunIn
from rendering import (
    ENGINES,
    Renderer,
    commit_all,
    copy_template,
    git,
    snapshot,
    text_of,
    tracked_files,
)

BODY_FILES = [name for name in tracked_files() if name.startswith(f"{BODY.name}/")]


def assert_same(left: Path, right: Path) -> None:
    """Compare two trees and name each path that differs."""
    a, b = snapshot(left), snapshot(right)
    assert sorted(a) == sorted(b), f"only in one: {sorted(set(a) ^ set(b))}"
    assert [path for path in a if a[path] != b[path]] == []


def test_engines_agree(render: Renderer, combination: dict[str, Any]) -> None:
    assert_same(render("cookiecutter", **combination), render("copier", **combination))


def test_no_empty_folder_is_left(render: Renderer, combination: dict[str, Any]) -> None:
    for engine in ENGINES:
        project = render(engine, **combination)
        folders = [p for p in project.rglob("*") if p.is_dir() and p.name != "__pycache__"]
        assert [p.relative_to(project) for p in folders if not any(p.iterdir())] == []


@pytest.mark.parametrize("engine", ENGINES)
def test_rendering_twice_gives_the_same_bytes(render: Renderer, engine: str) -> None:
    assert_same(render(engine), render.fresh(engine))


@pytest.mark.parametrize(
    "slug", ["ab", "a_name_of_exactly_30_character"], ids=["shortest", "longest"]
)
def test_shortest_and_longest_slug(render: Renderer, run_in: RunIn, slug: str) -> None:
    projects = [render(engine, project_slug=slug) for engine in ENGINES]
    assert_same(*projects)
    run_in(projects[0], "ruff", "check", ".")
    run_in(projects[0], "ruff", "format", "--check", "--diff", ".")


def test_a_difference_would_be_noticed(render: Renderer, tmp_path: Path) -> None:
    template = copy_template(tmp_path / "slipway")
    (template / BODY.name / "extra.txt").write_bytes(b"copier writes LF only\r\n")
    commit_all(template, "carriage return", "v0.0.2")
    one = render.cookiecutter(render.new_folder(), str(template))
    two = render.copier(render.new_folder() / "project", str(template))
    with pytest.raises(AssertionError, match=r"extra\.txt"):
        assert_same(one, two)


def test_command_lines_need_no_trust_and_give_identical_trees(
    template: Path, tmp_path: Path, run_in: RunIn
) -> None:
    run_in(tmp_path, "cookiecutter", template, "--no-input")
    copied = run_in(tmp_path, "copier", "copy", "--defaults", "--vcs-ref", "HEAD", template, "out")
    assert "unsafe" not in copied.stderr
    (made,) = (path for path in tmp_path.iterdir() if path.name != "out")
    assert_same(made, tmp_path / "out")


def test_command_lines_work_on_this_very_checkout(tmp_path: Path, run_in: RunIn) -> None:
    run_in(tmp_path, "cookiecutter", ROOT, "--no-input")
    run_in(tmp_path, "copier", "copy", "--defaults", "--vcs-ref", "HEAD", ROOT, "out")
    (made,) = (path for path in tmp_path.iterdir() if path.name != "out")
    trees = snapshot(made), snapshot(tmp_path / "out")
    if git(
        ROOT, "status", "--porcelain", "--", BODY.name, "cookiecutter.json", "copier.yml", "hooks"
    ):
        # Copier commits uncommitted changes in a clone of its own, under a name nobody else can know.
        for tree in trees:
            del tree[".copier-answers.yml"]
    assert trees[0] == trees[1]


@pytest.mark.parametrize("path", BODY_FILES)
def test_source_renders_alike(path: str) -> None:
    """Hold what docs/explanation/decisions/0002-one-tree-two-engines.md says: nothing that engines treat differently."""
    source = ROOT / path
    assert not source.is_symlink(), "cookiecutter and copier follow links differently"
    assert not any("{%" in part for part in Path(path).parts[1:-1]), (
        "a conditional folder name breaks cookiecutter"
    )
    text = text_of(source)
    assert is_binary(str(source)) == (text is None), (
        "one engine takes this for text, the other does not"
    )
    assert text is None or "\r" not in text, "copier would drop the carriage returns"


def test_manifest_uses_what_both_engines_know(manifest: dict[str, Any]) -> None:
    only_cookiecutter = {"_extensions", "_copy_without_render", "_new_lines", "templates"}
    assert not only_cookiecutter & set(manifest)
    assert not (ROOT / "hooks/pre_prompt.py").exists()
