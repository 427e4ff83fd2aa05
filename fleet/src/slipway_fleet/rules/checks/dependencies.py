"""Checks of what a project depends on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from ..errors import CannotReadError
from ..model import Check, Sighting
from ..options import Options
from ..project import Project

PYPROJECT = "pyproject.toml"


@dataclass(frozen=True, slots=True)
class Declared:
    """A requirement of a project.

    Attributes:
        group: `project`, `extra NAME`, `group NAME` or `build`.
        name: Its normalized name.
        requirement: As packaging reads it.
        line: Where it stands in pyproject.toml.
    """

    group: str
    name: str
    requirement: Requirement
    line: int

    @property
    def lowest(self) -> Version | None:
        """The lowest version that the requirement allows, or None without such a bound."""
        bounds = [
            Version(one.version.removesuffix(".*"))
            for one in self.requirement.specifier
            if one.operator in {">=", ">", "==", "~="}
        ]
        return max(bounds, default=None)

    @property
    def is_bounded(self) -> bool:
        """Whether the next major release can not arrive by itself."""
        return any(one.operator in {"<", "<=", "==", "~="} for one in self.requirement.specifier)


def declared(project: Project) -> tuple[Declared, ...]:
    """Return every requirement of pyproject.toml.

    Raises:
        CannotReadError: When one is not written as PEP 508 says.
    """
    return project.parsed("requirements", PYPROJECT, lambda _, text: _read(project, text))


def _read(project: Project, text: str) -> tuple[Declared, ...]:
    document = project.toml(PYPROJECT)
    table = _mapping(document.get("project"))
    groups: dict[str, object] = {"project": table.get("dependencies")}
    for name, listed in _mapping(table.get("optional-dependencies")).items():
        groups[f"extra {name}"] = listed
    for name, listed in _mapping(document.get("dependency-groups")).items():
        groups[f"group {name}"] = listed
    groups["build"] = _mapping(document.get("build-system")).get("requires")
    source = text.split("\n")
    found = []
    for group, listed in groups.items():
        found += [
            _parse(group, written, source)
            for written in (listed if isinstance(listed, list) else ())
            if isinstance(written, str)  # a mapping includes another group
        ]
    return tuple(found)


def _parse(group: str, written: str, source: list[str]) -> Declared:
    try:
        requirement = Requirement(written)
    except InvalidRequirement as error:
        raise CannotReadError(PYPROJECT, f"holds the requirement {written!r}: {error}") from error
    line = next((n for n, text in enumerate(source, 1) if written in text), 0)
    return Declared(group, canonicalize_name(requirement.name), requirement, line)


def _mapping(value: object) -> dict[str, object]:
    return value if isinstance(value, dict) else {}


def dependency(options: Options) -> Check:
    """Ask for a dependency with at least a version, or refuse some.

    `require` maps names to the lowest version allowed. `forbid` maps names to what to use instead;
    a `*` at the end stands for any ending. `groups` limits where is looked: `project`, `extra`,
    `group`, `build`; by default `project` and `extra`, what a service runs with.
    """
    required, forbidden = options.mapping("require", {}), options.mapping("forbid", {})
    groups = options.texts("groups", ("project", "extra"))

    def check(project: Project) -> Iterator[Sighting]:
        present = [one for one in declared(project) if one.group.split()[0] in groups]
        for name, lowest in required.items():
            mine = [one for one in present if one.name == name]
            if not mine:
                yield Sighting(f"{name} is not a dependency.", PYPROJECT)
            for one in mine:
                if one.lowest is None or one.lowest < Version(str(lowest)):
                    said = f"{name} must be at least {lowest}; it is `{one.requirement}`."
                    yield Sighting(said, PYPROJECT, one.line)
        for one in present:
            for name, instead in forbidden.items():
                if one.name == name or (name.endswith("*") and one.name.startswith(name[:-1])):
                    yield Sighting(
                        f"{one.name} is not allowed here: {instead}.", PYPROJECT, one.line
                    )

    return check
