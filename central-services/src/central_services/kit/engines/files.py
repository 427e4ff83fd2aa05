"""Files that an engine may read when it runs as another user."""

from __future__ import annotations

import os
from pathlib import Path


def own(path: Path, user: int | None) -> None:
    """Give a file or folder to the user of an engine."""
    if user is not None:
        os.chown(path, user, user)


def make_folder(path: Path, user: int | None) -> Path:
    """Make a folder that only the user of an engine can enter."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    own(path, user)
    return path


def write_secret(path: Path, text: str, user: int | None = None) -> None:
    """Write a file, mode 0600 from its first moment, whole or not at all."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    own(fresh, user)
    fresh.replace(path)
