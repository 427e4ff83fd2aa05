"""Work that a service does by itself, again and again, whatever becomes of one round of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

from ..utils.logging import get_logger

_log = get_logger(__name__)


async def repeat(work: Callable[[], Awaitable[object]], *, every_s: float, name: str) -> None:
    """Do something now, and again so many seconds after it ended, until cancelled.

    Args:
        work: One round; what it raises is logged, and the next round comes.
        every_s: Seconds between the end of a round and the next.
        name: What the log calls it.
    """
    while True:
        try:
            await work()
        except Exception:  # noqa: BLE001  # the edge of a background task: it has to outlive any one failure
            _log.exception("repeated_work_failed", work=name)
        await asyncio.sleep(every_s)


@asynccontextmanager
async def beside(*works: Coroutine[None, None, None]) -> AsyncGenerator[None]:
    """Run what never ends beside a block, and end it with the block."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
