"""Features of the real template, switched in a project that has been lived in."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from combinations import ROOT, axes, head_commit, load_manifest, needed
from in_process import UpdateError, scripts_update
from processes import RunIn
from rendering import TAG, Renderer, commit_all, copy_project, snapshot

pytestmark = pytest.mark.slow
HOW_TO = ROOT / "docs/how-to/switch-a-feature.md"
BY_TURNS = 1
Make = Callable[..., Path]


def answers_that_bring_files() -> list[str]:
    """Return the questions with an answer that brings files."""
    terms = (term for feature in load_manifest()["_features"] for term in feature.split("+"))
    return sorted({term.partition("=")[0] for term in terms})


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Switch every question with `--all`, and today's otherwise."""
    if "switched" in metafunc.fixturenames:
        names = answers_that_bring_files()
        if not metafunc.config.getoption("--all"):
            names = random.Random(f"switch {head_commit()}").sample(names, BY_TURNS)
        metafunc.parametrize("switched", names)


@pytest.fixture
def make(render: Renderer, template: Path, tmp_path: Path) -> Make:
    """Return a function that makes a committed project of the real template."""

    def go(**answers: Any) -> Path:
        made = render.copier(render.new_folder() / "p", str(template), vcs_ref=TAG, **answers)
        project = copy_project(made, tmp_path / "acme_orders")
        commit_all(project, "generated")
        return project

    return go


def test_how_to_has_a_section_for_every_question_that_brings_files() -> None:
    sections = re.findall(r"^## (\w+)$", HOW_TO.read_text("utf-8"), re.MULTILINE)
    assert [name for name in answers_that_bring_files() if name not in sections] == []


def test_answer_switched_there_back_and_there_again_gives_the_same_tree(
    make: Make, switched: str
) -> None:
    manifest = load_manifest()
    usual, other = axes(manifest)[switched][:2]
    project, trees = make(**needed(switched, True, manifest)), []
    for value in (other, usual, other):
        wish: dict[str, tuple[str, ...]] = {"given": (f"{switched}={value}",)}
        if isinstance(value, bool):
            wish = {"on" if value else "off": (switched,)}
        scripts_update(project, **wish)
        commit_all(project, "switched")
        trees.append(snapshot(project))
    assert trees[0] == trees[2] != trees[1]


def test_database_goes_once_the_example_is_renewed_and_comes_back_the_same(
    make: Make, run_in: RunIn
) -> None:
    project = make(include_database=True)
    before = snapshot(project)
    with pytest.raises(UpdateError) as refused:
        scripts_update(project, off=("database",))
    said = str(refused.value)
    assert "src/acme_orders/orders/models.py" in said
    assert "imports acme_orders.core.database" in said
    renew = re.findall(r"--renew (\S+)", said)
    assert renew == ["src/acme_orders/migrations", "src/acme_orders/orders", "tests/orders"]
    assert snapshot(project) == before
    outcome = scripts_update(project, off=("database",), renew=renew)
    assert (outcome.broken, outcome.kept, outcome.conflicts) == ([], [], [])
    commit_all(project, "without a database")
    run_in(project, "ruff", "check", ".")
    run_in(project, "python", "-m", "pytest", "-q", "tests/orders", "tests/core/test_app.py")
    scripts_update(project, on=("database",), renew=renew)
    commit_all(project, "with a database")
    assert snapshot(project) == before


def test_own_code_on_the_database_is_named_and_no_way_out_is_promised(make: Make) -> None:
    project = make(include_database=True)
    own = project / "src/acme_orders/stock.py"
    own.write_text("from .core.database import Base\n\n__all__ = ['Base']\n")
    commit_all(project, "our own table")
    with pytest.raises(UpdateError) as refused:
        scripts_update(project, off=("database",))
    assert "src/acme_orders/stock.py:1 imports acme_orders.core.database" in str(refused.value)
    assert "--renew" not in str(refused.value)
    assert "Change that code first" in str(refused.value)
