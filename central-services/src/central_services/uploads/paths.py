# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Opens files inside a folder, and none that a name or a symbolic link leads out of it to."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from .errors import PermanentUploadError

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK a named pipe would hold the worker up for ever.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class OpenUpload:
    """An open file, and the open folder that it is in.

    Attributes:
        path: Its path below the upload folder.
        descriptor: The file.
        folder: The folder that holds it.
        size: Its size in bytes.
        modified_ns: When it was last written to, in nanoseconds since 1970.
    """

    path: str
    descriptor: int
    folder: int
    size: int
    modified_ns: int

    @property
    def name(self) -> str:
        """Its name in that folder."""
        return PurePath(self.path).name

    def is_unchanged(self) -> bool:
        """Whether nobody wrote to it, or put another in its place, since it was opened."""
        now = os.fstat(self.descriptor)
        try:
            named = os.stat(self.name, dir_fd=self.folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        same = (named.st_dev, named.st_ino) == (now.st_dev, now.st_ino)
        return same and (now.st_size, now.st_mtime_ns) == (self.size, self.modified_ns)


def relative_path(folder: Path, path: str) -> str:
    """Return a path below the upload folder, from one that may be absolute.

    Raises:
        PermanentUploadError: When it leads out of the folder.
    """
    pure = PurePath(path)
    if not path or "\x00" in path or ".." in pure.parts:
        raise PermanentUploadError("the path of an upload has .. in it, or is none")
    if pure.is_absolute():
        try:
            pure = pure.relative_to(folder.absolute())
        except ValueError:
            raise PermanentUploadError("the path of an upload leads out of its folder") from None
    if not pure.parts:
        raise PermanentUploadError("the path of an upload is its folder")
    return str(pure)


@contextmanager
def open_inside(folder: Path, path: str) -> Generator[OpenUpload]:
    """Yield an open file below a folder; each folder on the way is opened, never followed.

    Args:
        folder: The upload folder.
        path: As `relative_path` returns it.

    Raises:
        FileNotFoundError: There is no such file.
        PermanentUploadError: It is not a plain file, or behind a symbolic link.
    """
    opened: list[int] = []
    try:
        opened.append(os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        *folders, name = PurePath(path).parts
        for part in folders:
            opened.append(os.open(part, _FOLDER, dir_fd=opened[-1]))
        opened.append(os.open(name, _FILE, dir_fd=opened[-1]))
        found = os.fstat(opened[-1])
        if not stat.S_ISREG(found.st_mode):
            raise PermanentUploadError("an upload is a plain file, and this is none")
        yield OpenUpload(path, opened[-1], opened[-2], found.st_size, found.st_mtime_ns)
    except OSError as error:
        # A symbolic link; ENXIO is a socket or a pipe.
        if error.errno in {errno.ELOOP, errno.ENOTDIR, errno.EMLINK, errno.ENXIO}:
            raise PermanentUploadError("an upload is a plain file, not a link") from error
        raise
    finally:
        for descriptor in reversed(opened):
            os.close(descriptor)


def read_chunks(descriptor: int, chunk_bytes: int = 262_144) -> Iterator[bytes]:
    """Yield a file from its start, without moving its position."""
    offset = 0
    while chunk := os.pread(descriptor, chunk_bytes, offset):
        offset += len(chunk)
        yield chunk
