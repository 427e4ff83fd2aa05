"""Renders that were made before, as files: a warm project costs a read of one JSON document."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..answers import Answers, Origin
from ..config import FleetConfig
from ..credentials import Credentials
from ..errors import ProjectError
from ..git import Store
from ..objects import write_object, write_tree
from .manifest import Arrival
from .mirror import Mirror
from .render import VERSION, Release, Render, Rendered


class RenderCache:
    """Gives renders by recorded origin and answers; one per process, over one folder for all."""

    def __init__(self, config: FleetConfig) -> None:
        """Use the cache of a fleet."""
        self._config = config
        self._folder = config.cache / "renders"
        self._mirrors: dict[str, Mirror] = {}
        self._releases: dict[tuple[str, str], Release] = {}

    def mirror_of(self, recorded_url: str) -> Mirror:
        """Return the template that a project says it came from.

        Raises:
            ProjectError: It is not in fleet.toml, so it is not rendered.
        """
        section = self._config.template_of(recorded_url)
        if section is None:
            raise ProjectError(
                f"its template {recorded_url[:200]} is not in fleet.toml, so it is not rendered"
            )
        if section.url not in self._mirrors:
            local = "://" not in section.url and not section.url.startswith("git@")
            url = str(self._config.path(Path(section.url))) if local else section.url
            folder = self._config.cache / "templates"
            self._mirrors[section.url] = Mirror(url, folder, Credentials(section.token_env))
        return self._mirrors[section.url]

    def release(self, mirror: Mirror, commit: str) -> Release:
        """Return a template at a commit, loaded once."""
        key = (mirror.url, commit)
        if key not in self._releases:
            self._releases[key] = Release(mirror, commit)
        return self._releases[key]

    def render(
        self, origin: Origin, answers: Answers, *, store: Store | None = None, at: str = ""
    ) -> tuple[Render, str]:
        """Return what a project would be rendered as, and the name of its tree in `store`.

        Args:
            origin: What the project recorded.
            answers: As recorded.
            store: Where the files are to be written as git objects; without it the name is empty.
            at: Another release than the recorded one; the answers file then names it.

        Raises:
            ProjectError: The template is not allowed, has no such commit, or refuses the answers.
        """
        mirror = self.mirror_of(origin.url)
        named = at or origin.commit
        commit = mirror.resolve(named)
        key = cache_key(commit, answers, named, origin.url)
        path = self._folder / key[:2] / f"{key}.json"
        held = _read(path)
        if held is not None and (store is None or held[1]):
            return held
        made = self.release(mirror, commit).render(answers, named, origin.url)
        tree = _write_objects(made, store) if store else ""
        _write(path, made, tree)
        return made, tree


def cache_key(commit: str, answers: Answers, named: str, url: str) -> str:
    """Return what a render depends on, as one name."""
    parts = [VERSION, commit, named, url, sorted(answers.items())]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _write_objects(made: Render, store: Store) -> str:
    for data in made.contents.values():
        write_object(store.objects, "blob", data)
    return write_tree(store.objects, {p: (f.mode, f.sha) for p, f in made.files.items()})


def _read(path: Path) -> tuple[Render, str] | None:
    try:
        data: dict[str, Any] = json.loads(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    made = Render(
        data["commit"],
        {p: Rendered(*entry) for p, entry in data["files"].items()},
        data["unchosen"],
        {
            p: Arrival(tuple((q, v) for q, v in a["terms"]), a["since"])
            for p, a in data["arrivals"].items()
        },
        data["answers"],
        data["layout"],
    )
    return made, data["tree"]


def _write(path: Path, made: Render, tree: str) -> None:
    data = {
        "commit": made.commit,
        "files": made.files,
        "unchosen": made.unchosen,
        "arrivals": {p: asdict(a) for p, a in made.arrivals.items()},
        "answers": made.answers,
        "layout": made.layout,
        "tree": tree,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(data))
    fresh.replace(path)
