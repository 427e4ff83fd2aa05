# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Micro-batching: calls that come while one is under way share the next exchange with a server."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batches(Generic[Item, Answer]):
    """Collects what several callers want done, and does it in one call.

    What fails, fails for all callers of that batch. A caller that is cancelled stops waiting; what it
    wanted is done all the same.

    Args:
        carry_out: Does it for many items and returns an answer for each, in their order.
        size: Items of one batch; what one caller brings is never divided.
    """

    def __init__(
        self, carry_out: Callable[[list[Item]], Awaitable[Sequence[Answer]]], *, size: int
    ) -> None:
        self._carry_out = carry_out
        self._size = size
        self._waiting: list[tuple[Sequence[Item], asyncio.Future[list[Answer]]]] = []
        self._sender: asyncio.Task[None] | None = None

    async def add(self, items: Sequence[Item]) -> list[Answer]:
        """Have items done, and return the answer for each.

        Raises:
            Exception: What `carry_out` raised.
        """
        if not items:
            return []
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[list[Answer]] = loop.create_future()
        self._waiting.append((items, answer))
        if self._sender is None:
            # Nobody's request owns the exchange, nor what it logs.
            self._sender = loop.create_task(self._send(), context=contextvars.Context())
        return await answer

    async def drain(self) -> None:
        """Return when nothing is under way."""
        while self._sender is not None:
            await asyncio.wait((self._sender,))

    async def _send(self) -> None:
        batch: list[tuple[Sequence[Item], asyncio.Future[list[Answer]]]] = []
        try:
            await asyncio.sleep(0)  # lets the rest of this turn's callers join
            while self._waiting:
                batch = self._next()
                await self._exchange(batch)
                batch = []
        finally:
            self._sender = None
            left, self._waiting = [*batch, *self._waiting], []
            for _, answer in left:  # this task was cancelled: nobody is left waiting
                answer.cancel()

    def _next(self) -> list[tuple[Sequence[Item], asyncio.Future[list[Answer]]]]:
        count, room = 0, self._size
        while count < len(self._waiting) and (count == 0 or len(self._waiting[count][0]) <= room):
            room -= len(self._waiting[count][0])
            count += 1
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _exchange(
        self, batch: list[tuple[Sequence[Item], asyncio.Future[list[Answer]]]]
    ) -> None:
        try:
            answers = await self._carry_out([item for items, _ in batch for item in items])
        except Exception as error:  # noqa: BLE001  # the edge: each caller gets it
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        place = 0
        for items, answer in batch:
            if not answer.done():
                answer.set_result(list(answers[place : place + len(items)]))
            place += len(items)
