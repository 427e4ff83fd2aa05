"""Checks of what belongs to one feature: migrations, money."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import ClassVar

from ..model import Sighting
from ..options import Options
from ..project import Project
from ..python_code import Module, constant, mentions
from .base import PLATFORM, ModuleCheck

_MONEY = (
    "price",
    "amount",
    "total",
    "balance",
    "cost",
    "fee",
    "tax",
    "discount",
    "salary",
    "money",
)


class FloatMoney(ModuleCheck):
    """A float can not hold a tenth: sums of money drift by a cent and nobody knows where."""

    spared: ClassVar[tuple[str, ...]] = PLATFORM

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield names of money that are typed or made as floats."""
        for field in module.nodes(ast.AnnAssign):
            name = field.target.id if isinstance(field.target, ast.Name) else ""
            if mentions(name, _MONEY) and re.search(r"\bfloat\b", ast.unparse(field.annotation)):
                yield field.lineno, f"`{name}` is money and typed as a float."
        for argument in module.nodes(ast.arg):
            kind = ast.unparse(argument.annotation) if argument.annotation else ""
            if mentions(argument.arg, _MONEY) and re.search(r"\bfloat\b", kind):
                yield argument.lineno, f"`{argument.arg}` is money and typed as a float."
        for node in module.nodes(ast.Assign):
            made = isinstance(node.value, ast.Call) and module.name(node.value.func) == "float"
            if made or isinstance(constant(node.value), float):
                for target in node.targets:
                    if isinstance(target, ast.Name) and mentions(target.id, _MONEY):
                        yield node.lineno, f"`{target.id}` is money and made a float."


class LinearMigrations:
    """Migrations form one line: with two heads no deployment knows which comes first."""

    _WHERE = ("{package}/migrations/*.py",)

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield migrations without an identity, with an unknown parent, or with a sibling."""
        found: dict[str, tuple[str, tuple[str, ...]]] = {}
        for path in project.glob(self._WHERE, ("**/__init__.py", "**/env.py")):
            revision, parents = project.parsed(
                "migration", path, lambda p, _: _read(project.module(p))
            )
            if not revision:
                yield Sighting("This migration has no `revision`.", path, 1)
            elif revision in found:
                yield Sighting(f"The revision {revision} is there twice.", path, 1)
            else:
                found[revision] = (path, parents)
        children: dict[str, list[str]] = {}
        for revision, (path, parents) in found.items():
            for parent in parents:
                children.setdefault(parent, []).append(revision)
                if parent not in found:
                    yield Sighting(f"The parent {parent} of {revision} is missing.", path, 1)
        heads = [revision for revision in found if revision not in children]
        first, *others = sorted(heads) or [""]
        for revision in others:
            said = f"{revision} is a second head, beside {first}: merge them."
            yield Sighting(said, found[revision][0], 1)


def _read(module: Module) -> tuple[str, tuple[str, ...]]:
    """Return the revision of a migration and its parents; those with a colon are of other branches."""
    revision = ""
    parents: tuple[str, ...] = ()
    for statement in module.tree.body:
        target = value = None
        if isinstance(statement, ast.Assign):
            target, value = statement.targets[0], statement.value
        elif isinstance(statement, ast.AnnAssign):
            target, value = statement.target, statement.value
        name = target.id if isinstance(target, ast.Name) else ""
        if name == "revision":
            revision = str(constant(value) or "")
        elif name == "down_revision" and value is not None:
            nodes = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
            parents = tuple(str(constant(n)) for n in nodes if constant(n) is not None)
    return revision, parents
