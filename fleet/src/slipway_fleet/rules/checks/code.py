"""Checks of Python by names: which calls and imports a project may not use."""

from __future__ import annotations

import ast
import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Check, Sighting
from ..options import Options
from ..project import Project
from ..python_code import Module, constant, is_fstring, keyword

SOURCES = ("src/**/*.py",)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A call that is not allowed.

    Attributes:
        names: Patterns of the name with imports resolved, such as `os.system` or `*.commit`.
        keywords: Keyword arguments with the literal that makes it wrong.
        missing: Keywords whose absence makes it wrong.
        built_text: Whether it is wrong only when its first argument is put together.
        safe_arguments: Patterns of argument names with which it is fine.
        no_arguments: Whether it is wrong only without arguments.
        message: Says so.
    """

    names: tuple[str, ...]
    keywords: tuple[tuple[str, object], ...]
    missing: tuple[str, ...]
    built_text: bool
    safe_arguments: tuple[str, ...]
    no_arguments: bool
    message: str

    @classmethod
    def read(cls, options: Options) -> Pattern:
        """Return a pattern from a rule file."""
        pattern = cls(
            options.texts("call"),
            tuple(options.mapping("keywords", {}).items()),
            options.texts("without-keyword", ()),
            options.flag("built-text"),
            options.texts("safe-arguments", ()),
            options.flag("no-arguments"),
            options.text("message"),
        )
        options.done()
        return pattern

    def hits(self, module: Module, name: str, call: ast.Call) -> bool:
        """Return whether a call is one that is not allowed."""
        if not any(fnmatch.fnmatchcase(name, wanted) for wanted in self.names):
            return False
        if any(constant(keyword(call, key)) is not value for key, value in self.keywords):
            return False
        if self.missing and any(keyword(call, key) is not None for key in self.missing):
            return False
        if self.no_arguments and (call.args or call.keywords):
            return False
        if self.built_text and not (call.args and is_fstring(call.args[0])):
            return False
        given = [module.name(value) for value in [*call.args, *(k.value for k in call.keywords)]]
        return not any(fnmatch.fnmatchcase(g, safe) for g in given for safe in self.safe_arguments)


def python_calls(options: Options) -> Check:
    """Refuse calls in `paths` (by default all sources), `except` aside: `forbid` lists patterns."""
    paths, spared = options.texts("paths", SOURCES), options.texts("except", ())
    patterns = tuple(Pattern.read(one) for one in options.mappings("forbid"))
    # A call whose last word is in no pattern is passed over without looking closer.
    endings = {name.rpartition(".")[2] for pattern in patterns for name in pattern.names}
    any_ending = any("*" in ending for ending in endings)

    def look(module: Module) -> Iterator[tuple[int, str]]:
        for name, call in module.calls:
            if name and (any_ending or name.rpartition(".")[2] in endings):
                for pattern in patterns:
                    if pattern.hits(module, name, call):
                        yield call.lineno, pattern.message
                        break

    def check(project: Project) -> Iterator[Sighting]:
        for path in project.glob(paths, spared):
            hints = () if any_ending else tuple(sorted(endings))
            for line, message in project.look(("calls", patterns), path, look, hints):
                yield Sighting(message, path, line)

    return check


def python_imports(options: Options) -> Check:
    """Refuse imports in `paths` (by default all sources), `except` aside.

    `forbid` maps modules to what to use instead; a module stands for all inside it.
    """
    paths, spared = options.texts("paths", SOURCES), options.texts("except", ())
    forbidden = tuple((name, str(what)) for name, what in options.mapping("forbid").items())

    def look(module: Module) -> Iterator[tuple[int, str]]:
        for name, line in module.imports:
            for unwanted, instead in forbidden:
                if name == unwanted or name.startswith(f"{unwanted}."):
                    yield line, f"{unwanted} must not be imported here: {instead}."

    def check(project: Project) -> Iterator[Sighting]:
        for path in project.glob(paths, spared):
            hints = tuple(name.rpartition(".")[2] for name, _ in forbidden)
            for line, message in project.look(("imports", forbidden), path, look, hints):
                yield Sighting(message, path, line)

    return check
