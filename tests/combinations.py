"""Which answers the tests render: computed from the manifest, so a new question cannot be forgotten."""

import functools
import itertools
import json
import random
import subprocess
from pathlib import Path
from typing import Any

from allpairspy import AllPairs

ROOT = Path(__file__).resolve().parent.parent
BODY = ROOT / "{{cookiecutter.project_slug}}"

Answers = dict[str, Any]

ALWAYS = ("default", "all-on", "all-off")
"""Names of the combinations whose rendered suite runs every time."""

ROTATING = 2
"""How many more rendered suites run each time; one costs up to 20 s of CPU."""


def load_manifest(root: Path = ROOT) -> dict[str, Any]:
    """Return cookiecutter.json as a mapping."""
    manifest: dict[str, Any] = json.loads((root / "cookiecutter.json").read_text("utf-8"))
    return manifest


def questions(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return every question with its default or its choices, in the order asked."""
    return {name: value for name, value in manifest.items() if not name.startswith("_")}


def axes(manifest: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the values of each choice and yes/no question, its default first."""
    found = {}
    for name, value in questions(manifest).items():
        if isinstance(value, bool):
            found[name] = [value, not value]
        elif isinstance(value, list):
            found[name] = list(value)
    return found


def defaults(manifest: dict[str, Any]) -> Answers:
    """Return the default of each choice and yes/no question."""
    return {name: values[0] for name, values in axes(manifest).items()}


def _switches_on(question: str, value: Any, manifest: dict[str, Any]) -> bool:
    named = {term for feature in manifest["_features"] for term in feature.split("+")}
    return value is True or f"{question}={value}" in named


def everything(manifest: dict[str, Any], *, on: bool) -> Answers:
    """Return the answers that switch everything on, or off; a choice without features keeps its default."""
    answers = {}
    for name, values in axes(manifest).items():
        fitting = [v for v in values if _switches_on(name, v, manifest) is on]
        answers[name] = (fitting or values)[0]
    return answers


def is_possible(answers: Answers, manifest: dict[str, Any]) -> bool:
    """Tell whether answers, or some of them, can be given and rendered.

    A question that is not asked has its default, and nothing lacks what it needs.
    """

    def given(term: str) -> bool | None:
        question, _, value = term.partition("=")
        return None if question not in answers else str(answers[question]) == (value or "True")

    if any(
        given(wanted) and given(needed) is False
        for wanted, (needed, _) in manifest["_requires"].items()
    ):
        return False
    return all(
        answers.get(condition, True) or answers.get(name, manifest[name][0]) == manifest[name][0]
        for name, condition in manifest["_asked_when"].items()
    )


def needed(name: str, value: Any, manifest: dict[str, Any]) -> Answers:
    """Return the answer without which another can't be given."""
    return {manifest["_requires"][name][0]: True} if value and name in manifest["_requires"] else {}


def label(answers: Answers, manifest: dict[str, Any]) -> str:
    """Return the stable name of a combination: how it differs from the default."""
    usual = defaults(manifest)
    different = [
        (
            ("" if value else "no-") + name.removeprefix("include_")
            if isinstance(value, bool)
            else f"{name}={value}"
        )
        for name, value in answers.items()
        if value != usual[name]
    ]
    return ",".join(different) or "default"


def combinations(manifest: dict[str, Any]) -> dict[str, Answers]:
    """Return the combinations by name: default, all on, all off, each single toggle, all pairs."""
    values, usual = axes(manifest), defaults(manifest)
    named = {"default": usual}
    for name, on in (("all-on", True), ("all-off", False)):
        if (answers := everything(manifest, on=on)) not in named.values():
            named[name] = answers
    single = [
        usual | needed(name, value, manifest) | {name: value}
        for name, choices in values.items()
        for value in choices[1:]
    ]
    rows = AllPairs(
        list(values.values()),
        filter_func=lambda row: is_possible(dict(zip(values, row, strict=False)), manifest),
    )
    pairs: list[Answers] = [dict(zip(values, row, strict=True)) for row in rows]
    # What the impossible rows held besides is put together again, as densely as it goes.
    while missing := uncovered_pairs(manifest, [*named.values(), *single, *pairs]):
        row: Answers = {}
        for pair in sorted(missing, key=str):
            more = row | dict(pair)
            if is_possible(usual | more, manifest) and row.items() <= more.items():
                row = more
        pairs.append(usual | row)
    for answers in [*single, *pairs]:
        if answers not in named.values() and is_possible(answers, manifest):
            named[label(answers, manifest)] = answers
    return named


def uncovered_pairs(
    manifest: dict[str, Any], chosen: list[Answers]
) -> set[tuple[tuple[str, Any], ...]]:
    """Return the pairs of answers that no chosen combination holds, though they can be given."""
    every = [
        tuple(zip(names, picked, strict=True))
        for names in itertools.combinations(axes(manifest), 2)
        for picked in itertools.product(*(axes(manifest)[name] for name in names))
        if is_possible(dict(zip(names, picked, strict=True)), manifest)
    ]
    return {pair for pair in every if not any(all(c[n] == v for n, v in pair) for c in chosen)}


@functools.cache
def head_commit(root: Path = ROOT) -> str:
    """Return the hash of HEAD, or an empty string outside a repository."""
    done = subprocess.run(
        ["git", "-c", "safe.directory=*", "rev-parse", "HEAD"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    return done.stdout.strip()


def suites(named: dict[str, Answers], seed: str, *, run_all: bool = False) -> dict[str, Answers]:
    """Return the combinations whose rendered suites run: a fixed set, and some by turns."""
    if run_all:
        return named
    rest = [name for name in named if name not in ALWAYS]
    turn = random.Random(seed).sample(rest, min(ROTATING, len(rest)))
    fixed = [
        name for name in ALWAYS if name in named
    ]  # all-on is the default while all is on by default
    return {name: named[name] for name in [*fixed, *turn]}


def has_turn(name: str, count: int, seed: str) -> bool:
    """Whether something is among the 1 in `count` that a seed chooses; over many seeds all are."""
    return random.Random(f"{name} {seed}").randrange(count) == 0
