"""Whole lives of projects: rendered, edited, switched, updated, and looked at file by file."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edits import Edit, Hand
from in_process import UpdateError, scripts_update
from rendering import Renderer, commit_all, git, snapshot
from updating.answers import read
from updating.ownership import load

Fresh = Callable[[Path], dict[str, tuple[bool, bytes]]]
MARKERS = (b"<<<<<<< before updating", b">>>>>>> after updating")


class FreshRenders:
    """What a new project has, by release and answers; rendered once for each."""

    def __init__(self, render: Renderer, template: Path) -> None:
        self._render, self._template = render, template
        self._known: dict[tuple[object, ...], dict[str, tuple[bool, bytes]]] = {}

    def __call__(self, project: Path) -> dict[str, tuple[bool, bytes]]:
        """Return the files of a new project at this one's release with its answers."""
        recorded = read(project)
        answers = {key: value for key, value in recorded.items() if not key.startswith("_")}
        key = (recorded["_commit"], *sorted(answers.items()))
        if key not in self._known:
            place = self._render.new_folder() / "fresh"
            tag = str(recorded["_commit"])
            self._render.copier(place, str(self._template), vcs_ref=tag, **answers)
            self._known[key] = snapshot(place)
            shutil.rmtree(place.parent)
        return self._known[key]


@dataclass
class Life:
    """One project, from its first day.

    Attributes:
        project: Its folder, a repository in which everything is committed.
        hand: Whoever edits it.
        fresh: Returns what a new project has.
        story: What happened, for the message of a failure.
    """

    project: Path
    hand: Hand
    fresh: Fresh
    story: list[str] = field(default_factory=list)

    def edit(self, kinds: Iterable[Edit]) -> None:
        """Do some edits and commit them."""
        for kind in kinds:
            if kind(self.hand):
                self.story.append(kind.__name__)
        commit_all(self.project, "edited")

    def update(self, **wishes: Any) -> None:
        """Run `scripts/update`, look at every file, resolve conflicts as people do, commit."""
        self.story.append(f"update {wishes}")
        before = snapshot(self.project)
        table_before = load(self.project)
        try:
            outcome = scripts_update(self.project, keep=True, accept_broken=True, **wishes)
        except UpdateError as error:
            raise AssertionError(f"{self.story}: {error}") from error
        self._check(before, table_before.class_of, set(outcome.conflicts))
        self._resolve(outcome.conflicts)
        commit_all(self.project, "updated")

    def _check(
        self,
        before: dict[str, tuple[bool, bytes]],
        class_before: Callable[[str], str],
        conflicts: set[str],
    ) -> None:
        """Hold every promise about a project that was just updated."""
        table, fresh, now = load(self.project), self.fresh(self.project), snapshot(self.project)
        wrong = []
        for name, file in fresh.items():
            if table.class_of(name) == "managed" and now.get(name) != file:
                wrong.append(f"{name} is managed, and not the template's")
        for name, (_, content) in now.items():
            marked = [line for line in content.splitlines() if line.startswith(MARKERS)]
            if marked and table.class_of(name) != "merged":
                wrong.append(f"{name} has conflict markers")
            if bool(marked) != (name in conflicts):
                wrong.append(f"{name} is a conflict that was {'not ' * bool(marked)}named")
            named = b"Managed by Slipway" in content and not name.startswith(".kept/")
            if named and class_before(name) == "managed" and name not in fresh:
                wrong.append(f"{name} is managed, and the template has it no more")
        places = {table.new_place(path) or path for path in self.hand.deleted}
        wrong += [f"{name} was deleted, and is back" for name in places & set(now)]
        for name, image in self.hand.images.items():
            if name in now and now[name][1] != image:
                wrong.append(f"{name} was replaced, and is the template's again")
        wrong += self._changed_owned(before, now)
        everything = b"\n".join(content for _, content in now.values()) + self._ignored()
        wrong += [
            f"{mark} of {path} is lost"
            for mark, path in self.hand.marks.items()
            if mark.encode() not in everything
        ]
        assert not wrong, f"{self.story}: {wrong}"

    def _changed_owned(self, before: dict[str, Any], now: dict[str, Any]) -> list[str]:
        """Return owned files that an update changed, or took from where the release has them."""
        table = load(self.project)
        wrong = []
        for name, file in before.items():
            place = table.new_place(name) or name
            if table.class_of(place) != "owned" or table.is_replaceable(name):
                continue
            if place not in now or now[place] != file:
                wrong.append(f"{name} is owned, and the update changed it")
        return wrong

    def _ignored(self) -> bytes:
        """Return what git does not see: kept files, and secrets."""
        listed = git(self.project, "ls-files", "-oz", "--ignored", "--exclude-standard")
        paths = [self.project / name for name in listed.split("\0") if name]
        return b"\n".join(path.read_bytes() for path in paths if path.is_file())

    def _resolve(self, conflicts: list[str]) -> None:
        """Keep both sides of each conflict."""
        for name in conflicts:
            path = self.project / name
            lines = path.read_bytes().splitlines(keepends=True)
            signs = (*MARKERS, b"=======")
            path.write_bytes(b"".join(line for line in lines if not line.startswith(signs)))


def random_life(life: Life, releases: list[str], kinds: tuple[Edit, ...]) -> None:
    """Live: some edits, and updates step by step or in one jump, with switches between."""
    choose = life.hand.choose
    life.edit(choose.sample(kinds, choose.randrange(2, 9)))
    if choose.random() < 0.75:
        way = [releases[-1]]
    else:
        way = sorted(
            choose.sample(releases, choose.randrange(1, len(releases) + 1)), key=releases.index
        )
    switch = choose.randrange(len(way) + 1) if choose.random() < 0.25 else None
    for number, tag in enumerate(way):
        if number == switch:
            life.update(**a_switch(life, choose))
        life.update(to=tag)
        if number < len(way) - 1:
            life.edit(choose.sample(kinds, choose.randrange(0, 4)))


def a_switch(life: Life, choose: random.Random) -> dict[str, Any]:
    """Return the wish to answer one question otherwise than now."""
    table, answers = load(life.project), read(life.project)
    asked = sorted(name for name in table.answers if name in answers)
    question = choose.choice(asked)
    if choices := table.answers[question]:
        others = [choice for choice in choices if choice != answers[question]]
        return {"given": (f"{question}={choose.choice(others)}",)}
    return {"off" if answers[question] else "on": (question,)}
