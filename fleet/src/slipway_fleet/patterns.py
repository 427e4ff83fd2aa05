"""Path patterns, the same everywhere: in fleet.toml, in rules and in the template's manifest."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache


@cache
def compile_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a test for whole paths; `*` and `?` stay on one level, `**` crosses levels."""
    found = ""
    position = 0
    while position < len(pattern):
        rest = pattern[position:]
        if rest.startswith("**/"):
            found, position = found + "(?:[^/]+/)*", position + 3
        elif rest.startswith("**"):
            found, position = found + ".*", position + 2
        else:
            found += {"*": "[^/]*", "?": "[^/]"}.get(rest[0], re.escape(rest[0]))
            position += 1
    compiled = re.compile(found, re.DOTALL)
    return lambda path: compiled.fullmatch(path) is not None


@cache
def below(pattern: str) -> Callable[[str], bool]:
    """Return a test for a path that the pattern names, or that lies in a folder it names."""
    itself, inside = compile_pattern(pattern), compile_pattern(f"{pattern}/**")
    return lambda path: itself(path) or inside(path)


def selected(name: str, include: Iterable[str], exclude: Iterable[str]) -> bool:
    """Tell whether a name is chosen by one list of patterns and not dropped by the other."""
    return any(compile_pattern(p)(name) for p in include) and not any(
        compile_pattern(p)(name) for p in exclude
    )
