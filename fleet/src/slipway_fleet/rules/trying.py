"""Try rules on what a template renders."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..answers import Origin
from ..config import FleetConfig
from ..git import Store
from ..snapshot import CatFile
from ..template import RenderCache
from .examples import Contents, Examples, Verdict
from .model import Rule
from .osv import osv_service

_LATER = dt.date(2200, 1, 1)
"""Every `enforce-from` has come by then."""


def verdicts(rules: Sequence[Rule], chosen: Sequence[Rule], template: str) -> list[Verdict]:
    """Return what came of every example of the chosen rules.

    Args:
        rules: Every rule: an example that breaks one must break no other.
        chosen: Those that are tried.
        template: The address or the clone of the template; its newest release is rendered.
    """
    with tempfile.TemporaryDirectory(prefix="fleet-rules-") as folder, osv_service() as osv:
        render = Renders(template, Path(folder))
        examples = Examples(rules, render, _LATER, {"{osv}": osv})
        return [verdict for rule in chosen for verdict in examples.verdicts(rule)]


class Renders:
    """Renders the newest release of a template for answers."""

    def __init__(self, template: str, folder: Path) -> None:
        """Take the template and a folder to keep renders in."""
        template = str(Path(template).resolve()) if Path(template).is_dir() else template
        settings = {"fleet": {"cache": folder}, "template": [{"url": template}]}
        self._cache = RenderCache(FleetConfig.model_validate(settings))
        self._store = Store.create(folder / "store.git")
        mirror = self._cache.mirror_of(template)
        mirror.refresh()
        self._origin = Origin(template, mirror.target("latest"))
        self._mirror = mirror

    def __call__(self, answers: Mapping[str, object]) -> Contents:
        """Return a fresh project."""
        made, _ = self._cache.render(self._origin, dict(answers), store=self._store)  # type: ignore[arg-type]  # answers of rule files are plain values
        reader = CatFile(self._store.reading(self._mirror.store.objects))
        try:
            return {path: (file.mode, reader(file.sha)) for path, file in made.files.items()}
        finally:
            reader.close()
