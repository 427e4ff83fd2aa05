# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where refused files go, each with a file beside it that says why.

The reason is written first. A worker that is killed between the two leaves the upload where it was,
and the next one refuses it again; one that is killed after both finds its result here.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from .paths import OpenUpload

__all__ = ["Quarantine"]


class Quarantine:
    """A folder that only the service's own user can enter.

    Args:
        folder: Made when the first file is refused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, file_id: str, upload: OpenUpload, reason: Mapping[str, object]) -> Path:
        """Move an upload here and return where it is now."""
        home = self._home(file_id, upload.path)
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._folder.chmod(0o700)
        stem = f"{upload.size}-{upload.modified_ns}"
        place = home / f"{stem}.quarantined"
        _write(
            home / f"{stem}.json", json.dumps({**reason, "quarantined_as": str(place)}, indent=2)
        )
        try:
            os.rename(upload.name, place, src_dir_fd=upload.folder)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(upload, place)
            os.unlink(upload.name, dir_fd=upload.folder)
        place.chmod(0o600)
        _sync(home)
        return place

    def find(self, file_id: str, path: str) -> dict[str, object] | None:
        """Return the reason that an upload was refused for, None when it was not.

        Args:
            file_id: The upload's id.
            path: Its path below the upload folder.
        """
        home = self._home(file_id, path)
        found = [r for r in home.glob("*.json") if r.with_suffix(".quarantined").exists()]
        if not found:
            return None
        newest = max(found, key=lambda reason: reason.stat().st_mtime_ns)
        reason: dict[str, object] = json.loads(newest.read_text("utf-8"))
        return reason

    def _home(self, file_id: str, path: str) -> Path:
        name = hashlib.sha256(f"{file_id}\x00{path}".encode("utf-8", "surrogatepass")).hexdigest()
        return self._folder / name[:32]


def _write(path: Path, text: str) -> None:
    """Write a file that is either there, whole, or not."""
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(path.parent)


def _copy(upload: OpenUpload, place: Path) -> None:
    """Copy an upload to another file system."""
    draft = place.with_suffix(f".{os.getpid()}.tmp")
    with open(os.dup(upload.descriptor), "rb") as source, draft.open("wb") as target:  # noqa: PTH123  # a descriptor
        source.seek(0)
        shutil.copyfileobj(source, target)
        target.flush()
        os.fsync(target.fileno())
    draft.replace(place)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
