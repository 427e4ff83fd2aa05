# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Modules that the project's own code imports and that an update took away."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath


def module_of(path: str) -> str:
    """Return the dotted name of a module of the package, or an empty string."""
    parts = PurePosixPath(path).with_suffix("").parts
    if not path.endswith(".py") or parts[0] != "src":
        return ""
    return ".".join(parts[1:-1] if parts[-1] == "__init__" else parts[1:])


def broken_imports(project: Path, gone: Iterable[str], files: Iterable[str]) -> list[str]:
    """Return each import of a module that is gone, as `path:line imports module`."""
    modules = {module_of(path) for path in gone} - {""}
    modules = {name for name in modules if not _exists(project, name)}
    found = []
    for path in sorted(files) if modules else []:
        try:
            tree = ast.parse((project / path).read_bytes())
        except (OSError, SyntaxError, ValueError):
            continue  # what can't be read is for the project's own checks to say
        for line, name in _imported(tree, path):
            if name in modules:
                found.append(f"{path}:{line} imports {name}")
    return list(dict.fromkeys(found))


def _exists(project: Path, name: str) -> bool:
    place = project.joinpath("src", *name.split("."))
    return place.with_suffix(".py").is_file() or (place / "__init__.py").is_file()


def _imported(tree: ast.Module, path: str) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, path)
            yield node.lineno, base
            yield from ((node.lineno, f"{base}.{alias.name}") for alias in node.names)


def _base(node: ast.ImportFrom, path: str) -> str:
    """Return the absolute name of what is imported from."""
    if not node.level:
        return node.module or ""
    package = PurePosixPath(path).parts[1:-1]  # without `src` and the file
    above = package[: len(package) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])
