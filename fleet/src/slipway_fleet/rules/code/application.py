"""Checks of how the application is put together, and of its endpoints."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import ClassVar

from ..model import Sighting
from ..options import Options
from ..project import Project
from ..python_code import Function, Module, constant, keyword
from .base import PLATFORM, ModuleCheck

_METHODS = {"get", "post", "put", "patch", "delete", "head", "options", "api_route"}


class ComposedApplication:
    """The application comes from `build_app`: only it puts the platform's edge around it."""

    _MAIN = "{package}/main.py"

    def __init__(self, options: Options) -> None:
        """Take nothing: where the application is made is the template's to say."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield that main.py does not call it, and other applications that are served."""
        main = project.expand(self._MAIN)
        for line, message in project.look(type(self), main, self._main):
            yield Sighting(message, main, line)
        for path in project.glob(("{package}/**/*.py",), PLATFORM):
            for line, message in project.look((type(self), "other"), path, self._other):
                yield Sighting(message, path, line)

    @staticmethod
    def _main(module: Module) -> Iterator[tuple[int, str]]:
        if not any(name.rpartition(".")[2] == "build_app" for name, _ in module.calls):
            yield 1, "`build_app` is not called, so the platform's middleware is not there."

    @staticmethod
    def _other(module: Module) -> Iterator[tuple[int, str]]:
        for name, call in module.calls:
            if name in {
                "fastapi.FastAPI",
                "fastapi.applications.FastAPI",
                "starlette.applications.Starlette",
            }:
                yield call.lineno, "An application is made by hand, past `build_app`."


class Wired:
    """A function of the platform calls what it must, with nothing switched off.

    Options: `path`, `function`, `calls` (names, all needed) and `never` (keyword: literal that
    switches something off).
    """

    def __init__(self, options: Options) -> None:
        """Take them from the rule file."""
        self._path, self._function = options.text("path"), options.text("function")
        self._calls = options.texts("calls")
        self._never = tuple(options.mapping("never", {}).items())

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield what is not called."""
        path = project.expand(self._path)
        key = (type(self), self._function, self._calls, self._never)
        for line, message in project.look(key, path, self._look):
            yield Sighting(message, path, line)

    def _look(self, module: Module) -> Iterator[tuple[int, str]]:
        found = next((f for f in module.functions() if f.name == self._function), None)
        if found is None:
            yield 1, f"There is no function `{self._function}`."
            return
        calls = [
            (module.name(node.func).rpartition(".")[2], node)
            for node in ast.walk(found)
            if isinstance(node, ast.Call)
        ]
        for wanted in self._calls:
            if wanted not in {name for name, _ in calls}:
                yield found.lineno, f"`{self._function}` does not call `{wanted}`."
        for _, call in calls:
            for name, value in self._never:
                given = keyword(call, name)
                if isinstance(given, ast.Constant) and given.value is value:
                    yield given.lineno, f"`{name}={value!r}` switches a protection off."


class OpenOrigins(ModuleCheck):
    """A wildcard lets every web site call the API from its visitors' browsers."""

    _NAMES = ("allow_origins", "allowed_origins", "allow_origin_regex", "allowed_hosts")

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield wildcards that are given to a keyword, a variable or a field."""
        for call in module.nodes(ast.Call):
            for given in call.keywords:
                if given.arg in self._NAMES and _is_wildcard(given.value):
                    yield given.value.lineno, f"`{given.arg}` lets everything in."
        for field in module.nodes(ast.AnnAssign):
            name = field.target.id if isinstance(field.target, ast.Name) else ""
            if name in self._NAMES and field.value is not None and _is_wildcard(field.value):
                yield field.lineno, f"`{name}` lets everything in."


def _is_wildcard(node: ast.AST) -> bool:
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        return any(_is_wildcard(item) for item in node.elts)
    if isinstance(node, ast.Call):
        return any(_is_wildcard(k.value) for k in node.keywords if k.arg == "default")
    return constant(node) in {"*", ".*", "http://*", "https://*"}


class EndpointContracts(ModuleCheck):
    """An endpoint says what it returns and what it does; clients are generated from that."""

    spared: ClassVar[tuple[str, ...]] = PLATFORM

    def __init__(self, options: Options) -> None:
        """Take `ask`, `type` or `description`, from the rule file."""
        super().__init__(options)
        self._ask = options.text("ask")

    def _key(self) -> object:
        return self._ask

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield endpoints without a type for what they return, or without a description."""
        for function in module.functions():
            for decorator in function.decorator_list:
                if not isinstance(decorator, ast.Call) or not self._is_route(module, decorator):
                    continue
                if self._ask == "type" and not self._has_type(function, decorator):
                    yield function.lineno, f"`{function.name}` does not say what it returns."
                if self._ask == "description" and ast.get_docstring(function) is None:
                    yield function.lineno, f"`{function.name}` has no docstring."

    @staticmethod
    def _is_route(module: Module, decorator: ast.Call) -> bool:
        owner, _, method = module.name(decorator.func).rpartition(".")
        return method in _METHODS and owner.rpartition(".")[2].lower().endswith(("router", "app"))

    @staticmethod
    def _has_type(function: Function, decorator: ast.Call) -> bool:
        typed = function.returns is not None and ast.unparse(function.returns) not in {
            "Any",
            "dict",
        }
        return typed or keyword(decorator, "response_model") is not None
