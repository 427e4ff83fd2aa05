"""What a rule sees of one project: its files, parsed once, and the answers it was rendered with."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, TypeVar

from ..errors import ProjectError
from ..patterns import selected
from .errors import CannotReadError
from .parsing import (
    Parser,
    decode,
    parse_dockerfile,
    parse_python,
    parse_toml,
    parse_yaml,
)

if TYPE_CHECKING:
    from ..snapshot import Snapshot
    from .dockerfile import Instruction
    from .python_code import Module

ANSWERS_FILE = ".copier-answers.yml"
T = TypeVar("T")


class Project:
    """One project, as rules see it.

    Attributes:
        name: Its id in the inventory.
        modes: Git's mode of each of its files, by path.
        facts: What others found out about it and a rule may ask for, such as its drift.
    """

    def __init__(
        self, snapshot: Snapshot, parser: Parser, facts: Mapping[str, object] | None = None
    ) -> None:
        """Take the files and what is known already."""
        self.name = snapshot.project
        self.modes = {path: entry.mode for path, entry in snapshot.files.items()}
        self.facts = dict(facts or {})
        self._snapshot = snapshot
        self._parser = parser
        self._modules: dict[str, Module] = {}
        self._globs: dict[tuple[str, ...], list[str]] = {}
        self._answers: Mapping[str, object] | None = None
        self._remembered: dict[str, object] = {}
        self._failed: dict[tuple[object, str], ProjectError] = {}

    @property
    def answers(self) -> Mapping[str, object]:
        """What the project was rendered with.

        Raises:
            CannotReadError: When its answers file is missing or not a mapping.
        """
        if self._answers is None:
            if ANSWERS_FILE not in self.modes:
                raise CannotReadError(ANSWERS_FILE, "is missing, so the answers are not known")
            documents = self.yaml(ANSWERS_FILE)
            if len(documents) != 1 or not isinstance(documents[0], dict):
                raise CannotReadError(ANSWERS_FILE, "is not a mapping of answers")
            self._answers = documents[0]
        return self._answers

    @property
    def slug(self) -> str:
        """The name of the package.

        Raises:
            CannotReadError: When the answers do not name it.
        """
        slug = self.answers.get("project_slug")
        if not isinstance(slug, str) or not slug.isidentifier():
            raise CannotReadError(ANSWERS_FILE, "names no project_slug")
        return slug

    @property
    def env_prefix(self) -> str:
        """What the variables of the project start with."""
        return f"{self.slug.upper()}_"

    def expand(self, pattern: str) -> str:
        """Return a pattern with the package's folder and the slug filled in."""
        if "{" not in pattern:
            return pattern
        return pattern.replace("{package}", f"src/{self.slug}").replace("{slug}", self.slug)

    def glob(self, patterns: Iterable[str], exclude: Iterable[str] = ()) -> list[str]:
        """Return the paths that match one of the patterns and none of the excluded, in order."""
        wanted = tuple(self.expand(p) for p in patterns)
        unwanted = tuple(self.expand(p) for p in exclude)
        key = (*wanted, "", *unwanted)
        if key not in self._globs:
            self._globs[key] = [
                path for path in sorted(self.modes) if selected(path, wanted, unwanted)
            ]
        return self._globs[key]

    def has(self, path: str) -> bool:
        """Return whether there is such a file."""
        return self.expand(path) in self.modes

    def text(self, path: str) -> str:
        """Return the text of a file.

        Raises:
            CannotReadError: When it is missing, a link, too large or not UTF-8.
        """
        path = self.expand(path)
        mode = self.modes.get(path)
        if mode is None:
            raise CannotReadError(path, "is missing")
        if not mode.startswith("100"):
            kind = {"120000": "a symbolic link", "160000": "a submodule"}.get(mode, "no file")
            raise CannotReadError(path, f"is {kind}, which is not followed")
        content = self._snapshot.read(path)
        if content is None:
            raise CannotReadError(path, "is missing")
        return decode(path, content)

    def parsed(self, kind: object, path: str, parse: Callable[[str, str], T]) -> T:
        """Return what `parse(path, text)` says about a file, asked once per content.

        The path counts without the package's name, so that a file of the template is read once for
        a whole fleet; so what is said about it names no path. A failure does: it is remembered for
        this project alone, so that a broken file costs each rule nothing more.
        """
        path = self.expand(path)
        if path not in self.modes:
            raise CannotReadError(path, "is missing")
        if (kind, path) in self._failed:
            raise self._failed[kind, path]
        key = (kind, self._place(path), self._snapshot.files[path].sha)
        try:
            return self._parser.once(key, lambda: parse(path, self.text(path)))
        except ProjectError as error:
            self._failed[kind, path] = error
            raise

    def _place(self, path: str) -> str:
        """Return a path as it is written for all projects, once the package's name is known."""
        slug = self._answers.get("project_slug") if self._answers else None
        package = f"src/{slug}/"
        return f"{{package}}/{path.removeprefix(package)}" if path.startswith(package) else path

    def toml(self, path: str) -> dict[str, object]:
        """Return a TOML document; treat it as read-only."""
        return self.parsed("toml", path, parse_toml)

    def yaml(self, path: str) -> list[object]:
        """Return the documents of a YAML file; treat them as read-only."""
        return self.parsed("yaml", path, parse_yaml)

    def dockerfile(self, path: str) -> list[Instruction]:
        """Return the instructions of a Dockerfile."""
        return self.parsed("dockerfile", path, parse_dockerfile)

    def module(self, path: str) -> Module:
        """Return the index of a Python module; kept for this project only, since trees are large."""
        from .python_code import Module  # noqa: PLC0415  # not needed when every module is known

        if path not in self._modules:
            text = self.text(path)
            tree: ast.Module = parse_python(path, text)
            self._modules[path] = Module(path, tree, text)
        return self._modules[path]

    def remember(self, key: str, find: Callable[[Project], T]) -> T:
        """Return what `find` found in this project, asked once for all rules."""
        if key not in self._remembered:
            self._remembered[key] = find(self)
        return self._remembered[key]  # type: ignore[return-value]  # stored above under the same key

    def look(
        self,
        key: object,
        path: str,
        looker: Callable[[Module], Iterable[tuple[int, str]]],
        hints: tuple[str, ...] = (),
    ) -> tuple[tuple[int, str], ...]:
        """Return what `looker` sees in a module, as (line, message), once per content.

        `key` names the looker with all that decides what it sees but the content and the path. A
        text that holds none of the `hints` is not parsed: there is nothing to see in it. Tests name
        the package, so they differ in every project, and most are passed over this way.
        """

        def see(name: str, text: str) -> tuple[tuple[int, str], ...]:
            if hints and not any(hint in text for hint in hints):
                return ()
            return tuple(looker(self.module(name)))

        return self.parsed(("look", key), path, see)
