"""Checks of settings and of secrets in them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import ClassVar

from ..model import Sighting
from ..options import Options
from ..project import Project
from ..python_code import Module, constant, keyword, mentions
from .base import ModuleCheck

_SECRET_WORDS = (
    "password", "passwd", "passphrase", "secret", "token", "api_key", "apikey", "private_key",
    "access_key", "signing_key", "master_key", "encryption_key", "credentials", "dsn",
)  # fmt: skip
_HARMLESS = re.compile(r"(?i)|true|false|[0-9.]+")
_MADE_UP = re.compile(r"(?i)^$|^[.*x<>_-]+$|example|changeme|placeholder|redacted|^\W")


def settings_classes(module: Module) -> Iterator[ast.ClassDef]:
    """Yield classes that hold settings: those that extend a `...Settings` or a `Section`."""
    for node in module.classes():
        bases = [module.name(base).rpartition(".")[2] for base in node.bases]
        if any(base.endswith("Settings") or base == "Section" for base in bases):
            yield node


def fields(node: ast.ClassDef) -> Iterator[tuple[str, ast.AnnAssign]]:
    """Yield the fields of a class of settings; class variables and private names are none."""
    for statement in node.body:
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            name = statement.target.id
            if not name.startswith("_") and "ClassVar" not in ast.dump(statement.annotation):
                yield name, statement


class SettingsClass(ModuleCheck):
    """A project's settings extend the platform's; otherwise its production checks never run."""

    paths: ClassVar[tuple[str, ...]] = ("{package}/settings.py",)

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield also that there is no such module."""
        if not project.glob(self._paths):
            yield Sighting(f"There is no {project.expand(self._paths[0])}.")
        yield from super().__call__(project)

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield that nothing extends PlatformSettings, or that its checks are dropped."""
        mine = [
            node
            for node in module.classes()
            if any(module.name(base).endswith("PlatformSettings") for base in node.bases)
        ]
        if not mine:
            yield 1, "No class here extends PlatformSettings."
        for node in mine:
            for inner in node.body:
                named = isinstance(inner, ast.FunctionDef) and inner.name
                if named == "require_secure":
                    yield inner.lineno, "`require_secure` is replaced, so nothing refuses to start."
                elif named == "insecure_settings" and "super" not in ast.dump(inner):
                    yield (
                        inner.lineno,
                        "`insecure_settings` drops the platform's rules: yield from super().",
                    )


class SecretSettings(ModuleCheck):
    """A secret that is a plain text shows in every repr, log and error report."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield fields with a secret's name that are not SecretStr."""
        for node in settings_classes(module):
            for name, field in fields(node):
                kind = ast.unparse(field.annotation)
                if mentions(name, _SECRET_WORDS) and re.search(r"\bstr\b", kind):
                    yield field.lineno, f"`{name}` is a secret: its type must be SecretStr."


class DescribedSettings(ModuleCheck):
    """A setting without a description is one that nobody can operate."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield fields without a description; sections describe themselves."""
        for node in settings_classes(module):
            for name, field in fields(node):
                value = field.value
                if isinstance(value, ast.Call):
                    called = module.name(value.func).rpartition(".")[2]
                    if called == "model_construct" or (
                        called == "Field" and keyword(value, "description") is not None
                    ):
                        continue
                yield field.lineno, f"The setting `{name}` has no description."


class HardCodedSecrets(ModuleCheck):
    """A secret in the code is known to everyone who can read it, for ever."""

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield literals that are given to names of secrets."""
        for name, value, line in self._given(module):
            text = constant(value)
            if (
                isinstance(text, str)
                and mentions(name, _SECRET_WORDS)
                and len(text) >= 6
                and not _MADE_UP.search(text)
                and not re.search(r"[\s{}/]", text)
                and text.lower().replace("-", "_") != name.lower()
            ):
                yield line, f"`{name}` has its value in the code."

    def _given(self, module: Module) -> Iterator[tuple[str, ast.AST | None, int]]:
        for node in module.nodes(ast.Assign):
            for target in node.targets:
                yield _last(target), node.value, node.lineno
        for field in module.nodes(ast.AnnAssign):
            yield _last(field.target), field.value, field.lineno
        for call in module.nodes(ast.Call):
            for given in call.keywords:
                yield given.arg or "", given.value, given.value.lineno
        for function in module.functions():
            arguments = function.args
            named = [*arguments.posonlyargs, *arguments.args]
            pairs = [*zip(reversed(named), reversed(arguments.defaults), strict=False)]
            pairs += [
                (a, d)
                for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
                if d
            ]
            for argument, default in pairs:
                yield argument.arg, default, argument.lineno


def _last(target: ast.AST) -> str:
    if isinstance(target, ast.Attribute):
        return target.attr
    if isinstance(target, ast.Subscript):
        return str(constant(target.slice) or "")
    return target.id if isinstance(target, ast.Name) else ""


class EnvironmentExample:
    """The example names every variable under the project's prefix and holds no secret."""

    _LINE = re.compile(r"^#?([A-Z][A-Z0-9_]*)=(.*)$")

    def __init__(self, options: Options) -> None:
        """Take the path from the rule file."""
        self._path = options.text("path", ".env.example")

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield lines with a foreign prefix and secrets with a value."""
        prefix = project.env_prefix
        for number, line in enumerate(project.text(self._path).split("\n"), 1):
            hit = self._LINE.match(line)
            if not hit:
                continue
            name, value = hit[1], hit[2].strip("\"' ")
            if not name.startswith(prefix):
                yield Sighting(f"{name} does not start with {prefix}.", self._path, number)
            elif mentions(name.removeprefix(prefix), _SECRET_WORDS) and not _HARMLESS.fullmatch(
                value
            ):
                yield Sighting(f"{name} has a value here; leave it empty.", self._path, number)
