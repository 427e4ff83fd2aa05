# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Processes one upload: size, real type, hash, archives, malware."""

from __future__ import annotations

import asyncio
import hashlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from ..core.file_settings import UploadsSettings
from ..utils.logging import get_logger
from .clamd import ClamdScanner
from .errors import PermanentUploadError, TransientUploadError
from .paths import OpenUpload, open_inside, read_chunks, relative_path
from .quarantine import Quarantine

__all__ = ["ProcessedUpload", "UploadProcessor"]

Report = Callable[[float, float, str], Awaitable[None]]
"""Takes how much is done, of how much, and what is being done."""

_REPORTS = 20  # per pass over the file


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessedUpload:
    """What became of an upload.

    Attributes:
        file_id: Its id.
        path: Its path below the upload folder.
        status: Whether it may be used.
        size: Bytes.
        media_type: What it really is; empty when it was not looked at.
        sha256: Digest of its content, in hexadecimal; empty when it was not read.
        scanned: Whether clamd looked at it.
        reason: A word that says why it was refused.
        detail: What more there is to say, such as the name of the malware.
        quarantined_as: Where it is when it was refused.
    """

    file_id: str
    path: str
    status: Literal["accepted", "refused"]
    size: int
    media_type: str = ""
    sha256: str = ""
    scanned: bool = False
    reason: str = ""
    detail: str = ""
    quarantined_as: str = ""


@dataclass(slots=True)
class _Findings:
    """What is known of a file so far."""

    media_type: str = ""
    sha256: str = ""
    scanned: bool = False
    reason: str = ""
    detail: str = ""


class UploadProcessor:
    """Decides about uploads. Run twice, or killed midway and run again, it decides the same.

    An accepted file stays where it is. A refused one goes to the quarantine.

    Args:
        settings: The section `uploads`.
    """

    def __init__(self, settings: UploadsSettings) -> None:
        self._settings = settings
        self._folder = Path(settings.folder)
        self._quarantine = Quarantine(Path(settings.quarantine_folder))
        self._log = get_logger("uploads")
        self._scanner: ClamdScanner | None = None
        if settings.clamd_url:
            self._scanner = ClamdScanner(settings.clamd_url, timeout_s=settings.clamd_timeout_s)

    async def process(
        self, file_id: str, path: str, report: Report | None = None
    ) -> ProcessedUpload:
        """Process a file and return what became of it.

        Args:
            file_id: The project's name for it.
            path: Where it is, below the upload folder or absolute.
            report: Is told how far it is.

        Raises:
            PermanentUploadError: There is no such file inside the folder.
            TransientUploadError: It can't be decided now; the file stays where it is.
        """
        inside = relative_path(self._folder, path)
        started = time.perf_counter()
        try:
            with open_inside(self._folder, inside) as upload:
                result = await self._decide(file_id, upload, report)
        except FileNotFoundError:
            from pydantic import TypeAdapter  # noqa: PLC0415  # seldom needed

            known = await asyncio.to_thread(self._quarantine.find, file_id, inside)
            if known is None:
                raise PermanentUploadError("there is no such file in the upload folder") from None
            return TypeAdapter(ProcessedUpload).validate_python(known)
        self._log.info(
            "upload_processed",
            file_id=file_id,
            status=result.status,
            reason=result.reason,
            media_type=result.media_type,
            size=result.size,
            scanned=result.scanned,
            duration_ms=round((time.perf_counter() - started) * 1_000, 1),
        )
        return result

    async def check(self, path: Path) -> ProcessedUpload:
        """Return what would become of a file anywhere, without moving it."""
        with open_inside(path.parent, path.name) as upload:
            findings = await self._examine(upload, None)
            return self._result("check", upload, findings)

    async def scanner_version(self) -> str | None:
        """Return what clamd calls itself, None when none is configured.

        Raises:
            TransientUploadError: It does not answer.
        """
        return await self._scanner.version() if self._scanner else None

    async def _decide(
        self, file_id: str, upload: OpenUpload, report: Report | None
    ) -> ProcessedUpload:
        findings = await self._examine(upload, report)
        if not upload.is_unchanged():
            raise TransientUploadError("the file changed while it was read")
        result = self._result(file_id, upload, findings)
        if result.status == "accepted":
            return result
        place = await asyncio.to_thread(self._quarantine.put, file_id, upload, asdict(result))
        return replace(result, quarantined_as=str(place))

    @staticmethod
    def _result(file_id: str, upload: OpenUpload, findings: _Findings) -> ProcessedUpload:
        return ProcessedUpload(
            file_id=file_id,
            path=upload.path,
            status="refused" if findings.reason else "accepted",
            size=upload.size,
            media_type=findings.media_type,
            sha256=findings.sha256,
            scanned=findings.scanned,
            reason=findings.reason,
            detail=findings.detail,
        )

    async def _examine(self, upload: OpenUpload, report: Report | None) -> _Findings:
        """Look at a file; the first thing that is wrong ends it."""
        if upload.size > self._settings.max_bytes:
            limit = f"{upload.size} bytes, {self._settings.max_bytes} are allowed"
            return _Findings(reason="too_large", detail=limit)
        if upload.size == 0:
            return _Findings(reason="empty")
        passes = 2 if self._scanner else 1
        findings = await self._read(upload, _Progress(report, upload.size, passes))
        if not findings.reason:
            await asyncio.to_thread(self._look_inside, upload, findings)
        if not findings.reason and self._scanner:
            await self._scan(
                self._scanner, upload, findings, _Progress(report, upload.size, passes)
            )
        return findings

    async def _read(self, upload: OpenUpload, progress: _Progress) -> _Findings:
        """Read all of it: its digest, and whether it is text."""
        from .content import TextProbe, media_type_of  # noqa: PLC0415  # imports the signatures

        digest, probe, seen = hashlib.sha256(), TextProbe(), 0
        async for chunk in _chunks(upload):
            await asyncio.to_thread(digest.update, chunk)
            probe.feed(chunk)
            seen += len(chunk)
            await progress.report(seen, "reading")
        probe.feed(b"", final=True)
        if seen != upload.size:
            raise TransientUploadError("the file changed while it was read")
        with os.fdopen(os.dup(upload.descriptor), "rb") as file:
            media_type = await asyncio.to_thread(media_type_of, file, is_text=probe.is_text)
        findings = _Findings(media_type=media_type, sha256=digest.hexdigest())
        if not any(fnmatchcase(media_type, allowed) for allowed in self._settings.allowed_types):
            findings.reason, findings.detail = "type_not_allowed", media_type
        return findings

    def _look_inside(self, upload: OpenUpload, findings: _Findings) -> None:
        from .archives import (  # noqa: PLC0415  # imports the signatures
            ArchiveLimits,
            RefusedArchiveError,
            check_archive,
        )

        settings = self._settings
        most = min(settings.max_archive_bytes, settings.max_archive_ratio * upload.size)
        limits = ArchiveLimits(most, settings.max_archive_entries)
        try:
            with os.fdopen(os.dup(upload.descriptor), "rb") as file:
                check_archive(file, findings.media_type, limits)
        except RefusedArchiveError as error:
            findings.reason = str(error)

    async def _scan(
        self,
        scanner: ClamdScanner,
        upload: OpenUpload,
        findings: _Findings,
        progress: _Progress,
    ) -> None:
        """Let clamd look at what was read, and make sure that it was the same."""
        digest, seen = hashlib.sha256(), 0

        async def watched() -> AsyncIterator[bytes]:
            nonlocal seen
            async for chunk in _chunks(upload):
                await asyncio.to_thread(digest.update, chunk)
                seen += len(chunk)
                yield chunk
                await progress.report(upload.size + seen, "scanning")

        found = await scanner.scan(watched())
        if found is None and digest.hexdigest() != findings.sha256:
            raise TransientUploadError("the file changed while it was scanned")
        findings.scanned = True
        if found is not None:
            findings.reason, findings.detail = "malware", found


class _Progress:
    """Passes on how far it is, a few times and not for every chunk."""

    def __init__(self, report: Report | None, size: int, passes: int) -> None:
        self._report = report
        self._total = size * passes
        self._step = max(1, size // _REPORTS)
        self._next = 0

    async def report(self, done: int, note: str) -> None:
        """Say that so many bytes are done."""
        if self._report is None or (done < self._next and done < self._total):
            return
        self._next = done + self._step
        await self._report(done, self._total, note)


async def _chunks(upload: OpenUpload) -> AsyncIterator[bytes]:
    """Yield a file, read outside the event loop."""
    chunks = read_chunks(upload.descriptor)
    while True:
        chunk = await asyncio.to_thread(lambda: next(chunks, b""))
        if not chunk:
            return
        yield chunk
