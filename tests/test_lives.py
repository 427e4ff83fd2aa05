"""Whole lives: whatever people edit, switch and update, each side's work is there at the end."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import edits
import pytest
import tiny_template
from combinations import head_commit
from edits import KINDS, Hand
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from in_process import clone_each_release_once
from lives import FreshRenders, Life, a_switch, random_life
from rendering import ENGINES, Renderer, commit_all, copy_project

pytestmark = pytest.mark.slow
LIVES = 200
LIVES_BY_TURNS = 40
BATCHES = 8
LATER = list(tiny_template.RELEASES[1:])

Born = Callable[[random.Random, Path], Life]


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tiny template with its history."""
    return tiny_template.build(tmp_path_factory.mktemp("tiny") / "template", with_scripts=False)


@pytest.fixture(scope="session")
def born(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Born:
    """Return a function that makes a project of the first release, by either engine."""
    base = tmp_path_factory.mktemp("lives")
    render = Renderer(tiny, base)
    (base / "clones").mkdir()
    clone_each_release_once(tiny, base / "clones")
    fresh = FreshRenders(render, tiny)
    known: dict[tuple[Any, ...], Path] = {}

    def make(choose: random.Random, place: Path) -> Life:
        engine = choose.choice(ENGINES)
        answers = {
            "include_docs": choose.random() < 0.7,
            "include_jobs": choose.random() < 0.5,
            "flavour": choose.choice(["plain", "salted", "none"]),
        }
        key = (engine, *answers.values())
        if key not in known:
            out = render.new_folder()
            if engine == "copier":
                made = render.copier(out / "p", str(tiny), vcs_ref="v1.0.0", **answers)
            else:
                source = f"git+file://{tiny}"
                made = render.cookiecutter(out, source, checkout="v1.0.0", **answers)
            known[key] = made
        project = copy_project(known[key], place)
        commit_all(project, "generated")
        return Life(project, Hand(project, choose), fresh, [f"{engine} {answers}"])

    return make


def test_catalogue_has_at_least_25_kinds_of_edits_and_none_is_listed_twice() -> None:
    assert len(set(KINDS)) == len(KINDS) >= 25
    public = {
        name
        for name, thing in vars(edits).items()
        if callable(thing) and getattr(thing, "__module__", "") == "edits" and name[0].islower()
    }
    assert {kind.__name__ for kind in KINDS} == public


def test_every_kind_of_edit_at_once_survives_three_releases_in_one_jump(
    born: Born, tmp_path: Path
) -> None:
    order = list(KINDS)
    random.Random(head_commit()).shuffle(order)
    life = born(random.Random(11), tmp_path / "project")
    life.edit(order)
    life.update(to=LATER[-1])


@pytest.mark.parametrize("batch", range(BATCHES))
def test_random_lives_lose_nothing(
    born: Born, tmp_path: Path, batch: int, request: pytest.FixtureRequest
) -> None:
    """Each commit lives other lives; all of them with `--all`."""
    lives = LIVES if request.config.getoption("--all") else LIVES_BY_TURNS
    for number in range(batch, lives, BATCHES):
        place = tmp_path / str(number)
        life = born(random.Random(f"{head_commit()}-{number}"), place)
        random_life(life, LATER, KINDS)
        shutil.rmtree(place)


def test_random_walks_over_switches_edits_and_updates(
    born: Born, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """Hypothesis looks for the shortest walk that breaks a promise."""
    numbers = iter(range(10**6))

    class Walk(RuleBasedStateMachine):
        @initialize(number=st.integers(0, 10**6))
        def start(self, number: int) -> None:
            place = tmp_path / f"walk{next(numbers)}"
            self.life = born(random.Random(number), place)
            self.ahead = list(LATER)

        @rule(kind=st.sampled_from(KINDS))
        def edit(self, kind: edits.Edit) -> None:
            self.life.edit([kind])

        @rule()
        def switch(self) -> None:
            self.life.update(**a_switch(self.life, self.life.hand.choose))

        @rule(steps=st.integers(1, 3))
        def update(self, steps: int) -> None:
            if self.ahead:
                tag = self.ahead[min(steps, len(self.ahead)) - 1]
                self.ahead = self.ahead[self.ahead.index(tag) + 1 :]
                self.life.update(to=tag)

        def teardown(self) -> None:
            shutil.rmtree(self.life.project)

    walks = 60 if request.config.getoption("--all") else 2
    run_state_machine_as_test(
        seed(head_commit())(Walk),
        settings=settings(
            max_examples=walks,
            stateful_step_count=6,
            deadline=None,
            database=None,
            phases=[Phase.explicit, Phase.reuse, Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
