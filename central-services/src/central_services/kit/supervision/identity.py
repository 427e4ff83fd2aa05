"""Who runs: a lock that a process holds while it lives, and its id beside it.

A process is known by what it holds, never by its name: the lock file is open in it, so the kernel lets
go of it when the process ends, however it ends. The id is written by the process itself before it
becomes the program, so whoever finds the lock taken finds the id, too.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STEP_S = 0.02
"""Seconds between two looks at a lock that another process holds; nothing can be awaited."""

_LOOKS = 20
_PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Identity:
    """The lock and the id of one process.

    Attributes:
        folder: Where both files are.
        name: What it is called there.
    """

    folder: Path
    name: str

    @property
    def lock_path(self) -> Path:
        """The file that the process holds."""
        return self.folder / f"{self.name}.lock"

    @property
    def id_path(self) -> Path:
        """The file with its id."""
        return self.folder / f"{self.name}.pid"

    def take(self) -> int | None:
        """Take the lock and return its open file, or None while a process holds it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Nobody else's: whoever can open it could hold it.
        descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        for _ in range(_LOOKS):  # who asks `is_held` holds it for an instant
            with suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            time.sleep(STEP_S / 4)
        else:
            os.close(descriptor)
            return None
        self.id_path.unlink(missing_ok=True)
        return descriptor

    def is_held(self) -> bool:
        """Tell whether its process lives."""
        if not self.lock_path.exists():
            return False
        descriptor = os.open(self.lock_path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def holder(self) -> int | None:
        """Return the id of the process that holds the lock, or None."""
        try:
            process = int(self.id_path.read_text("utf-8"))
        except (FileNotFoundError, ValueError):
            return None  # not written yet
        return process if self.is_held() and self._has_it_open(process) else None

    def _has_it_open(self, process: int) -> bool:
        """Tell whether a process has the lock file open: an id may be another's by now."""
        if not _PROC.joinpath("self/fd").is_dir():
            return True  # no such folder on macOS, where the lock alone has to do
        lock = self.lock_path.stat()
        with suppress(OSError):
            for descriptor in _PROC.joinpath(str(process), "fd").iterdir():
                with suppress(OSError):
                    if os.path.samestat(descriptor.stat(), lock):
                        return True
        return False

    async def released(self, limit_s: float) -> bool:
        """Wait until nobody holds the lock, and tell whether that came within the limit."""
        deadline = time.monotonic() + limit_s
        while self.is_held():
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(STEP_S)
        return True

    async def end(self, stop: signal.Signals, limit_s: float) -> int | None:
        """End its process, which is no child of this one: ask, wait, and kill it at the limit.

        Returns:
            The id of what was ended, or None when nothing ran.
        """
        deadline = time.monotonic() + limit_s
        process = self.holder()
        while process is None and self.is_held() and time.monotonic() < deadline:
            await asyncio.sleep(STEP_S)  # it is about to write its id
            process = self.holder()
        if process is None:
            return None
        with suppress(ProcessLookupError):
            os.kill(process, stop)
        if not await self.released(limit_s):
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            await self.released(limit_s)
        return process
