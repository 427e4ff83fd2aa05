"""What a template renders for given answers, in memory: no hooks, no tasks, no files, no network.

The bytes are those of both engines (root tests compare every computed combination). Answers are data
and never templates, so an answer cannot run anything; Jinja itself is sandboxed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jinja2
from jinja2 import DictLoader, Template, TemplateError

from ..answers import Answers
from ..errors import ProjectError
from ..objects import FILE, PROGRAM, blob_id
from .manifest import PATH, Arrival, FileClass, Manifest
from .mirror import Mirror

BODY = "{{cookiecutter.project_slug}}"
VERSION = f"1/{jinja2.__version__}"
"""Part of each cache key: it changes when the same input could give other bytes."""


class Rendered(NamedTuple):
    """One rendered file."""

    mode: str
    sha: str
    kind: FileClass


@dataclass
class Render:
    """Everything rendered for one set of answers at one commit.

    Attributes:
        commit: The template's commit.
        files: What a project has, by path.
        unchosen: The paths of managed files it would have with other answers.
        arrivals: For each owned path, when it may come later.
        answers: Every answer, defaults of new questions included.
        layout: The version of the ownership map.
        contents: The bytes by blob, of what is not in the template itself.
    """

    commit: str
    files: dict[str, Rendered] = field(default_factory=dict)
    unchosen: list[str] = field(default_factory=list)
    arrivals: dict[str, Arrival] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    layout: int = 1
    contents: dict[str, bytes] = field(default_factory=dict)


class Release:
    """A template at one commit, loaded once per process."""

    def __init__(self, mirror: Mirror, commit: str) -> None:
        """Read its manifest and its body."""
        self.commit = commit
        self._parts: dict[str, Template] = {}
        tree = mirror.tree(commit)
        reader = mirror.blobs()
        try:
            if PATH not in tree:
                raise ProjectError(f"the template at {commit[:12]} has no {PATH}")
            self.manifest = Manifest.parse(reader(tree[PATH].sha))
            self._sources = {
                path.removeprefix(f"{BODY}/"): (entry, reader(entry.sha))
                for path, entry in tree.items()
                if path.startswith(f"{BODY}/") and entry.is_file
            }
        finally:
            reader.close()
        self.environment = self.manifest.environment()
        self.environment.loader = DictLoader(
            {p: data.decode() for p, (_, data) in self._sources.items() if _is_text(data)}
        )
        marks = [getattr(self.environment, f"{kind}_start_string") for kind in _KINDS]
        marks += [self.environment.line_statement_prefix, self.environment.line_comment_prefix]
        self._marks = [mark.encode() for mark in marks if mark] + [b"\r"]

    def render(self, recorded: Answers, recorded_commit: str, source: str) -> Render:
        """Return what these answers give.

        Raises:
            ProjectError: An answer breaks its rule, or the template fails with it.
        """
        context = self.manifest.context(recorded, recorded_commit, source)
        made = Render(
            self.commit,
            answers=self.manifest.answers(context),
            layout=int(self.manifest.ownership.get("layout", 1)),
        )
        seen = {"cookiecutter": context}
        try:
            for name, (entry, data) in self._sources.items():
                self._add(made, name, entry.mode, entry.sha, data, seen)
        except (TemplateError, OverflowError, TypeError, ValueError) as error:
            raise ProjectError(f"the template fails with these answers: {error}") from error
        return made

    def _add(
        self, made: Render, name: str, mode: str, sha: str, data: bytes, seen: Mapping[str, Any]
    ) -> None:
        path = self._path(name, seen)
        if not path or self.manifest.is_junk(path):
            return
        kind = self.manifest.class_of(path)
        if not self.manifest.is_chosen(path, seen["cookiecutter"]):
            if kind == "managed":
                made.unchosen.append(path)
            return
        if any(mark in data for mark in self._marks) and _is_text(data):
            data = self.environment.get_template(name).render(**seen).encode()
            sha = blob_id(data)
            made.contents[sha] = data
        made.files[path] = Rendered(PROGRAM if mode == PROGRAM else FILE, sha, kind)
        if kind == "owned":
            made.arrivals[path] = self.manifest.arrival(path)

    def _path(self, name: str, seen: Mapping[str, Any]) -> str:
        parts = [
            self._part(part).render(**seen) if "{" in part else part for part in name.split("/")
        ]
        if any(part in {".", "..", ".git"} or "/" in part for part in parts):
            raise ProjectError(f"the template gives {name!r} a path outside the project")
        return "/".join(parts) if all(parts) else ""

    def _part(self, part: str) -> Template:
        """Return a part of a path, compiled once: most paths share theirs."""
        if part not in self._parts:
            self._parts[part] = self.environment.from_string(part)
        return self._parts[part]


_KINDS = ("variable", "block", "comment")


def _is_text(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
