# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Buffered writing of log lines: many lines, one system call."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final, TextIO

BATCH: Final = 64
DELAY_S: Final = 0.01


Late = tuple[Callable[[Any], bytes], Any]
"""A function that never raises, and what to call it with. Lines that are made one after the other
take a third of the CPU of lines that are made between other work, when nothing of it is cached."""


class LogWriter:
    """Collect lines and write them together.

    A line is written at once when it is urgent (an error), when 64 wait, or when no event loop
    runs here; otherwise within 10 ms. So a SIGKILL can cost 10 ms of lines below ERROR; an exit,
    an exception and a fork cost none.

    Args:
        stream: Asked at each write where lines go, since tests and daemons replace `sys.stdout`.
    """

    def __init__(self, stream: Callable[[], TextIO | None]) -> None:
        self._stream = stream
        # Appending to a deque and taking from it are atomic, so that no line takes a lock.
        self._lines: deque[bytes | Late] = deque()
        self._lock = threading.RLock()
        self._writing = False
        self._due = 0.0

    def write(self, line: bytes | Late, urgent: bool, now: float) -> None:
        """Take one line, which ends in a line feed.

        Args:
            line: What to write, or what makes it when it is written.
            urgent: Whether it may not wait.
            now: `time.time()`, which the caller has.
        """
        lines = self._lines
        lines.append(line)
        if urgent or len(lines) >= BATCH:
            self.flush()
        elif not self._due:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                self.flush()
            else:
                self._due = now + 2 * DELAY_S
                loop.call_later(DELAY_S, self.flush)
        elif now > self._due:
            # The loop that was to flush is busy, or is gone.
            self.flush()

    def flush(self) -> None:
        """Write what waits; what can't be written (a closed pipe) is dropped, not raised."""
        self._due = 0.0
        with self._lock:
            # A finalizer or signal handler may log while this thread writes: the loop below
            # takes its lines, too, and the stream is not entered twice.
            if self._writing:
                return
            self._writing = True
            try:
                while self._lines:
                    batch = [self._lines.popleft() for _ in range(len(self._lines))]
                    lines = [x if isinstance(x, bytes) else x[0](x[1]) for x in batch]
                    self._send(b"".join(lines))
            finally:
                self._writing = False

    def _send(self, data: bytes) -> None:
        stream = self._stream()
        if stream is None:  # pythonw and daemons that closed it have none
            return
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
            buffer = getattr(stream, "buffer", None)
            if buffer is None:
                stream.write(data.decode("utf-8", "replace"))
            else:
                buffer.write(data)
            stream.flush()

    def after_fork(self) -> None:
        """Start afresh in a child process; the parent's lines are the parent's to write."""
        self._lines = deque()
        self._lock = threading.RLock()
        self._writing = False
        self._due = 0.0
