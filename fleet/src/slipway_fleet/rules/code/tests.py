"""Checks of a project's tests, which are read and never run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar

from ..model import Sighting
from ..options import Options
from ..project import Project
from ..python_code import Module, constant, keyword
from .base import ModuleCheck


class SkippedTests(ModuleCheck):
    """A test that is always skipped proves nothing; one with a reason is at least a decision."""

    paths: ClassVar[tuple[str, ...]] = ("tests/**/*.py",)
    hints: ClassVar[tuple[str, ...]] = ("skip", "xfail")

    def look(self, module: Module) -> Iterator[tuple[int, str]]:
        """Yield skips without a reason, and expected failures that do not fail when they pass."""
        for name, call in module.calls:
            if name in {"pytest.mark.skip", "pytest.mark.xfail"}:
                reason = keyword(call, "reason") or (call.args[0] if call.args else None)
                if not constant(reason):
                    yield call.lineno, f"{name} gives no reason."
        for function in module.functions():
            for decorator in function.decorator_list:
                if module.name(decorator) in {"pytest.mark.skip", "pytest.mark.xfail"}:
                    yield decorator.lineno, f"{module.name(decorator)} gives no reason."


class UntestedPackages:
    """Each package of the project's own has tests beside those that the platform brought."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield packages with code that no test module is named after or imports."""
        slug = project.slug
        packages = {
            path.split("/")[2]
            for path in project.glob(("{package}/*/**/*.py",))
            if not path.endswith("__init__.py") and "/migrations/" not in path
        }
        tested = {
            path.split("/")[1]
            for path in project.glob(("tests/*/**/test_*.py", "tests/*/test_*.py"))
        }
        for package in sorted(packages - tested):
            if not self._imported(project, f"{slug}.{package}"):
                said = f"No test module is about the package {package}."
                yield Sighting(said, f"src/{slug}/{package}/__init__.py")

    @staticmethod
    def _imported(project: Project, name: str) -> bool:
        pattern = re.compile(rf"\b{re.escape(name)}\b")
        return any(
            pattern.search(project.text(path)) for path in project.glob(("tests/**/test_*.py",))
        )
