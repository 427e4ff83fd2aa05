# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Group commit: many callers wait for one transaction, which costs one fsync for all of them."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Generic, TypeVar

from .errors import AuditUnavailableError

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T, R]):
    item: T
    loop: asyncio.AbstractEventLoop
    done: asyncio.Future[R]


class GroupCommit(Generic[T, R]):
    """A thread that hands what has queued up meanwhile to one function.

    Args:
        write: Stores a batch in one transaction and returns, once it is on the disk, one result
            for each item: a value, or the exception for this item alone. When it raises, no item
            was stored.
        max_batch: Items per transaction.
        max_pending: Items that may wait; one more is refused, so that memory stays bounded.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Sequence[R | Exception]],
        *,
        max_batch: int = 256,
        max_pending: int = 10_000,
    ) -> None:
        self._write = write
        self._max_batch = max_batch
        self._max_pending = max_pending
        self._pending = 0
        self._queue: SimpleQueue[_Waiting[T, R] | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="audit-writer", daemon=True)
        self._thread.start()

    async def submit(self, item: T) -> R:
        """Return the result for an item once it is stored.

        A caller that is cancelled does not take the item back.

        Raises:
            AuditUnavailableError: When too many wait, or the writer is closed.
        """
        if self._closed or self._pending >= self._max_pending:
            raise AuditUnavailableError
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T, R] = _Waiting(item, loop, loop.create_future())
        self._pending += 1
        try:
            self._queue.put(waiting)
            return await waiting.done
        finally:
            self._pending -= 1

    @property
    def is_alive(self) -> bool:
        """Whether items are taken."""
        return self._thread.is_alive() and not self._closed

    def close(self) -> None:
        """Store what waits, and end the thread."""
        if not self._closed:
            self._closed = True
            self._queue.put(None)
            self._thread.join()

    def _run(self) -> None:
        while True:
            first = self._queue.get()
            if first is None:
                return
            batch, last = [first], False
            while len(batch) < self._max_batch and not self._queue.empty():
                more = self._queue.get()
                if more is None:
                    last = True
                    break
                batch.append(more)
            self._commit(batch)
            if last:
                return

    def _commit(self, batch: Sequence[_Waiting[T, R]]) -> None:
        results: Sequence[R | Exception]
        try:
            results = self._write([waiting.item for waiting in batch])
        except Exception as error:  # noqa: BLE001  # whatever it is, each caller must hear of it
            results = [error] * len(batch)
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[R], R | Exception]]]
        by_loop = defaultdict(list)
        for waiting, result in zip(batch, results, strict=True):
            by_loop[waiting.loop].append((waiting.done, result))
        for loop, settled in by_loop.items():
            if not loop.is_closed():
                # One wake-up of the loop for the whole batch.
                loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: Sequence[tuple[asyncio.Future[R], R | Exception]]) -> None:
    for future, result in settled:
        if future.cancelled():
            continue
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)
