"""What an update would do to one project, without a work tree: three trees, one merge, and ownership.

`git merge-tree` merges what the template changed between two releases into the project's tree. Then
ownership decides each path: a managed file is the template's, a merged one is merged by key where text
does not merge, an owned one stays as it is. No conflict marker reaches the result: where somebody has
to decide, one side stands and the plan says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from ..errors import FleetError, ProjectError
from ..git import GitError, Repository, Store
from ..objects import write_commit, write_tree
from ..run import Opened
from ..snapshot import CatFile, read_tree
from ..template.render import Render
from .ownership import Leaf, Leaves, Merge, Note, settle

PlanState = Literal["current", "ahead", "update"]
_WHO = "Slipway Fleet <fleet@localhost.invalid>"


@dataclass(frozen=True)
class Plan:
    """What an update would do.

    Attributes:
        project: Its id.
        head: The commit it starts from.
        release: The recorded release.
        target: The release to move to.
        state: `current` when nothing would change, `ahead` of the target, or `update`.
        changes: What becomes of each changed path: added, changed or deleted.
        notes: What is worth saying about a path.
        tree: The name of the resulting tree.
        commit: The name of the commit a campaign would push; empty when nothing changes.
    """

    project: str
    head: str
    release: str
    target: str
    state: PlanState
    changes: dict[str, str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    tree: str = ""
    commit: str = ""

    @property
    def needs_person(self) -> bool:
        """Tell whether somebody has to decide something before it is merged."""
        return any(note.needs_person for note in self.notes)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self) | {"needs_person": self.needs_person}


@dataclass(frozen=True)
class Wanted:
    """How to plan.

    Attributes:
        target: The release to move to; empty for what fleet.toml says.
        managed: What becomes of a project's edits to managed files: `keep` merges them, `restore`
            puts the template's version back.
        who: Who commits, `Name <address>`.
        campaign: Named in the commit's message.
    """

    target: str = ""
    managed: Literal["keep", "restore"] = "keep"
    who: str = _WHO
    campaign: str = ""


def plan_project(opened: Opened, wanted: Wanted) -> Plan:
    """Plan the update of one project.

    Raises:
        ProjectError: It cannot be planned; the text is the reason.
    """
    snapshot, origin = opened.snapshot, opened.snapshot.template
    section = opened.workspace.config.template_of(origin.url)
    mirror = opened.renders.mirror_of(origin.url)
    try:
        target = mirror.target(wanted.target or (section.target if section else "latest"))
    except FleetError as error:
        raise ProjectError(str(error)) from error
    empty = Plan(snapshot.project, snapshot.head, origin.commit, target, "current")
    recorded, moved = mirror.resolve(origin.commit), mirror.resolve(target)
    if recorded != moved and mirror.is_ancestor(moved, recorded):
        return Plan(snapshot.project, snapshot.head, origin.commit, target, "ahead")
    store = opened.store
    old, _ = opened.renders.render(origin, snapshot.answers, store=store)
    new, _ = opened.renders.render(origin, snapshot.answers, store=store, at=target)
    reading = store.reading(
        Repository.find(opened.project.path).objects, mirror.store.objects.resolve()
    )
    merge = _merge(opened, reading, old, new, store)
    reader = CatFile(reading)
    try:
        notes = settle(merge, reader, store.objects, restore=wanted.managed == "restore")
    finally:
        reader.close()
    changes = _changes(merge.mine, merge.result)
    if not changes:
        return empty
    return _committed(opened, merge.result, changes, notes, wanted, empty, mirror.date(moved))


def _merge(opened: Opened, reading: Store, old: Render, new: Render, store: Store) -> Merge:
    """Merge the two renders and the project's tree, before ownership has its say."""
    snapshot = opened.snapshot
    base = {
        path: Leaf(file.mode, file.sha)
        for path, file in old.files.items()
        if file.kind != "owned" and not (path in new.files and new.files[path].kind == "owned")
    }
    comes = {
        path
        for path, arrival in new.arrivals.items()
        if path not in snapshot.files and arrival.comes(snapshot.answers, snapshot.template.layout)
    }
    theirs = {
        path: Leaf(file.mode, file.sha)
        for path, file in new.files.items()
        if file.kind != "owned" or path in comes
    }
    mine = {path: Leaf(entry.mode, entry.sha) for path, entry in snapshot.files.items()}
    try:
        result, stages = merge_trees(reading, store, base, snapshot.head, theirs)
    except GitError as error:
        raise ProjectError(f"its tree cannot be merged: {error.message}") from error
    kinds = {path: file.kind for path, file in old.files.items()}
    kinds |= {path: file.kind for path, file in new.files.items()}
    return Merge(base, mine, theirs, kinds, result, stages)


def merge_trees(
    reading: Store, store: Store, base: Leaves, head: str, theirs: Leaves
) -> tuple[dict[str, Leaf], dict[str, dict[int, Leaf]]]:
    """Merge three trees with git, and return the result and the stages of each path in conflict."""
    tree = reading.run("rev-parse", "--verify", "--end-of-options", f"{head}^{{tree}}").decode()
    objects = store.objects
    old = write_commit(objects, write_tree(objects, base), (), "old\n", who=_WHO, when=0)
    new = write_commit(objects, write_tree(objects, theirs), (old,), "new\n", who=_WHO, when=0)
    mine = write_commit(objects, tree.strip(), (old,), "project\n", who=_WHO, when=0)
    asked = ("merge-tree", "--write-tree", "-z", "--no-messages", mine, new)
    name, *lines = reading.run(*asked, ok=(0, 1)).split(b"\0")
    stages: dict[str, dict[int, Leaf]] = {}
    for line in lines:
        if line:
            meta, path = line.split(b"\t", 1)
            mode, sha, stage = meta.decode().split()
            known = stages.setdefault(path.decode("utf-8", "surrogateescape"), {})
            known[int(stage)] = Leaf(mode, sha)
    merged = read_tree(reading, name.decode())
    return {path: Leaf(entry.mode, entry.sha) for path, entry in merged.items()}, stages


def _changes(mine: Mapping[str, Leaf], result: Mapping[str, Leaf]) -> dict[str, str]:
    changes = {path: "added" for path in result if path not in mine}
    changes |= {path: "deleted" for path in mine if path not in result}
    changes |= {p: "changed" for p in result if p in mine and mine[p] != result[p]}
    return dict(sorted(changes.items()))


def _committed(
    opened: Opened,
    result: Leaves,
    changes: dict[str, str],
    notes: list[Note],
    wanted: Wanted,
    plan: Plan,
    when: int,
) -> Plan:
    """Write the tree and the commit; the same plan always gives the same names."""
    objects = opened.store.objects
    try:
        tree = write_tree(objects, result)
    except ValueError as error:
        raise ProjectError(f"the update cannot be written: {error}") from error
    title = f"chore(template): update from {plan.release} to {plan.target}"
    if plan.release == plan.target:
        title = f"chore(template): restore files of {plan.target}"
    trailer = f"\n\nFleet-Campaign: {wanted.campaign}" if wanted.campaign else ""
    commit = write_commit(
        objects, tree, (plan.head,), f"{title}{trailer}\n", who=wanted.who, when=when
    )
    return Plan(
        plan.project, plan.head, plan.release, plan.target, "update", changes, notes, tree, commit
    )
