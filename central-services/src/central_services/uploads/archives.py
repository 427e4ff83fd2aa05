# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Looks into archives before anybody unpacks them: bombs, paths that lead out, what is encrypted."""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from itertools import pairwise
from typing import IO, cast

__all__ = ["ArchiveLimits", "RefusedArchiveError", "check_archive"]

_CHUNK = 262_144
_IN_MEMORY = 4_194_304
_MAX_DEPTH = 3  # an archive in an archive in an archive
_ENCRYPTED = 0x1
_LOCAL_HEADER = 30
_STREAMS = frozenset({"application/gzip", "application/x-bzip2", "application/x-xz"})
_MAGIC = {
    b"\x1f\x8b": "application/gzip",
    b"BZh": "application/x-bzip2",
    b"\xfd7zXZ": "application/x-xz",
}
# Nothing here can look into these.
_OPAQUE = frozenset(
    [
        "application/vnd.rar",
        "application/x-7z-compressed",
        "application/zstd",
        "application/x-compress",
        "application/x-lzip",
        "application/vnd.ms-cab-compressed",
        "application/x-ace-compressed",
    ]
)
_BROKEN = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, ValueError,
    NotImplementedError, RuntimeError, OSError,
)  # fmt: skip


class RefusedArchiveError(Exception):
    """An archive that must not be unpacked; the text is a word that says why."""


@dataclass(slots=True)
class ArchiveLimits:
    """What is left of what an archive may hold; archives inside it share it.

    Attributes:
        max_bytes: Bytes unpacked.
        max_entries: Files.
    """

    max_bytes: int
    max_entries: int

    def take(self, count: int) -> None:
        """Count unpacked bytes."""
        self.max_bytes -= count
        if self.max_bytes < 0:
            raise RefusedArchiveError("archive_bomb")

    def take_entry(self) -> None:
        """Count a file."""
        self.max_entries -= 1
        if self.max_entries < 0:
            raise RefusedArchiveError("archive_too_many_files")


def check_archive(
    file: IO[bytes], media_type: str, limits: ArchiveLimits, *, depth: int = 1
) -> None:
    """Unpack an archive into nothing, counting; return when it, and what is in it, is harmless.

    Args:
        file: The file.
        media_type: What it is; a file that is no archive may still have one behind it.
        limits: Changed by what is found.
        depth: How many archives this one is in, itself included.

    Raises:
        RefusedArchiveError: Saying why.
    """
    if media_type in _OPAQUE:
        raise RefusedArchiveError("archive_unreadable")
    try:
        if _is_zip(file):
            if not _starts_as_zip(file):
                raise RefusedArchiveError("archive_behind_other_content")
            _check_zip(file, limits, depth)
        elif media_type in _STREAMS:
            file.seek(0)
            with _unpacked(file, media_type) as unpacked:
                _check_content(unpacked, limits, depth)
        elif media_type == "application/x-tar":
            _check_tar(file, limits, depth)
        elif media_type == "application/zip" or _starts_as_zip(file):
            raise RefusedArchiveError("archive_broken")
    except _BROKEN as error:
        raise RefusedArchiveError("archive_broken") from error


def _is_zip(file: IO[bytes]) -> bool:
    """Tell whether a program that looks for a ZIP's end would find one."""
    file.seek(0)
    try:
        with zipfile.ZipFile(file) as archive:
            return bool(archive.infolist()) or _starts_as_zip(file)
    except _BROKEN:
        return False


def _starts_as_zip(file: IO[bytes]) -> bool:
    file.seek(0)
    return file.read(4) in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}


def _check_zip(file: IO[bytes], limits: ArchiveLimits, depth: int) -> None:
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        for entry in entries:
            limits.take_entry()
            _check_name(entry.filename)
            if entry.flag_bits & _ENCRYPTED:
                raise RefusedArchiveError("archive_encrypted")
            if stat.S_ISLNK(entry.external_attr >> 16):
                raise RefusedArchiveError("archive_has_link")
        if sum(entry.file_size for entry in entries) > limits.max_bytes:
            raise RefusedArchiveError("archive_bomb")
        # Files that share their bytes: the bomb that needs no archive in an archive (Fifield 2019).
        places = sorted((entry.header_offset, entry.compress_size) for entry in entries)
        for (start, size), (following, _) in pairwise(places):
            if start + _LOCAL_HEADER + size > following:
                raise RefusedArchiveError("archive_bomb")
        for entry in entries:
            with archive.open(entry) as unpacked:
                _check_content(unpacked, limits, depth)


def _check_tar(file: IO[bytes], limits: ArchiveLimits, depth: int) -> None:
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:") as archive:
        for member in archive:
            limits.take_entry()
            _check_name(member.name)
            if not (member.isreg() or member.isdir()):
                raise RefusedArchiveError("archive_has_link")
            content = archive.extractfile(member) if member.isreg() else None
            if content is not None:
                _check_content(content, limits, depth)


def _unpacked(file: IO[bytes], media_type: str) -> IO[bytes]:
    """Return what a compressed file unpacks to, as it is read."""
    if media_type == "application/gzip":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    if media_type == "application/x-bzip2":
        return cast("IO[bytes]", bz2.BZ2File(file))
    return cast("IO[bytes]", lzma.open(file))


def _check_content(unpacked: IO[bytes], limits: ArchiveLimits, depth: int) -> None:
    """Read one unpacked file to its end, and look into it when it is an archive itself."""
    head = unpacked.read(_CHUNK)
    limits.take(len(head))
    nested = "application/zip" if head.startswith(b"PK\x03\x04") else ""
    nested = nested or next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "")
    if not nested and head[257:262] == b"ustar":
        nested = "application/x-tar"
    if not nested:
        while chunk := unpacked.read(_CHUNK):
            limits.take(len(chunk))
        return
    if depth >= _MAX_DEPTH:
        raise RefusedArchiveError("archive_too_deep")
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        copy.write(head)
        while chunk := unpacked.read(_CHUNK):
            limits.take(len(chunk))
            copy.write(chunk)
        check_archive(copy, nested, limits, depth=depth + 1)


def _check_name(name: str) -> None:
    """Refuse names that would be written outside the folder an archive is unpacked into."""
    parts = name.replace("\\", "/").split("/")
    if name.startswith(("/", "\\")) or ".." in parts or "\x00" in name or ":" in parts[0]:
        raise RefusedArchiveError("archive_path_leads_out")
