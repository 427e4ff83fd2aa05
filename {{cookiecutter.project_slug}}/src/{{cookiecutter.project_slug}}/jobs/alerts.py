# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tells the admins of dead letters: once for each task, and again when a job of it succeeds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from ..mail.admins import AdminNotifier
from ..mail.composition import open_admins
from ..utils.logging import get_logger
from .context import TaskContext, provide
from .dead_letters import DeadLetter, Resources, on_dead_letter

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

__all__ = ["DeadLetterAlerts"]

_PREFIX = "dead-letter:"
_REFRESH_S = 60.0
_LAST_WORDS_S = 20.0

log = get_logger("jobs")


class DeadLetterAlerts:
    """Hands what workers find to the admins, beside the work: mail may take a minute.

    Args:
        admins: Who tells them.
    """

    def __init__(self, admins: AdminNotifier) -> None:
        self._admins = admins
        self._letters: dict[str, DeadLetter] = {}
        self._mended: set[str] = set()
        self._open: frozenset[str] = frozenset()
        self._news = asyncio.Event()
        self._stopping = False

    def dead(self, letter: DeadLetter) -> None:
        """Take note of a dead letter; of each task, the newest is told."""
        self._letters[letter.task] = letter
        self._mended.discard(letter.task)
        self._news.set()

    async def watch(self, ctx: TaskContext, call: Callable[[], Awaitable[object]]) -> object:
        """Run around an attempt, and take note when a task works again."""
        result = await call()
        if _PREFIX + ctx.task_name in self._open:
            self._mended.add(ctx.task_name)
            self._news.set()
        return result

    async def run(self) -> None:
        """Tell what there is to tell until `stop`, and what there is then."""
        while not self._stopping:
            self._open = await self._admins.open_outages()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), _REFRESH_S)
            self._news.clear()
            await self.tell()
        await self.tell()  # what came in while it told the rest

    def stop(self) -> None:
        """Let `run` end when all is told: news that were half told would be lost."""
        self._stopping = True
        self._news.set()

    async def tell(self) -> None:
        """Tell what there is to tell now."""
        letters, self._letters = self._letters, {}
        mended, self._mended = self._mended, set()
        for letter in letters.values():
            await self._admins.notify(_PREFIX + letter.task, _subject(letter), _text(letter))
        for name in sorted(mended):
            text = f"A job of {name} has succeeded. Dead letters wait for jobs replay."
            await self._admins.recovered(_PREFIX + name, f"{name} works again", text)
        self._open = await self._admins.open_outages()


@asynccontextmanager
async def _open_alerts(settings: PlatformSettings) -> AsyncGenerator[DeadLetterAlerts]:
    async with open_admins(settings) as admins:
        alerts = DeadLetterAlerts(admins)
        task = asyncio.create_task(alerts.run())
        try:
            yield alerts
        finally:
            alerts.stop()
            try:
                await asyncio.wait_for(task, _LAST_WORDS_S)
            except TimeoutError:
                log.warning("admins_not_told_in_time")


@on_dead_letter
async def _pass_on(letter: DeadLetter, resources: Resources) -> None:
    alerts = resources.get(DeadLetterAlerts)
    if isinstance(alerts, DeadLetterAlerts):
        alerts.dead(letter)


def _subject(letter: DeadLetter) -> str:
    return f"A job of {letter.task} has failed for good"


def _text(letter: DeadLetter) -> str:
    """Return what admins need to look further; not the error's text, which may repeat data."""
    kind = letter.error.strip().splitlines()[-1].partition(":")[0] if letter.error else "unknown"
    return (
        f"Task: {letter.task}\nQueue: {letter.queue}\nJob: {letter.job_id}\n"
        f"Attempts: {letter.attempt}\nError: {kind[:200]}\n\n"
        f"Look at it with: jobs show {letter.job_id}\n"
        f"When the cause is mended: jobs replay {letter.job_id}\n\n"
        "You are not told of further jobs of this task until one has succeeded."
    )


provide(DeadLetterAlerts, _open_alerts)
