"""The whole inventory: every source, and what of it was listed before."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..config import DirSource, YamlSource
from ..errors import ConfigError, ProjectError
from ..workspace import Workspace
from .clones import is_fetched, is_ours, refresh
from .projects import Project
from .sources import list_source

_AT_ONCE = 8
"""How many clones are fetched at the same time; git is what works, not this process."""


@dataclass
class Inventory:
    """The projects of a fleet.

    Attributes:
        projects: In order of their ids.
        problems: Why a project could not be fetched, by id.
    """

    projects: list[Project]
    problems: dict[str, str] = field(default_factory=dict)


def take(workspace: Workspace, *, refreshed: bool = False, only: tuple[str, ...] = ()) -> Inventory:
    """Return the inventory.

    Folders and files are listed each time. A forge is asked, and our clones are fetched, when
    `refreshed` says so or when that was never done.

    Args:
        workspace: The fleet.
        refreshed: Ask every forge and fetch every clone of ours again.
        only: Ids to keep; empty for all.

    Raises:
        ConfigError: A source is wrong, an id is there twice, or `only` names no project.
        ForgeError: A forge refuses or does not answer.
    """
    found: list[Project] = []
    for number, source in enumerate(workspace.config.source, 1):
        held = workspace.cache / "listings" / f"{number}-{source.type}.json"
        live = isinstance(source, DirSource | YamlSource)
        if live or refreshed or not held.is_file():
            listed = list_source(number, source, workspace.config, workspace.objects)
            if not live:
                _keep(held, listed)
        else:
            listed = [_project(item) for item in json.loads(held.read_text())]
        found += listed
    _check_ids(found)
    if only:
        unknown = sorted(set(only) - {p.id for p in found})
        if unknown:
            raise ConfigError(f"there is no project {unknown[0]!r}: see `fleet inventory`")
        found = [p for p in found if p.id in only]
    inventory = Inventory(sorted(found, key=lambda p: p.id))
    _fetch(inventory, workspace, refreshed=refreshed)
    return inventory


def _fetch(inventory: Inventory, workspace: Workspace, *, refreshed: bool) -> None:
    wanted: dict[Path, list[Project]] = {}  # two projects may be one repository
    for project in inventory.projects:
        if is_ours(project, workspace.cache) and (refreshed or not is_fetched(project)):
            wanted.setdefault(project.path, []).append(project)

    def one(projects: list[Project]) -> dict[str, str]:
        try:
            refresh(projects[0], workspace.cache)
        except ProjectError as error:
            return {project.id: str(error) for project in projects}
        return {}

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for problems in pool.map(one, wanted.values()):
            inventory.problems |= problems


def _check_ids(projects: list[Project]) -> None:
    seen: dict[str, int] = {}
    for project in projects:
        if project.id in seen:
            raise ConfigError(
                f"two projects have the id {project.id!r} (sources {seen[project.id]} and "
                f"{project.source}): leave one out with `exclude`"
            )
        seen[project.id] = project.source


def _keep(path: Path, projects: list[Project]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps([p.as_json() for p in projects]))
    fresh.replace(path)


def _project(item: dict[str, str]) -> Project:
    return Project(**item | {"path": Path(item["path"])})  # type: ignore[arg-type]  # as_json wrote it
