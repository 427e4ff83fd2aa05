# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Folders for uploads, and a scanner that speaks clamd's protocol."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from central_services.core.file_settings import UploadsSettings

Make = Callable[..., UploadsSettings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The upload folder."""
    found = tmp_path / "uploads"
    found.mkdir()
    return found


@pytest.fixture
def make_settings(tmp_path: Path, folder: Path) -> Make:
    """A function that returns settings for that folder."""

    def make(**fields: Any) -> UploadsSettings:
        quarantine = str(tmp_path / "quarantine")
        defaults: dict[str, Any] = {"folder": str(folder), "quarantine_folder": quarantine}
        return UploadsSettings(**(defaults | fields))

    return make


@dataclass
class Scanner:
    """A running scanner.

    Attributes:
        url: Where it is.
        answer: What it says; empty hangs up.
        scanned: What it was sent.
    """

    url: str = ""
    answer: bytes = b"stream: OK\x00"
    scanned: list[bytes] = field(default_factory=list)

    async def handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = await reader.readuntil(b"\x00")
        if command == b"zVERSION\x00":
            writer.write(b"ClamAV 1.4/27000\x00")
            return
        assert command == b"zINSTREAM\x00"
        content = b""
        while size := struct.unpack("!L", await reader.readexactly(4))[0]:
            content += await reader.readexactly(size)
        self.scanned.append(content)
        writer.write(self.answer)
        await writer.drain()


@pytest.fixture
def scanner(listen: Callable[..., Any]) -> Callable[[], AbstractAsyncContextManager[Scanner]]:
    """A function that starts a scanner."""

    @asynccontextmanager
    async def start() -> AsyncGenerator[Scanner]:
        running = Scanner()
        async with listen(running.handle) as port:
            running.url = f"tcp://127.0.0.1:{port}"
            yield running

    return start
