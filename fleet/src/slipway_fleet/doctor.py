"""Look at a machine and a `fleet.toml`, and say what is missing."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from . import git
from .config import AnySource, DirSource, FleetConfig, YamlSource, load
from .errors import ConfigError, FleetError


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    ok: bool
    text: str

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def examine(path: Path) -> list[Check]:
    """Return what was found, everything that can be looked at without the network."""
    checks = [_git(), _sqlite()]
    try:
        config = load(path)
    except ConfigError as error:
        return [*checks, Check("fleet.toml", ok=False, text=str(error))]
    checks.append(Check("fleet.toml", ok=True, text=str(path)))
    checks.append(_cache(config.cache))
    checks.append(_templates(config))
    checks += [_source(number, source, config) for number, source in enumerate(config.source, 1)]
    if not config.source:
        checks.append(Check("sources", ok=False, text="none: add a [[source]]"))
    return checks


def _git() -> Check:
    wanted = ".".join(map(str, git.MINIMUM))
    try:
        found = git.version()
    except FleetError as error:
        return Check("git", ok=False, text=f"{error}: install git {wanted} or newer")
    shown = ".".join(map(str, found))
    if found < git.MINIMUM:
        return Check(
            "git", ok=False, text=f"{shown} is too old for plans: install {wanted} or newer"
        )
    return Check("git", ok=True, text=shown)


def _sqlite() -> Check:
    ok = sqlite3.sqlite_version_info >= (3, 37)
    advice = "" if ok else " is too old: 3.37 or newer is needed"
    return Check("SQLite", ok=ok, text=sqlite3.sqlite_version + advice)


def _cache(folder: Path) -> Check:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check("cache", ok=False, text=f"{folder} cannot be written: {error.strerror}")
    return Check("cache", ok=True, text=str(folder))


def _templates(config: FleetConfig) -> Check:
    if not config.template:
        return Check("templates", ok=False, text="none: add a [[template]], or nothing is rendered")
    return Check("templates", ok=True, text=", ".join(t.url for t in config.template))


def _source(number: int, source: AnySource, config: FleetConfig) -> Check:
    name = f"source {number} ({source.type})"
    if isinstance(source, DirSource | YamlSource):
        path = config.path(source.path)
        there = path.is_dir() if isinstance(source, DirSource) else path.is_file()
        return Check(name, ok=there, text=str(path) if there else f"{path} is not there")
    if not os.environ.get(source.token_env):
        text = f"the variable {source.token_env} holds no token"
        return Check(name, ok=False, text=text)
    return Check(name, ok=True, text=f"{source.api}, token from {source.token_env}")
