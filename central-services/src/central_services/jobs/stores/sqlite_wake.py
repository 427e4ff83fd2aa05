# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Waking threads of this process, and other processes that use the same file.

Each process that waits has a named pipe in a folder beside the file. Who commits something writes a
byte to each pipe: no polling, no port, and a process that died leaves a pipe that nobody reads, which
the next writer removes. Where there are no named pipes the store polls.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import select
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: there SQLite's own waiting has to do
    fcntl = None  # type: ignore[assignment]  # tells that it is not there

_STALE = frozenset({errno.ENXIO, errno.ENOENT, errno.EPIPE})


class WakeUp:
    """Lets one thread wait until somebody of this process, or another process, calls.

    Args:
        file: The file that the processes share.

    Attributes:
        hears_others: Whether other processes can call; otherwise the waiting thread must poll.
    """

    def __init__(self, file: Path) -> None:
        self._folder = file.with_name(f"{file.name}-wake")
        self._own, self._own_writer = os.pipe()
        os.set_blocking(self._own, False)
        os.set_blocking(self._own_writer, False)
        self._pipe = self._folder / f"{os.getpid()}-{secrets.token_hex(4)}"
        self._reader: int | None = None
        self._others: dict[str, int] = {}
        with contextlib.suppress(OSError, AttributeError):
            self._listen()
        self.hears_others = self._reader is not None

    def _listen(self) -> None:
        """Make the named pipe; it gets its name once it has a reader."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        hidden = self._pipe.with_name(f".{self._pipe.name}")
        os.mkfifo(hidden, 0o600)
        # Open for both, or it would be at its end whenever nobody has it open to write.
        self._reader = os.open(hidden, os.O_RDWR | os.O_NONBLOCK)
        hidden.rename(self._pipe)

    def call(self) -> None:
        """Wake the waiting thread of this object; safe from any thread."""
        with contextlib.suppress(BlockingIOError):  # full: it will wake up anyway
            os.write(self._own_writer, b"x")

    def call_others(self) -> None:
        """Wake the waiting threads of all other processes."""
        try:
            names = os.listdir(self._folder)  # noqa: PTH208  # 3 us instead of 30, for each commit
        except OSError:
            return
        for name in names:
            if name != self._pipe.name and not name.startswith("."):
                self._call_other(name)
        for name in self._others.keys() - set(names):
            os.close(self._others.pop(name))

    def _call_other(self, name: str) -> None:
        try:
            if name not in self._others:
                path = self._folder / name
                self._others[name] = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(self._others[name], b"x")
        except BlockingIOError:
            return  # full of calls already
        except OSError as error:
            if name in self._others:
                os.close(self._others.pop(name))
            if error.errno in _STALE:
                (self._folder / name).unlink(missing_ok=True)

    def wait(self, timeout_s: float | None) -> None:
        """Wait until somebody called since the last time, or for so many seconds."""
        readers = [self._own] if self._reader is None else [self._own, self._reader]
        ready, _, _ = select.select(readers, [], [], timeout_s)
        for one in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(one, 4096)

    def close(self) -> None:
        """Close and remove the pipes."""
        if self._reader is not None:
            self._pipe.unlink(missing_ok=True)
            os.close(self._reader)
            self._reader = None
        for one in (self._own, self._own_writer, *self._others.values()):
            os.close(one)
        self._others.clear()


class Turn:
    """A lock that writers of all processes take before SQLite's own.

    Who waits for SQLite's sleeps, up to 100 ms at a time, while others come first; who waits for this
    one is woken when it is free. It goes with the process that holds it.

    Args:
        file: The file that the processes share.
    """

    def __init__(self, file: Path) -> None:
        path = file.with_name(f"{file.name}-turn")
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)

    def __enter__(self) -> None:
        """Wait for the turn."""
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        """Let others have it."""
        if fcntl is not None:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)
