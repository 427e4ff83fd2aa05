"""What a command works with: the configuration, our git store and the history. Composed here only."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from . import config as configuration
from .config import FleetConfig
from .git import Store as GitStore
from .snapshot import Limits
from .store import NAME as HISTORY
from .store import Store


@dataclass(frozen=True)
class Workspace:
    """A fleet's configuration and the folder where everything of it is kept."""

    config: FleetConfig

    @classmethod
    def load(cls, path: Path) -> Workspace:
        """Read `fleet.toml` and use its cache; raises `ConfigError`."""
        return cls(configuration.load(path))

    @property
    def cache(self) -> Path:
        """Return the folder of clones, renders and history."""
        return self.config.cache

    @property
    def objects(self) -> GitStore:
        """Return our git store, which holds renders and plans."""
        return GitStore.create(self.cache / "store.git")

    @property
    def limits(self) -> Limits:
        """Return what one project may cost."""
        return Limits(self.config.fleet.max_file_bytes, self.config.fleet.max_files)

    @property
    def workers(self) -> int:
        """Return how many processes check projects."""
        return self.config.fleet.workers or len(os.sched_getaffinity(0))

    def history(self) -> Store:
        """Open the history."""
        return Store(self.cache / HISTORY)
