"""Checks of the supply chain: what is asked for, what is locked, where it comes from."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from ..checks.dependencies import PYPROJECT, declared
from ..errors import CannotReadError, NotCheckedError
from ..model import Sighting
from ..options import Options
from ..project import Project
from .base import listed, mapping

LOCK = "uv.lock"


DATA = frozenset({"certifi", "tzdata"})
"""Packages of data, whose new releases are wanted and break nothing."""


class BoundedDependencies:
    """What a service runs with has a lowest version and an end before the next major one."""

    def __init__(self, options: Options) -> None:
        """Take `groups` and `only-upper` from the rule file."""
        self._groups = options.texts("groups")

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield requirements without bounds."""
        for one in declared(project):
            if one.group.split()[0] not in self._groups or one.requirement.url:
                continue
            if one.lowest is None:
                said = f"`{one.requirement}` has no lowest version."
                yield Sighting(said, PYPROJECT, one.line)
            elif not one.is_bounded and one.name not in DATA:
                said = f"`{one.requirement}` takes the next major release by itself."
                yield Sighting(said, PYPROJECT, one.line)


class DirectReferences:
    """A dependency from an address has no release, no audit and no hash of a registry."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield requirements with an address, and sources that replace the registry."""
        for one in declared(project):
            if one.requirement.url:
                said = f"{one.name} comes from an address instead of the package index."
                yield Sighting(said, PYPROJECT, one.line)
        uv = mapping(mapping(project.toml(PYPROJECT).get("tool")).get("uv"))
        for name, source in mapping(uv.get("sources")).items():
            for one_source in source if isinstance(source, list) else [source]:
                kinds = {"git", "url", "path"} & set(mapping(one_source))
                if kinds:
                    yield Sighting(f"{name} comes from a {kinds.pop()} source.", PYPROJECT)


class PythonFloor:
    """The lowest Python is a supported one, and everything that names it agrees."""

    def __init__(self, options: Options) -> None:
        """Take the lowest version the platform supports from the rule file."""
        self._lowest = Version(options.text("lowest"))

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield a floor that is too low, and answers or tools that say another one."""
        text = project.text(PYPROJECT)
        line = next((n for n, one in enumerate(text.split("\n"), 1) if "requires-python" in one), 0)
        asked = mapping(project.toml(PYPROJECT).get("project")).get("requires-python")
        try:
            bounds = [s.version for s in SpecifierSet(str(asked)) if s.operator in {">=", "=="}]
        except InvalidSpecifier as error:
            raise CannotReadError(PYPROJECT, f"holds requires-python {asked!r}: {error}") from error
        if asked is None or not bounds:
            yield Sighting("requires-python names no lowest version.", PYPROJECT, line)
            return
        floor = Version(bounds[0].removesuffix(".*"))
        if floor < self._lowest:
            said = f"Python {floor} is below {self._lowest}, the lowest the platform supports."
            yield Sighting(said, PYPROJECT, line)
        answer = str(project.answers.get("python_version", floor))
        if Version(answer).release[:2] != floor.release[:2]:
            said = f"requires-python says {floor}, the recorded answer {answer}."
            yield Sighting(said, PYPROJECT, line)


class LockAgrees:
    """The lock file holds what pyproject.toml asks for; otherwise nothing is what was tested."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield requirements that the lock does not hold in a version that fits."""
        packages = locked(project)
        versions = {name: [p for p in packages if p["name"] == name] for name in _names(packages)}
        for one in declared(project):
            if one.group == "build":
                continue
            found = versions.get(one.name, [])
            if not found:
                yield Sighting(f"{one.name} is not in {LOCK}: run `uv lock`.", LOCK)
            elif not any(_fits(one.requirement.specifier, str(p.get("version"))) for p in found):
                said = (
                    f"{LOCK} holds {one.name} {found[0].get('version')}, not `{one.requirement}`."
                )
                yield Sighting(said, LOCK)


class LockSources:
    """Everything that is locked comes from the package index, with hashes."""

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield packages from elsewhere, and files without a hash."""
        for package in locked(project):
            source = mapping(package.get("source"))
            if {"editable", "virtual", "workspace"} & set(source):
                continue
            if "registry" not in source:
                kind = next(iter(source), "nowhere")
                yield Sighting(f"{package['name']} is locked from {kind}.", LOCK)
                continue
            files = [*listed(package.get("wheels")), package.get("sdist")]
            if any("hash" not in mapping(one) for one in files if one):
                yield Sighting(f"A file of {package['name']} is locked without a hash.", LOCK)


def locked(project: Project) -> list[dict[str, object]]:
    """Return the packages of the lock file.

    Raises:
        NotCheckedError: When there is none yet: a project makes it at its first set-up.
    """
    if LOCK not in project.modes:
        raise NotCheckedError(f"there is no {LOCK} yet: `uv sync` writes it")
    packages = listed(project.toml(LOCK).get("package"))
    return [p for p in packages if isinstance(p, dict) and isinstance(p.get("name"), str)]


def _names(packages: list[dict[str, object]]) -> set[str]:
    return {canonicalize_name(str(package["name"])) for package in packages}


def _fits(specifier: SpecifierSet, version: str) -> bool:
    try:
        return specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return not re.search(r"\d", str(specifier))
