"""Checks of the settings that a project's files give to its deployments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ..model import Check, Sighting
from ..options import Options
from ..project import Project
from .containers import DOCKERFILES
from .documents import yaml_line

MANIFESTS = ("deploy/**/*.yaml", "deploy/**/*.yml", "k8s/**/*.yaml", "charts/**/*.yaml")
_ASSIGNMENT = re.compile(r"""([A-Z][A-Z0-9_]*)=("[^"]*"|'[^']*'|\S*)""")


@dataclass(frozen=True, slots=True)
class Given:
    """A variable that a file sets.

    Attributes:
        name: Without the project's prefix.
        value: As text.
        path: The file.
        line: Where in it.
        production: Whether it goes to production; compose files are for one's own machine.
    """

    name: str
    value: str
    path: str
    line: int
    production: bool


def given_settings(project: Project) -> list[Given]:
    """Return what Dockerfiles, Kubernetes manifests, kustomizations and compose files set."""
    found: list[Given] = []
    prefix = project.env_prefix
    for path in project.glob(DOCKERFILES):
        for one in project.dockerfile(path):
            if one.name == "ENV":
                for name, value in _ASSIGNMENT.findall(one.value):
                    found.append(Given(name, value.strip("\"'"), path, one.line, production=True))
    for path in project.glob(MANIFESTS):
        compose = "compose" in path.rpartition("/")[2]
        for document in project.yaml(path):
            for place, name, value in _assignments(document, ""):
                if name.startswith(prefix):
                    line = yaml_line(project, path, place)
                    found.append(Given(name, value, path, line, production=not compose))
    return [
        Given(one.name.removeprefix(prefix), one.value, one.path, one.line, one.production)
        for one in found
        if one.name.startswith(prefix)
    ]


def _assignments(value: object, place: str) -> Iterator[tuple[str, str, str]]:
    """Yield (place, name, value) of literals, `env` lists and mappings of upper-case names."""
    if isinstance(value, list):
        for number, item in enumerate(value):
            here = f"{place}[{number}]"
            if isinstance(item, str) and (hit := _ASSIGNMENT.fullmatch(item)):
                yield here, hit[1], hit[2].strip("\"'")
            elif isinstance(item, dict) and isinstance(item.get("name"), str) and "value" in item:
                yield here, item["name"], _text(item["value"])
            else:
                yield from _assignments(item, here)
    elif isinstance(value, dict):
        for key, item in value.items():
            here = f"{place}.{key}".lstrip(".")
            if isinstance(item, (dict, list)):
                yield from _assignments(item, here)
            elif re.fullmatch(r"[A-Z][A-Z0-9_]+", str(key)):
                yield here, str(key), _text(item)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def deployed_setting(options: Options) -> Check:
    """Refuse values of settings in what is deployed.

    `name` is a pattern of the variable without the project's prefix, `forbid` one of its value.
    `require` instead asks that each Kubernetes overlay that sets anything sets it.
    """
    name, message = options.pattern("name"), options.text("message")
    forbid = options.pattern("forbid") if options.has("forbid") else None
    everywhere = options.flag("compose")
    required = options.flag("required-in-overlays")

    def check(project: Project) -> Iterator[Sighting]:
        found = project.remember("deployed", given_settings)
        for one in found:
            hit = name.fullmatch(one.name) and (one.production or everywhere)
            if hit and forbid and forbid.search(one.value):
                yield Sighting(f"{message} {one.name}={one.value[:60]}", one.path, one.line)
        overlays = project.glob(("deploy/kubernetes/overlays/*/kustomization.yaml",))
        for path in overlays if required else ():
            if not any(one.path == path and name.fullmatch(one.name) for one in found):
                yield Sighting(message, path)

    return check
