"""Sources: a folder of clones, a file, a GitHub organisation, a GitLab group."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from ..config import (
    AnySource,
    DirSource,
    FleetConfig,
    GitHubSource,
    GitLabSource,
    YamlSource,
    checked_url,
)
from ..credentials import Credentials
from ..errors import ConfigError, ProjectError
from ..git import GitError, Repository, Store
from ..patterns import selected
from .clones import clone_path
from .projects import Project

_KEYS = {"id", "url", "path", "branch", "owner", "slug"}


def list_source(number: int, source: AnySource, config: FleetConfig, store: Store) -> list[Project]:
    """Return the projects of a source, in order of their ids.

    Raises:
        ConfigError: The source is wrong, or not there.
        ForgeError: The forge refuses or does not answer.
    """
    if isinstance(source, DirSource):
        found = list(_of_folder(source, config.path(source.path), store))
    elif isinstance(source, YamlSource):
        found = list(_of_file(source, config))
    else:
        found = list(_of_forge(source, config))
    kept = (p for p in found if selected(p.id, source.include, source.exclude))
    return sorted((_numbered(p, number, source.owner) for p in kept), key=lambda p: p.id)


def _numbered(project: Project, number: int, owner: str) -> Project:
    fields = project.__dict__ | {"source": number, "owner": project.owner or owner}
    return Project(**fields)


def _of_folder(source: DirSource, folder: Path, store: Store) -> Iterator[Project]:
    if not folder.is_dir():
        raise ConfigError(f"source {folder}: there is no such folder")
    for path in sorted(_clones(folder, source.depth)):
        name = path.relative_to(folder).as_posix().removesuffix(".git")
        yield Project(id=name, path=path, url=_push_url(path, store))


def _clones(folder: Path, depth: int) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        inner = sorted(
            (e for e in entries if e.is_dir(follow_symlinks=False)), key=lambda e: e.name
        )
    for entry in inner:
        path = Path(entry.path)
        if entry.name.startswith(".") and not entry.name.endswith(".git"):
            continue
        if os.path.lexists(path / ".git") or os.path.lexists(path / "HEAD"):
            yield path
        elif depth > 1:
            yield from _clones(path, depth - 1)
        else:
            yield path  # something that should be a clone and is none: it shows up as unreadable


def _push_url(path: Path, store: Store) -> str:
    """Return the address of `origin`; a bare repository without one is its own remote."""
    try:
        repository = Repository.find(path)
    except ProjectError:
        return ""
    settings = repository.common / "config"
    if settings.is_file():
        try:
            asked = ("config", "--file", str(settings.resolve()), "--no-includes")
            found = store.run(*asked, "--get", "remote.origin.url", ok=(0, 1))
            if found.strip():
                return checked_url(found.decode().strip())
        except (GitError, ValueError, UnicodeDecodeError):
            return ""
    return str(path.resolve()) if repository.git_dir == path else ""


def _of_file(source: YamlSource, config: FleetConfig) -> Iterator[Project]:
    path = config.path(source.path)
    try:
        listed = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"source {path} cannot be read: {error}") from error
    if not isinstance(listed, list):
        raise ConfigError(f"source {path}: a list of projects is expected")
    seen: set[str] = set()
    for number, item in enumerate(listed, 1):
        project = _of_item(item, f"{path}, project {number}", source, config)
        if project.id in seen:
            raise ConfigError(f"{path}, project {number}: the id {project.id!r} is there twice")
        seen.add(project.id)
        yield project


def _of_item(item: Any, where: str, source: YamlSource, config: FleetConfig) -> Project:
    if not isinstance(item, dict) or not all(isinstance(v, str) for v in item.values()):
        raise ConfigError(
            f"{where}: keys and texts are expected, such as {{id: a, url: https://…}}"
        )
    unknown = sorted(set(item) - _KEYS)
    if unknown:
        known = ", ".join(sorted(_KEYS))
        raise ConfigError(f"{where}: unknown key {unknown[0]!r}; there are {known}")
    if "id" not in item or not ("url" in item or "path" in item):
        raise ConfigError(f"{where}: an id, and a url or a path, are needed")
    try:
        url = checked_url(item["url"]) if "url" in item else ""
    except ValueError as error:
        raise ConfigError(f"{where}: url: {error}") from error
    local = "path" in item
    return Project(
        id=item["id"],
        path=config.path(Path(item["path"])) if local else clone_path(config.cache, url),
        url=url,
        branch=item.get("branch", ""),
        owner=item.get("owner", ""),
        forge=source.forge,
        api=source.api,
        slug=item.get("slug", ""),
        token_env=source.token_env,
    )


def _of_forge(source: GitHubSource | GitLabSource, config: FleetConfig) -> Iterator[Project]:
    from ..forges import Forge, GitHub, GitLab  # noqa: PLC0415  # HTTP is imported when needed

    token = Credentials(source.token_env, required=True).token()
    forge: Forge
    if isinstance(source, GitHubSource):
        forge, group, kind = GitHub(source.api, token), source.organization, "github"
    else:
        forge, group, kind = GitLab(source.api, token), source.group, "gitlab"
    try:
        listed = forge.repositories(group)
    finally:
        forge.close()
    for found in listed:
        if (found.archived and not source.archived) or not found.branch:
            continue
        if source.topic and source.topic not in found.topics:
            continue
        yield Project(
            id=found.slug.removeprefix(f"{group}/"),
            path=clone_path(config.cache, found.url),
            url=found.url,
            branch=found.branch,
            forge=kind,
            api=source.api,
            slug=found.slug,
            token_env=source.token_env,
        )
