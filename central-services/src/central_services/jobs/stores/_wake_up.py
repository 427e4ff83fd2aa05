# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a claim waits for: something new, an interruption, or that its time is over."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class WakeUp:
    """One waiter, woken from its own loop (`ring`) or from any thread (`interrupt`)."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._rung = asyncio.Event()
        self._interrupted = False

    def clear(self) -> None:
        """Forget what came up to now: the waiter is about to look for itself."""
        self._loop = asyncio.get_running_loop()
        self._rung.clear()

    def ring(self) -> None:
        """Say that there is something new."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when it rang since `clear`, or after a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    def interrupt(self) -> None:
        """Let the one that waits, or waits next, return; from any thread."""
        self._interrupted = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._rung.set)

    def interrupted(self) -> bool:
        """Return whether `interrupt` was called since this was asked last."""
        interrupted, self._interrupted = self._interrupted, False
        return interrupted
