"""Projects of the real template through three releases: equal to a new render, or to what people wrote."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import synthetic
from combinations import combinations, head_commit, load_manifest
from edits import KINDS, Hand, bend_managed_at_the_end, cut_managed, delete_managed
from in_process import clone_each_release_once, scripts_update
from lives import FreshRenders, Life, random_life
from processes import RunIn
from rendering import ENGINES, Renderer, commit_all, copy_project, slug_of, snapshot
from updating.ownership import load

pytestmark = pytest.mark.slow
COMBINATIONS_BY_TURNS = 1
LIVES = 12
LIVES_BY_TURNS = 1

# The suite that runs at the end of a life needs a service that works, which these edits may break:
# until the next update, which is the last step of each life, brings managed files back.
NOT_FOR_SUITES = {
    "rewrite_owned",
    "delete_owned_file",
    "delete_owned_folder",
    "rename_owned_folder",
}


def by_turns(names: list[str], count: int, *, run_all: bool) -> list[str]:
    """Return all names, or some that the commit chooses."""
    if run_all:
        return names
    return random.Random(f"synthetic {head_commit()}").sample(names, min(count, len(names)))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Take all combinations and lives with `--all`, and today's otherwise."""
    run_all = metafunc.config.getoption("--all")
    if "answers" in metafunc.fixturenames:
        named = combinations(load_manifest())
        chosen = by_turns(list(named), COMBINATIONS_BY_TURNS, run_all=run_all)
        metafunc.parametrize("answers", [named[name] for name in chosen], ids=chosen)
    if "life_number" in metafunc.fixturenames:
        numbers = by_turns([str(n) for n in range(LIVES)], LIVES_BY_TURNS, run_all=run_all)
        metafunc.parametrize("life_number", numbers)


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return this repository's template with three more releases."""
    return synthetic.build(tmp_path_factory.mktemp("history") / "slipway")


@pytest.fixture(scope="module")
def renders(history: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """Return what renders that history, cloning each release once."""
    base = tmp_path_factory.mktemp("renders")
    (base / "clones").mkdir()
    clone_each_release_once(history, base / "clones")
    return Renderer(history, base)


def make(renders: Renderer, history: Path, engine: str, place: Path, **answers: Any) -> Path:
    """Return a committed project of the first release."""
    out, tag = renders.new_folder(), synthetic.first_release()
    if engine == "copier":
        made = renders.copier(out / "p", str(history), vcs_ref=tag, **answers)
    else:
        made = renders.cookiecutter(out, f"git+file://{history}", checkout=tag, **answers)
    project = copy_project(made, place)
    shutil.rmtree(out)
    commit_all(project, "generated")
    return project


@pytest.mark.parametrize("engine", ENGINES)
def test_managed_and_merged_files_equal_a_new_render_after_each_release(
    renders: Renderer, history: Path, tmp_path: Path, answers: dict[str, Any], engine: str
) -> None:
    project = make(renders, history, engine, tmp_path / "project", **answers)
    fresh = FreshRenders(renders, history)
    for tag in synthetic.TAGS:
        outcome = scripts_update(project, to=tag)
        assert (outcome.bent, outcome.deleted, outcome.conflicts, outcome.kept) == ({}, [], [], [])
        commit_all(project, tag)
        table = load(project)
        sides = [
            {
                name: file
                for name, file in tree.items()
                if table.class_of(name) != "owned" and name != ".copier-answers.yml"
            }
            for tree in (snapshot(project), fresh(project))
        ]
        assert sides[0] == sides[1]
    assert (project / synthetic.MOVED[1]).is_file()
    assert not (project / synthetic.DROPPED).exists()
    recorded = (project / ".copier-answers.yml").read_text("utf-8")
    old, new = synthetic.RENAMED
    assert f"{new}: {str(answers[old]).lower()}" in recorded


def test_life_in_the_real_template_ends_with_a_suite_that_passes(
    renders: Renderer, history: Path, tmp_path: Path, run_in: RunIn, life_number: str
) -> None:
    choose = random.Random(f"{head_commit()} real {life_number}")
    named = combinations(load_manifest())
    answers = named[choose.choice(sorted(named))]
    engine = choose.choice(ENGINES)
    project = make(renders, history, engine, tmp_path / "project", **answers)
    life = Life(
        project, Hand(project, choose), FreshRenders(renders, history), [f"{engine} {answers}"]
    )
    gentle = tuple(kind for kind in KINDS if kind.__name__ not in NOT_FOR_SUITES)
    life.edit([bend_managed_at_the_end, cut_managed, delete_managed])
    random_life(life, list(synthetic.TAGS), gentle)
    if f'_commit: "{synthetic.TAGS[-1]}"' not in (project / ".copier-answers.yml").read_text():
        life.update(to=synthetic.TAGS[-1])
    # What the suite says to do when somebody has edited or deleted .env.example.
    run_in(project, "python", "-m", slug_of(project), "config", "env-example", "--write")
    run_in(project, "ruff", "check", "src", "scripts", "tests")
    done = run_in(project, "python", "-m", "pytest", "-q", "-x", timeout=300)
    assert " passed" in done.stdout
