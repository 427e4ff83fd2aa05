"""A project at one commit: read through git's objects, never through a work tree.

Nothing a project contains is run and none of its git configuration is read (see `git`). Links are
entries of the tree and are never followed.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import NamedTuple, Protocol, Self

from .answers import Answers, Origin, parse_answers
from .errors import FileTooLargeError, NotTextError, ProjectError
from .git import GitError, Repository, Store
from .objects import FILE, LINK, PROGRAM, SUBMODULE, blob_id

MAX_FILE_BYTES = 2_000_000
MAX_FILES = 200_000


class Entry(NamedTuple):
    """One path of a tree.

    Attributes:
        mode: As git writes it: 100644, 100755 (program), 120000 (link) or 160000 (submodule).
        sha: The name of its blob; of a submodule, of its commit.
        size: Bytes; None where the clone does not hold the blob, and of a submodule.
    """

    mode: str
    sha: str
    size: int | None

    @property
    def is_file(self) -> bool:
        """Tell whether it is a regular file."""
        return self.mode in {FILE, PROGRAM}


class BlobReader(Protocol):
    """Where the bytes of a snapshot's blobs come from.

    Raises `ProjectError` for a blob it does not hold.
    """

    def __call__(self, sha: str, /) -> bytes:
        """Return a blob."""

    def close(self) -> None:
        """Let go of processes and files."""


class Snapshot:
    """The read-only tree of one project at one commit.

    Attributes:
        project: The project's id in the inventory.
        files: Every path (no folders) with its entry; names that are no UTF-8 hold surrogates.
        head: The commit; empty for a folder or an index.
    """

    def __init__(
        self,
        project: str,
        files: Mapping[str, Entry],
        read_blob: BlobReader,
        *,
        head: str = "",
        max_file_bytes: int = MAX_FILE_BYTES,
    ) -> None:
        """Take a tree and what reads its blobs; use `open_snapshot` or `folder_snapshot`."""
        self.project = project
        self.files: Mapping[str, Entry] = MappingProxyType(dict(files))
        self.head = head
        self._read_blob = read_blob
        self._max = max_file_bytes
        self._cache: dict[str, bytes] = {}

    def __enter__(self) -> Self:
        """Return itself; leaving closes it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """End the process that reads blobs."""
        self._read_blob.close()

    def read(self, path: str) -> bytes | None:
        """Return the bytes of a regular file; None when there is none (a link is none).

        Raises:
            FileTooLargeError: It is longer than the limit (2 MB unless configured).
            ProjectError: The clone does not hold it.
        """
        entry = self.files.get(path)
        if entry is None or not entry.is_file:
            return None
        if entry.size is not None and entry.size > self._max:
            raise FileTooLargeError(f"{path} is {entry.size} bytes; the limit is {self._max}")
        if entry.sha not in self._cache:
            data = self._read_blob(entry.sha)
            if len(data) > self._max:
                raise FileTooLargeError(f"{path} is {len(data)} bytes; the limit is {self._max}")
            self._cache[entry.sha] = data
        return self._cache[entry.sha]

    def text(self, path: str) -> str | None:
        """Return the text of a regular file; None when there is none.

        Raises:
            NotTextError: It is not UTF-8.
            ProjectError: As `read`.
        """
        data = self.read(path)
        try:
            return None if data is None else data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise NotTextError(
                f"{path} is not UTF-8: {error.reason} at byte {error.start}"
            ) from error

    def paths(self, pattern: str) -> list[str]:
        """Return the regular files whose path matches; `*` is one level, `**` any number."""
        return [path for path in match_paths(pattern, self.files) if self.files[path].is_file]

    @cached_property
    def _recorded(self) -> tuple[Origin, Answers]:
        return parse_answers(self.text)

    @property
    def answers(self) -> Answers:
        """Return the recorded answers by question.

        Raises:
            NotRecordedError: There is no record.
            ProjectError: The record cannot be understood.
        """
        return self._recorded[1]

    @property
    def template(self) -> Origin:
        """Return which template and release the project says it came from; raises as `answers`."""
        return self._recorded[0]


def match_paths(pattern: str, paths: Mapping[str, Entry]) -> Iterator[str]:
    """Yield the paths that match a pattern; `*` is one level, `**` any number of levels."""
    from .patterns import compile_pattern  # noqa: PLC0415  # a snapshot is used without patterns too

    matches = compile_pattern(pattern)
    return (path for path in paths if matches(path))


class CatFile:
    """Reads blobs through one `git cat-file --batch`, started at the first read."""

    def __init__(self, store: Store, missing: Callable[[str], bytes] | None = None) -> None:
        """Read from a store; `missing` is asked for what it lacks."""
        self._store = store
        self._missing = missing
        self._process: subprocess.Popen[bytes] | None = None

    def __call__(self, sha: str) -> bytes:
        """Return a blob, or raise ProjectError."""
        if self._process is None:
            self._process = self._store.popen("cat-file", "--batch")
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(sha.encode() + b"\n")
            stdin.flush()
            header = stdout.readline().split()
            if len(header) == 3 and header[1] == b"blob":
                data = stdout.read(int(header[2]))
                stdout.read(1)
                return data
        except OSError as error:
            raise ProjectError(f"git could not read object {sha}") from error
        if header[1:] == [b"missing"] and self._missing is not None:
            return self._missing(sha)
        raise ProjectError(f"object {sha} is missing or damaged")

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            process, self._process = self._process, None
            process.kill()
            process.communicate()


class HeldBlobs:
    """Blobs that are already in memory, or on disk as files."""

    def __init__(self, blobs: Mapping[str, bytes | Path]) -> None:
        """Take blobs, or files that hold them, by name."""
        self._blobs = blobs

    def __call__(self, sha: str) -> bytes:
        """Return a blob, or raise ProjectError."""
        held = self._blobs[sha]
        if isinstance(held, bytes):
            return held
        try:
            return held.read_bytes()
        except OSError as error:
            raise ProjectError(f"{held.name} cannot be read: {error.strerror}") from error

    def close(self) -> None:
        """Do nothing."""


@dataclass(frozen=True)
class Limits:
    """What one project may cost.

    Attributes:
        max_file_bytes: The longest file that is read.
        max_files: The most paths a tree may have.
    """

    max_file_bytes: int = MAX_FILE_BYTES
    max_files: int = MAX_FILES


def open_snapshot(
    path: Path,
    store: Store,
    *,
    project: str = "",
    ref: str = "HEAD",
    limits: Limits | None = None,
    missing: Callable[[str], bytes] | None = None,
) -> Snapshot:
    """Return a project at a commit, from a bare, blobless or working clone.

    Args:
        path: The clone.
        store: Ours, in which git runs.
        project: Its id; the folder's name by default.
        ref: `HEAD`, `refs/...` or a full hash.
        limits: What it may cost.
        missing: Asked for a blob that the clone does not hold.

    Raises:
        ProjectError: It cannot be read; the text is the reason.
    """
    limits = limits or Limits()
    repository = Repository.find(path)
    head = ref if len(ref) == 40 else repository.resolve(ref)
    reading = store.reading(repository.objects)
    try:
        files = read_tree(reading, head, limits.max_files)
    except GitError as error:
        raise ProjectError(f"its tree cannot be read: {error.message}") from error
    return Snapshot(
        project or path.name.removesuffix(".git"),
        files,
        CatFile(reading, missing),
        head=head,
        max_file_bytes=limits.max_file_bytes,
    )


def read_tree(store: Store, treeish: str, max_files: int = MAX_FILES) -> dict[str, Entry]:
    """Return every path of a tree."""
    listed = store.run("ls-tree", "-r", "-l", "-z", "--full-tree", "--end-of-options", treeish)
    if (count := listed.count(b"\0")) > max_files:
        raise ProjectError(f"it has {count} files; the limit is {max_files}")
    files = {}
    for line in listed.split(b"\0"):
        if line:
            meta, name = line.split(b"\t", 1)
            mode, _, sha, size = meta.decode().split()
            files[name.decode("utf-8", "surrogateescape")] = Entry(
                mode, sha, int(size) if size.isdigit() else None
            )
    return files


def folder_snapshot(folder: Path, *, project: str = "", limits: Limits | None = None) -> Snapshot:
    """Return a folder as it lies there, without git: links are entries, `.git` is left out."""
    limits = limits or Limits()
    files: dict[str, Entry] = {}
    held: dict[str, bytes | Path] = {}
    for relative, entry in _walk(folder, ""):
        if len(files) >= limits.max_files:
            raise ProjectError(f"it has more than {limits.max_files} files")
        found = entry.stat(follow_symlinks=False)
        if stat.S_ISLNK(found.st_mode):
            data, mode = str(Path(entry.path).readlink()).encode("utf-8", "surrogateescape"), LINK
        elif not stat.S_ISREG(found.st_mode):
            continue
        elif found.st_size > limits.max_file_bytes:
            files[relative] = Entry(FILE, "0" * 40, found.st_size)
            continue
        else:
            data, mode = Path(entry.path).read_bytes(), PROGRAM if found.st_mode & 0o100 else FILE
        sha = blob_id(data)
        files[relative], held[sha] = Entry(mode, sha, len(data)), Path(entry.path)
    return Snapshot(project or folder.resolve().name, files, HeldBlobs(held))


def index_snapshot(path: Path, store: Store, *, project: str = "") -> Snapshot:
    """Return what is staged in a working clone: what the next commit will hold.

    Raises:
        ProjectError: It has no index, or it cannot be read.
    """
    repository = Repository.find(path)
    reading = store.reading(repository.objects)
    try:
        index = str((repository.git_dir / "index").resolve())
        listed = reading.run("ls-files", "-s", "-z", "--full-name", more={"GIT_INDEX_FILE": index})
    except GitError as error:
        raise ProjectError(f"its index cannot be read: {error.message}") from error
    files = {}
    for line in listed.split(b"\0"):
        if line:
            meta, name = line.split(b"\t", 1)
            mode, sha, _ = meta.decode().split()
            files[name.decode("utf-8", "surrogateescape")] = Entry(mode, sha, None)
    return Snapshot(project or path.resolve().name, files, CatFile(reading))


def memory_snapshot(
    project: str, contents: Mapping[str, bytes], *, programs: frozenset[str] = frozenset()
) -> Snapshot:
    """Return files held in memory as a snapshot, for renders and for trying rules."""
    held: dict[str, bytes | Path] = {blob_id(data): data for data in contents.values()}
    files = {
        path: Entry(PROGRAM if path in programs else FILE, blob_id(data), len(data))
        for path, data in contents.items()
    }
    return Snapshot(project, files, HeldBlobs(held))


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    with os.scandir(folder) as found:
        for entry in sorted(found, key=lambda item: item.name):
            if entry.name == ".git":
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
            else:
                yield prefix + entry.name, entry


__all__ = [
    "SUBMODULE",
    "Entry",
    "Limits",
    "Snapshot",
    "folder_snapshot",
    "index_snapshot",
    "memory_snapshot",
    "open_snapshot",
    "read_tree",
]
