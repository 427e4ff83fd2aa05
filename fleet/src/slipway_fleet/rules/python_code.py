"""An index of one Python module: what it imports, calls, defines, by fully qualified names."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from typing import TypeVar

N = TypeVar("N", bound=ast.AST)
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Module:
    """One parsed module.

    Attributes:
        path: Where it stands in the project.
        tree: Its syntax tree.
        text: Its source.
    """

    def __init__(self, path: str, tree: ast.Module, text: str) -> None:
        """Take a parsed module."""
        self.path = path
        self.tree = tree
        self.text = text

    @functools.cached_property
    def _by_type(self) -> dict[type[ast.AST], list[ast.AST]]:
        """All nodes by their exact type: one walk serves every rule."""
        index: dict[type[ast.AST], list[ast.AST]] = {}
        for node in ast.walk(self.tree):
            index.setdefault(type(node), []).append(node)
        return index

    def nodes(self, *types: type[N]) -> Iterator[N]:
        """Yield the nodes of some types."""
        for kind in types:
            yield from self._by_type.get(kind, ())  # type: ignore[misc]  # the index is by type

    @functools.cached_property
    def imports(self) -> list[tuple[str, int]]:
        """Each imported module or name, in full, with its line; relative ones start with dots."""
        found = []
        for node in self.nodes(ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        for origin in self.nodes(ast.ImportFrom):
            start = "." * origin.level + (origin.module or "")
            joint = "" if start.endswith(".") else "."
            found += [(f"{start}{joint}{alias.name}", origin.lineno) for alias in origin.names]
        return found

    @functools.cached_property
    def _names(self) -> dict[str, str]:
        """What each imported name stands for."""
        known = {}
        for node in self.nodes(ast.Import):
            for alias in node.names:
                known[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        for origin in self.nodes(ast.ImportFrom):
            start = "." * origin.level + (origin.module or "")
            joint = "" if start.endswith(".") else "."
            for alias in origin.names:
                known[alias.asname or alias.name] = f"{start}{joint}{alias.name}"
        return known

    def name(self, node: ast.AST) -> str:
        """Return the dotted name of an expression with imports resolved; empty when it has none."""
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Call):
            # `get_logger(__name__).info` is the method of whatever the call returns.
            inner = self.name(node.func)
            return ".".join([f"{inner}()", *reversed(parts)]) if inner else ""
        if not isinstance(node, ast.Name):
            return ".".join(["?", *reversed(parts)]) if parts else ""
        return ".".join([self._names.get(node.id, node.id), *reversed(parts)])

    @functools.cached_property
    def calls(self) -> list[tuple[str, ast.Call]]:
        """Each call with the name of what is called."""
        return [(self.name(node.func), node) for node in self.nodes(ast.Call)]

    def functions(self) -> Iterator[Function]:
        """Yield every function, async ones included."""
        yield from self.nodes(ast.FunctionDef)
        yield from self.nodes(ast.AsyncFunctionDef)

    def classes(self) -> Iterator[ast.ClassDef]:
        """Yield every class."""
        yield from self.nodes(ast.ClassDef)


def keyword(call: ast.Call, name: str) -> ast.expr | None:
    """Return the value of a keyword argument, or None."""
    return next((k.value for k in call.keywords if k.arg == name), None)


def constant(node: ast.AST | None) -> object:
    """Return the value of a literal, or None for whatever else."""
    return node.value if isinstance(node, ast.Constant) else None


def own_body(function: Function) -> Iterator[ast.AST]:
    """Yield the nodes of a function without those of functions inside it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def is_fstring(node: ast.AST) -> bool:
    """Return whether a string is put together from values: f-string, `%`, `+` or `.format()`."""
    if isinstance(node, ast.JoinedStr):
        return any(isinstance(part, ast.FormattedValue) for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Mod, ast.Add)):
        return any(_is_text(side) for side in (node.left, node.right))
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "format"
        and _is_text(node.func.value)
    )


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.JoinedStr) or isinstance(constant(node), str) or is_fstring(node)


def words(name: str) -> set[str]:
    """Return the words of a snake_case name."""
    return set(name.lower().strip("_").split("_"))


def mentions(name: str, terms: Iterable[str]) -> bool:
    """Return whether a snake_case name holds one of the terms as whole words."""
    padded = f"_{name.lower().strip('_')}_"
    return any(f"_{term}_" in padded for term in terms)
