# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Uploads: what is accepted, what is refused and why, and that it can be done again."""

from __future__ import annotations

import hashlib
import json
import os
import socket
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest

from central_services.uploads import (
    PermanentUploadError,
    TransientUploadError,
    UploadProcessor,
)

pytestmark = pytest.mark.anyio
Make = Callable[..., Any]
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)


async def test_file_is_accepted_and_stays(make_settings: Make, folder: Path) -> None:
    (folder / "a.png").write_bytes(PNG)
    processor = UploadProcessor(make_settings())
    results = [await processor.process("7", path) for path in ("a.png", str(folder / "a.png"))]
    assert results[0] == results[1]
    assert results[0].status == "accepted"
    assert results[0].media_type == "image/png"
    assert results[0].sha256 == hashlib.sha256(PNG).hexdigest()
    assert not results[0].scanned
    assert (folder / "a.png").exists()


async def test_refused_file_is_quarantined_with_its_reason(
    make_settings: Make, folder: Path, tmp_path: Path
) -> None:
    program = b"MZ\x90\x00" + bytes(100)
    (folder / "holiday.png").write_bytes(program)
    processor = UploadProcessor(make_settings())
    first = await processor.process("7", "holiday.png")
    again = await processor.process("7", "holiday.png")
    assert first == again
    assert (first.status, first.reason) == ("refused", "type_not_allowed")
    assert not (folder / "holiday.png").exists()
    quarantine = tmp_path / "quarantine"
    (kept,) = quarantine.glob("*/*.quarantined")
    assert first.quarantined_as == str(kept)
    assert kept.read_bytes() == program
    assert [path.stat().st_mode & 0o777 for path in (kept, quarantine)] == [0o600, 0o700]
    reason = json.loads(kept.with_suffix(".json").read_text("utf-8"))
    assert reason["detail"] == "application/vnd.microsoft.portable-executable"
    assert reason["file_id"] == "7"


async def test_killed_between_reason_and_move_is_decided_again(
    make_settings: Make, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "x").write_bytes(b"\x7fELF" + bytes(60))

    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    processor = UploadProcessor(make_settings())
    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", die)
        with pytest.raises(KilledError):
            await processor.process("7", "x")
    assert (folder / "x").exists()
    result = await processor.process("7", "x")
    assert result.status == "refused"
    quarantine = tmp_path / "quarantine"
    assert [str(p) for p in quarantine.glob("*/*.quarantined")] == [result.quarantined_as]
    assert await processor.process("7", "x") == result


async def test_new_file_under_an_old_name_is_looked_at(make_settings: Make, folder: Path) -> None:
    processor = UploadProcessor(make_settings())
    (folder / "x").write_bytes(b"\x7fELF" + bytes(60))
    assert (await processor.process("7", "x")).status == "refused"
    (folder / "x").write_bytes(PNG)
    assert (await processor.process("7", "x")).status == "accepted"


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"x" * 2_000, "too_large")],
)
async def test_size_is_checked_first(
    make_settings: Make, folder: Path, content: bytes, reason: str
) -> None:
    (folder / "x").write_bytes(content)
    result = await UploadProcessor(make_settings(max_bytes=1_000)).process("7", "x")
    assert result.reason == reason
    assert result.sha256 == ""


@pytest.mark.parametrize("path", ["", ".", "..", "../x", "a/../../x", "/etc/passwd", "a\x00b"])
async def test_path_out_of_the_folder_is_an_error(make_settings: Make, path: str) -> None:
    with pytest.raises(PermanentUploadError):
        await UploadProcessor(make_settings()).process("7", path)


async def test_links_folders_and_pipes_are_errors(
    make_settings: Make, folder: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(PNG)
    (folder / "link").symlink_to(outside / "secret")
    (folder / "way").symlink_to(outside)
    (folder / "sub").mkdir()
    os.mkfifo(folder / "pipe")
    with socket.socket(socket.AF_UNIX) as listener:
        os.chdir(folder)
        listener.bind("socket")
        processor = UploadProcessor(make_settings())
        for path in ("link", "way/secret", "sub", "pipe", "socket", "missing", "sub/missing"):
            with pytest.raises(PermanentUploadError):
                await processor.process("7", path)
    assert (outside / "secret").exists()


async def test_scanner_sees_all_and_its_word_counts(
    make_settings: Make,
    folder: Path,
    scanner: Callable[[], AbstractAsyncContextManager[Any]],
) -> None:
    content = PNG + os.urandom(600_000)
    async with scanner() as clamd:
        processor = UploadProcessor(make_settings(clamd_url=clamd.url))
        (folder / "a.png").write_bytes(content)
        said: list[tuple[float, float, str]] = []

        async def report(done: float, total: float, note: str) -> None:
            said.append((done, total, note))

        result = await processor.process("7", "a.png", report)
        assert result.scanned
        assert clamd.scanned == [content]
        assert said[-1] == (2 * len(content), 2 * len(content), "scanning")
        assert len(said) < 50
        clamd.answer = b"stream: Win.Test FOUND\x00"
        bad = await processor.process("7", "a.png")
        assert (bad.reason, bad.detail) == ("malware", "Win.Test")
        assert await processor.scanner_version() == "ClamAV 1.4/27000"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"", TransientUploadError),
        (b"INSTREAM: Can't allocate. ERROR\x00", TransientUploadError),
        (b"stream: OK and more\x00", TransientUploadError),
        (b"INSTREAM size limit exceeded. ERROR\x00", PermanentUploadError),
    ],
)
async def test_nothing_passes_that_was_not_scanned(
    make_settings: Make,
    folder: Path,
    scanner: Callable[[], AbstractAsyncContextManager[Any]],
    answer: bytes,
    error: type[Exception],
) -> None:
    (folder / "a.png").write_bytes(PNG)
    async with scanner() as clamd:
        clamd.answer = answer
        with pytest.raises(error):
            await UploadProcessor(make_settings(clamd_url=clamd.url)).process("7", "a.png")
    assert (folder / "a.png").exists()


async def test_scanner_that_is_away_or_silent_stops_everything(
    make_settings: Make, folder: Path, dead: str, silent: str
) -> None:
    (folder / "a.png").write_bytes(PNG)
    for url in (dead, silent):
        address = f"tcp://{url.partition('//')[2]}"
        settings = make_settings(clamd_url=address, clamd_timeout_s=0.2)
        with pytest.raises(TransientUploadError):
            await UploadProcessor(settings).process("7", "a.png")
    assert (folder / "a.png").exists()


async def test_file_that_changes_while_it_is_scanned_is_tried_again(
    make_settings: Make,
    folder: Path,
    scanner: Callable[[], AbstractAsyncContextManager[Any]],
) -> None:
    file = folder / "a.png"
    file.write_bytes(PNG)

    async def report(_done: float, _total: float, note: str) -> None:
        if note == "scanning":
            file.write_bytes(PNG + b"more")

    async with scanner() as clamd:
        processor = UploadProcessor(make_settings(clamd_url=clamd.url))
        with pytest.raises(TransientUploadError, match="changed"):
            await processor.process("7", "a.png", report)
    assert file.exists()
