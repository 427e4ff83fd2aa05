# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A client of clamd, ClamAV's daemon: sends content, gets the name of what is wrong with it."""

from __future__ import annotations

import asyncio
import re
import struct
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

from .errors import PermanentUploadError, TransientUploadError

__all__ = ["ClamdScanner", "ScannerUnavailableError"]

_PORT = 3310
_MAX_ANSWER = 4_096
_FOUND = re.compile(r"stream: (?P<name>[^\x00-\x1f]{1,200}) FOUND\Z")


class ScannerUnavailableError(TransientUploadError):
    """clamd can't be reached, did not answer in time or could not scan: nothing is let through."""


class ClamdScanner:
    """Scans over the INSTREAM command, so that clamd needs no access to the files.

    Args:
        url: `tcp://host:3310` or `unix:///run/clamav/clamd.ctl`.
        timeout_s: Seconds for one scan.
    """

    def __init__(self, url: str, *, timeout_s: float) -> None:
        self._parts = urlsplit(url)
        self._timeout_s = timeout_s

    async def scan(self, chunks: AsyncIterator[bytes]) -> str | None:
        """Return the name of the malware in some content, or None when there is none.

        Raises:
            ScannerUnavailableError: It was not scanned.
            PermanentUploadError: It is larger than clamd takes.
        """
        async with self._session() as (reader, writer):
            writer.write(b"zINSTREAM\x00")
            # clamd answers and hangs up in the middle when it has had enough.
            with suppress(ConnectionError):
                async for chunk in chunks:
                    if chunk:
                        writer.write(struct.pack("!L", len(chunk)) + chunk)
                        await writer.drain()
                writer.write(struct.pack("!L", 0))
                await writer.drain()
            answer = await _answer(reader)
        if answer == "stream: OK":
            return None
        if found := _FOUND.match(answer):
            return found["name"]
        if "size limit exceeded" in answer:
            raise PermanentUploadError("the file is larger than clamd's StreamMaxLength: raise it")
        raise ScannerUnavailableError(f"clamd did not scan it: {answer[:200]}")

    async def version(self) -> str:
        """Return what clamd calls itself, with the date of its signatures.

        Raises:
            ScannerUnavailableError: It did not answer.
        """
        async with self._session() as (reader, writer):
            writer.write(b"zVERSION\x00")
            await writer.drain()
            return await _answer(reader)

    @asynccontextmanager
    async def _session(self) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        """Yield a connection, closed at the end; whatever fails, fails as unavailable."""
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                reader, writer = await self._connect()
                yield reader, writer
        except TimeoutError as error:
            raise ScannerUnavailableError("clamd did not answer in time") from error
        except OSError as error:
            raise ScannerUnavailableError(f"clamd can't be reached: {error}") from error
        finally:
            if writer is not None:
                writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._parts.scheme == "unix":
            return await asyncio.open_unix_connection(self._parts.path)
        return await asyncio.open_connection(self._parts.hostname, self._parts.port or _PORT)


async def _answer(reader: asyncio.StreamReader) -> str:
    """Read one answer, which ends in a zero byte."""
    try:
        answer = await reader.readuntil(b"\x00")
    except asyncio.IncompleteReadError as error:
        answer = error.partial
    except asyncio.LimitOverrunError:
        answer = b""
    if not answer:
        raise ScannerUnavailableError("clamd hung up without an answer")
    return answer[:_MAX_ANSWER].rstrip(b"\x00\n").decode("utf-8", "replace")
