# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Archives: bombs, ways out, and what can't be looked into."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable

import pytest

from central_services.uploads.archives import (
    ArchiveLimits,
    RefusedArchiveError,
    check_archive,
)

ZIP = "application/zip"


def zipped(**files: bytes) -> bytes:
    """Return an archive; underscores in names stand for slashes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name.replace("_", "/"), content)
    return buffer.getvalue()


def named(name: str, mode: int = 0) -> bytes:
    """Return an archive with one file of that name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name
        entry.external_attr = mode << 16
        archive.writestr(entry, "x")
    return buffer.getvalue()


def tarred(kind: bytes = tarfile.REGTYPE, name: str = "a") -> bytes:
    """Return a tar archive with one entry."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    return buffer.getvalue()


def encrypted() -> bytes:
    """Return an archive that says of its file that it is encrypted."""
    content = bytearray(zipped(a=b"x"))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.index(signature) + offset
        content[place] |= 1
    return bytes(content)


def overlapping() -> bytes:
    """Return an archive with two names for one file's bytes."""
    content = zipped(a=b"x" * 500)
    start = content.index(b"PK\x01\x02")
    end = content.index(b"PK\x05\x06")
    central = content[start:end]
    tail = bytearray(content[end:])
    struct.pack_into("<HHL", tail, 8, 2, 2, 2 * len(central))
    return content[:start] + central * 2 + bytes(tail)


def nested(depth: int) -> bytes:
    """Return an archive in an archive, so many deep."""
    content = b"x"
    for _ in range(depth):
        content = zipped(inner=content)
    return content


def check(content: bytes, media_type: str = ZIP, *, most: int = 100_000) -> None:
    """Look into an archive that may unpack to 100 kB and 50 files."""
    check_archive(io.BytesIO(content), media_type, ArchiveLimits(most, 50))


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (zipped(a=b"x", b_c=b"y" * 90_000), ZIP),
        (zipped(), ZIP),
        (nested(3), ZIP),
        (gzip.compress(b"x" * 90_000), "application/gzip"),
        (bz2.compress(b"x"), "application/x-bzip2"),
        (lzma.compress(b"x"), "application/x-xz"),
        (tarred(), "application/x-tar"),
        (gzip.compress(tarred()), "application/gzip"),
        (b"no archive at all", "text/plain"),
    ],
)
def test_harmless_archives_pass(content: bytes, media_type: str) -> None:
    check(content, media_type)


@pytest.mark.parametrize(
    ("make", "media_type", "reason"),
    [
        (lambda: zipped(a=b"x" * 100_001), ZIP, "archive_bomb"),
        (lambda: zipped(a=zipped(b=b"x" * 100_001)), ZIP, "archive_bomb"),
        (lambda: gzip.compress(b"x" * 100_001), "application/gzip", "archive_bomb"),
        (lambda: gzip.compress(gzip.compress(b"x" * 100_001)), "application/gzip", "archive_bomb"),
        (overlapping, ZIP, "archive_bomb"),
        (lambda: zipped(**{f"f{n}": b"" for n in range(51)}), ZIP, "archive_too_many_files"),
        (lambda: nested(4), ZIP, "archive_too_deep"),
        (lambda: named("../../etc/cron.d/x"), ZIP, "archive_path_leads_out"),
        (lambda: named("/etc/passwd"), ZIP, "archive_path_leads_out"),
        (lambda: named("C:\\x"), ZIP, "archive_path_leads_out"),
        (lambda: named("a\\..\\..\\x"), ZIP, "archive_path_leads_out"),
        (lambda: named("a", stat.S_IFLNK | 0o777), ZIP, "archive_has_link"),
        (lambda: tarred(tarfile.SYMTYPE), "application/x-tar", "archive_has_link"),
        (lambda: tarred(tarfile.CHRTYPE), "application/x-tar", "archive_has_link"),
        (lambda: tarred(name="../x"), "application/x-tar", "archive_path_leads_out"),
        (encrypted, ZIP, "archive_encrypted"),
        (lambda: zipped(a=b"x" * 500)[:-30], ZIP, "archive_broken"),
        (lambda: gzip.compress(b"x" * 500)[:-9], "application/gzip", "archive_broken"),
        (
            lambda: b"\x89PNG" + bytes(50) + zipped(a=b"x"),
            "image/png",
            "archive_behind_other_content",
        ),
        (lambda: b"Rar!\x1a\x07\x00", "application/vnd.rar", "archive_unreadable"),
    ],
)
def test_what_must_not_be_unpacked_is_refused(
    make: Callable[[], bytes], media_type: str, reason: str
) -> None:
    with pytest.raises(RefusedArchiveError) as error:
        check(make(), media_type)
    assert str(error.value) == reason


def test_size_that_an_archive_claims_is_not_believed() -> None:
    content = bytearray(zipped(a=b"x" * 200_000))
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        struct.pack_into("<L", content, content.index(signature) + offset, 10)
    with pytest.raises(RefusedArchiveError):
        check(bytes(content))
