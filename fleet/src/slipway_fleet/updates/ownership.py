"""Who decides a path of a merged tree: the template, the project, or a merge by key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..answers import ANSWERS_FILE
from ..drift import unified
from ..errors import ProjectError
from ..objects import LINK, SUBMODULE, write_object
from ..snapshot import CatFile
from ..template.manifest import FileClass
from .keywise import CannotMergeError, is_valid, merge_text


class Leaf(NamedTuple):
    """A file of a tree."""

    mode: str
    sha: str


Leaves = Mapping[str, Leaf]


@dataclass(frozen=True)
class Note:
    """Something to say about a path.

    Attributes:
        path: The path.
        text: One sentence.
        needs_person: Whether somebody has to decide before the update is merged.
        diff: What the project changed, where that is not on the branch.
    """

    path: str
    text: str
    needs_person: bool = False
    diff: str = ""


@dataclass
class Merge:
    """A merge before it is settled.

    Attributes:
        base: What the template rendered before, without owned files.
        mine: The project.
        theirs: What the template renders now, without owned files that do not come.
        kinds: Whose each of the template's paths is.
        result: The merged tree; settled in place.
        stages: The stages (1 base, 2 project, 3 template) of each path git could not merge.
    """

    base: Leaves
    mine: Leaves
    theirs: Leaves
    kinds: Mapping[str, FileClass]
    result: dict[str, Leaf]
    stages: Mapping[str, Mapping[int, Leaf]]


def settle(merge: Merge, reader: CatFile, objects: Path, *, restore: bool) -> list[Note]:
    """Decide every path, in place, and return what is worth saying.

    Args:
        merge: The merge; its `result` is changed.
        reader: Reads blobs of every side.
        objects: Where merged files are written.
        restore: Put the template's version of managed files back, edited or not.
    """
    notes: list[Note] = []
    _keep_what_is_the_projects(merge)
    notes += _removed_by_the_template(merge)
    folders = _Shape(merge.result)
    for path in merge.theirs:
        if folders.blocks(path):
            merge.result.pop(path, None)
            text = "the project has a folder or file in the way of it, so it is left out"
            notes.append(Note(path, text, needs_person=True))
        elif merge.kinds[path] == "managed":
            notes += _managed(merge, path, reader, restore=restore)
        elif merge.kinds[path] == "merged":
            notes += _merged(merge, path, reader, objects)
        else:
            merge.result[path] = merge.theirs[path]
    return sorted(notes, key=lambda note: note.path)


def _keep_what_is_the_projects(merge: Merge) -> None:
    """Put back every path the template has no say in, and drop what is on neither side."""
    for path, leaf in merge.mine.items():
        if path not in merge.base and path not in merge.theirs:
            merge.result[path] = leaf
    for path in list(merge.result):
        if path not in merge.mine and path not in merge.theirs:
            del merge.result[path]


def _removed_by_the_template(merge: Merge) -> list[Note]:
    """Keep a file that the template removed and the project changed."""
    notes = []
    for path in merge.base:
        if path in merge.theirs or path not in merge.mine:
            continue
        if merge.mine[path].sha != merge.base[path].sha and path in merge.stages:
            merge.result[path] = merge.mine[path]
            text = (
                "the template removed it and the project changed it: it stays until you delete it"
            )
            notes.append(Note(path, text, needs_person=True))
    return notes


class _Shape:
    """Finds files that stand where a folder has to be, and folders where a file has to be."""

    def __init__(self, paths: Mapping[str, Leaf]) -> None:
        self._files = set(paths)
        self._folders = {
            "/".join(p.split("/")[:n]) for p in paths for n in range(1, p.count("/") + 1)
        }

    def blocks(self, path: str) -> bool:
        parts = path.split("/")
        above = ("/".join(parts[:n]) for n in range(1, len(parts)))
        return path in self._folders or any(folder in self._files for folder in above)


def _managed(merge: Merge, path: str, reader: CatFile, *, restore: bool) -> list[Note]:
    wanted, merged = merge.theirs[path], merge.result.get(path)
    mine, base = merge.mine.get(path), merge.base.get(path)
    if merged == wanted and path not in merge.stages:
        return []
    if path in merge.stages and base is None and mine is not None and not restore:
        merge.result[path] = mine
        text = "the template now brings this file, and the project has its own here: the project's stays"
        return [Note(path, text, needs_person=True)]
    edited = merge.stages[path].get(2) if path in merge.stages else merged
    merge.result[path] = wanted
    if edited is None:
        return [Note(path, "it was deleted in the project and is restored")]
    if edited.sha == wanted.sha or edited.mode in {LINK, SUBMODULE}:
        return [Note(path, "it is a regular file with the template's mode again")]
    if path not in merge.stages and not restore:
        merge.result[path] = Leaf(wanted.mode, edited.sha)
        return [Note(path, "the project changed it; the change merges and is kept, as drift")]
    before = merge.stages.get(path, {}).get(1, base)
    diff = _difference(path, before, edited, reader)
    text = "the project changed it, and its change is not on this branch: the template's version is"
    return [Note(path, text, needs_person=True, diff=diff)]


def _merged(merge: Merge, path: str, reader: CatFile, objects: Path) -> list[Note]:
    wanted, merged = merge.theirs[path], merge.result.get(path)
    stages = merge.stages.get(path, {})
    if path == ANSWERS_FILE:
        merge.result[path] = wanted
        return []
    if path not in merge.mine and path in merge.base:
        merge.result.pop(path, None)
        return [Note(path, "it was deleted in the project and stays deleted")]
    mine = stages.get(2, merge.mine.get(path))
    if merged in {wanted, mine} and not stages:
        return []
    if mine is None or mine.mode in {LINK, SUBMODULE}:
        if mine is not None:
            merge.result[path] = mine
            return [Note(path, "it is no regular file in the project: it stays as it is", True)]
        if merged is not None and not stages:
            return []  # renamed by the template, with the project's changes
        merge.result[path] = wanted
        return []
    return _by_key(merge, path, mine, reader, objects)


def _by_key(merge: Merge, path: str, mine: Leaf, reader: CatFile, objects: Path) -> list[Note]:
    stages, wanted = merge.stages.get(path, {}), merge.theirs[path]
    base = stages.get(1, merge.base.get(path))
    try:
        if not stages and is_valid(path, reader(merge.result[path].sha).decode()):
            return []
        before = reader(base.sha).decode() if base else ""
        made = merge_text(path, before, reader(mine.sha).decode(), reader(wanted.sha).decode())
    except (CannotMergeError, UnicodeDecodeError) as error:
        merge.result[path] = mine
        reason = str(error).split("\n")[0][:200]
        text = f"it could not be merged, so the project's stays: {reason}"
        return [Note(path, text, needs_person=True)]
    merge.result[path] = Leaf(mine.mode, write_object(objects, "blob", made.text.encode()))
    return [
        Note(path, f"{conflict}; the project's stays", needs_person=True)
        for conflict in made.conflicts
    ]


def _difference(path: str, base: Leaf | None, mine: Leaf, reader: CatFile) -> str:
    try:
        before = reader(base.sha).decode() if base else ""
        return unified(path, before, reader(mine.sha).decode())
    except (UnicodeDecodeError, ProjectError):
        return ""
