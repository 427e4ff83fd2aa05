"""The list of combinations is complete, and stays so when a question is added."""

import copy
from typing import Any

from combinations import (
    ALWAYS,
    ROTATING,
    combinations,
    everything,
    has_turn,
    needed,
    suites,
    uncovered_pairs,
)


def test_every_pair_of_answers_is_covered(manifest: dict[str, Any]) -> None:
    assert uncovered_pairs(manifest, list(combinations(manifest).values())) == set()


def test_a_missing_pair_would_be_noticed(manifest: dict[str, Any]) -> None:
    fewer = [c for c in combinations(manifest).values() if c["ci_provider"] != "gitlab"]
    assert uncovered_pairs(manifest, fewer)


def test_every_toggle_is_flipped_alone(manifest: dict[str, Any]) -> None:
    named = combinations(manifest)
    for name, value in named["default"].items():
        others = manifest[name] if isinstance(manifest[name], list) else [True, False]
        for other in others:
            flipped = named["default"] | needed(name, other, manifest) | {name: other}
            assert other == value or flipped in named.values(), f"{name}={other} alone"


def test_all_on_switches_on_what_all_off_switches_off(manifest: dict[str, Any]) -> None:
    on, off = everything(manifest, on=True), everything(manifest, on=False)
    assert on in combinations(manifest).values()
    assert off in combinations(manifest).values()
    for feature in manifest["_features"]:
        terms = [term.partition("=") for term in feature.split("+")]
        has_all = all(str(off[name]) == (value or "True") for name, _, value in terms)
        assert not has_all, f"all-off has {feature}"
        for name, _, value in terms:
            assert value or on[name] is True, f"all-on lacks {feature}"


def test_what_is_not_asked_is_never_combined(manifest: dict[str, Any]) -> None:
    for answers in combinations(manifest).values():
        for name, condition in manifest["_asked_when"].items():
            assert answers[condition] or answers[name] == manifest[name][0]


def test_a_new_question_enters_the_list(manifest: dict[str, Any]) -> None:
    more = copy.deepcopy(manifest) | {"include_submarine": False, "hull": ["steel", "wood"]}
    named = combinations(more)
    assert uncovered_pairs(more, list(named.values())) == set()
    assert named["default"] | {"include_submarine": True} in named.values()
    assert named["default"] | {"hull": "wood"} in named.values()
    assert named["all-on"]["include_submarine"] is True
    assert named["all-off"]["include_submarine"] is False


def test_answers_that_lack_what_they_need_are_never_rendered(manifest: dict[str, Any]) -> None:
    more = copy.deepcopy(manifest) | {"include_hull": True, "include_submarine": False}
    more["_requires"]["include_submarine"] = ["include_hull", "it floats in one"]
    chosen = list(combinations(more).values())
    assert not [c for c in chosen if c["include_submarine"] and not c["include_hull"]]
    assert uncovered_pairs(more, chosen) == set()
    assert any(c["include_submarine"] for c in chosen)
    assert any(not c["include_hull"] for c in chosen)


def test_names_are_unique_and_survive_a_new_question(manifest: dict[str, Any]) -> None:
    named = combinations(manifest)
    assert len({tuple(answers.items()) for answers in named.values()}) == len(named)
    more = combinations(copy.deepcopy(manifest) | {"include_submarine": False})
    assert {name for name in named if "," not in name} <= set(more)


def test_suites_rotate_with_the_commit_and_all_runs_everything(manifest: dict[str, Any]) -> None:
    named = combinations(manifest)
    once, again, other = (tuple(suites(named, seed)) for seed in ("a1", "a1", "b2"))
    assert once == again != other
    assert {"default", "all-off"} <= set(once) & set(other)
    assert len(set(once) - set(ALWAYS)) == ROTATING
    assert suites(named, "a1", run_all=True) == named


def test_rotation_reaches_every_combination(manifest: dict[str, Any]) -> None:
    named = combinations(manifest)
    assert {name for seed in range(500) for name in suites(named, str(seed))} == set(named)


def test_everything_has_its_turn() -> None:
    names = [f"test_x[{number}]" for number in range(30)]
    chosen = [{name for name in names if has_turn(name, 3, str(seed))} for seed in range(100)]
    assert set.union(*chosen) == set(names)
    assert 5 < sum(map(len, chosen)) / 100 < 15
