# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The connection to a cache server: many commands in one exchange, and little cost without a server."""

from __future__ import annotations

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

from ...utils.logging import get_logger
from ...utils.valkey import connect, redis_url

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BATCH = 64
_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 2.0


class Failure(Enum):
    """What takes the place of an answer."""

    FAILED = "the server did not carry the command out"


FAILED = Failure.FAILED

_Read: TypeAlias = tuple[bytes, bytes, "asyncio.Future[Any]"]
_Command: TypeAlias = tuple[tuple[Any, ...], "asyncio.Future[Any]"]


class Connection:
    """One connection that sends all commands of a turn of the event loop together.

    When the server fails or does not answer in time, every command is answered with `FAILED` at
    once, without asking it. Whoever comes after a pause of 0.5 s, doubled up to 2 s, has the server
    asked in the background, and does not wait for that: a dead server costs those who were talking
    to it one timeout, and nobody else anything. Each change of its state is logged once. Nothing
    raises but `check`.

    Args:
        url: Where the server is.
        timeout_s: Seconds to connect and to be answered.
        restore: What has to happen on a server that is back, before it is used.
        clock: Monotonic seconds.

    Raises:
        ValueError: When it is made, for a URL that names no server.
    """

    def __init__(
        self,
        url: str,
        *,
        timeout_s: float,
        restore: Callable[[Redis], Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = redis_url(url, setting="cache.url")
        self._timeout_s = timeout_s
        self._restore = restore
        self._clock = clock
        self._client: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._reads: list[_Read] = []
        self._commands: list[_Command] = []
        self._flusher: asyncio.Task[None] | None = None
        self._recovery: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._retry_at = 0.0
        self._refused: set[str] = set()

    @property
    def available(self) -> bool:
        """Whether the server answered when it was last asked."""
        return not self._pause

    async def read(self, first: bytes, second: bytes) -> Any:  # noqa: ANN401  # two values, or `FAILED`
        """Return the values of two keys as a tuple; None for one that is not there."""
        answer = self._answer()
        if answer is None:
            return FAILED
        self._reads.append((first, second, answer))
        return await answer

    async def run(self, *command: Any) -> Any:  # noqa: ANN401  # what the server answers, or `FAILED`
        """Return the answer to a command."""
        answer = self._answer()
        if answer is None:
            return FAILED
        self._commands.append((command, answer))
        return await answer

    def post(self, *command: Any) -> None:  # noqa: ANN401  # as redis-py takes them
        """Send a command without waiting for its answer."""
        answer = self._answer()
        if answer is not None:
            self._commands.append((command, answer))

    async def check(self) -> float:
        """Ask the server, whatever its state, and return the seconds that it took to answer.

        Raises:
            RedisError: It answered with an error, or not at all.
            TimeoutError: Not in time.
        """
        began = self._clock()
        client = connect(self._url, timeout_s=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.ping()
        finally:
            await _close(client)
        took = self._clock() - began
        if self._pause:
            self._retry_at = 0.0
            self._recover_when_due()
        return took

    def prepare(self) -> None:
        """Import the library, which can take longer than a command may; connect to nothing yet."""
        self._answer_on(asyncio.get_running_loop())
        self._prepared()

    async def aclose(self) -> None:
        """Send what is waiting, and close the connection."""
        if self._loop is asyncio.get_running_loop():
            if self._flusher is not None:
                await self._flusher
            if self._recovery is not None:
                self._recovery.cancel()
                await asyncio.wait((self._recovery,))
        await self._disconnect()

    def _answer(self) -> asyncio.Future[Any] | None:
        """Return where an answer will be, or None when the server is not to be asked."""
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._answer_on(loop)
        if self._pause:
            self._recover_when_due()
            return None
        if self._flusher is None:
            # Nobody's request owns the connection, nor what it logs.
            self._flusher = loop.create_task(self._flush(), context=contextvars.Context())
        return loop.create_future()

    def _answer_on(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin anew: connections belong to a loop, and tests and reloads have several in turn."""
        if loop is not self._loop:
            self._loop, self._client, self._reads, self._commands = loop, None, [], []
            self._flusher = self._recovery = None

    def _prepared(self) -> Redis:
        if self._client is None:
            self._client = connect(self._url, timeout_s=self._timeout_s)
        return self._client

    async def _flush(self) -> None:
        reads: list[_Read] = []
        commands: list[_Command] = []
        try:
            await asyncio.sleep(0)  # lets the rest of this turn's commands join
            while self._reads or self._commands:
                reads, self._reads = self._reads[:_BATCH], self._reads[_BATCH:]
                commands, self._commands = self._commands[:_BATCH], self._commands[_BATCH:]
                client = self._prepared()
                async with asyncio.timeout(self._timeout_s):
                    await self._exchange(client, reads, commands)
        except Exception as error:  # noqa: BLE001  # the edge: whatever fails here, requests go on
            await self._mark_down(error)
        finally:
            # Nobody is left waiting, also when this task is cancelled.
            for _, _, answer in (*reads, *self._reads):
                _resolve(answer, FAILED)
            for _, answer in (*commands, *self._commands):
                _resolve(answer, FAILED)
            self._reads, self._commands, self._flusher = [], [], None

    async def _exchange(self, client: Redis, reads: list[_Read], commands: list[_Command]) -> None:
        firsts = {first: place for place, first in enumerate({first: 0 for first, _, _ in reads})}
        keys = [*firsts, *(second for _, second, _ in reads)]
        if not commands:
            values: Any = await client.mget(keys)
        else:
            pipeline = client.pipeline(transaction=False)
            for command, _ in commands:
                pipeline.execute_command(*command)
            if reads:
                pipeline.mget(keys)
            replies = await pipeline.execute(raise_on_error=False)
            for (_, answer), reply in zip(commands, replies, strict=False):
                _resolve(answer, self._accept(reply))
            values = replies[-1]
            if reads and isinstance(values, Exception):
                raise values
        for place, (first, _, answer) in enumerate(reads, len(firsts)):
            _resolve(answer, (values[firsts[first]], values[place]))

    def _accept(self, reply: Any) -> Any:  # noqa: ANN401  # an answer, or the error in its place
        if not isinstance(reply, Exception):
            return reply
        kind = type(reply).__name__
        if kind == "ReadOnlyError":  # after a failover: a new connection finds the new primary
            raise reply
        if kind not in self._refused:
            # Not its text, which can hold keys and values.
            self._refused.add(kind)
            get_logger(__name__).warning("cache_command_refused", error=kind)
        return FAILED

    async def _mark_down(self, error: Exception) -> None:
        if not self._pause:
            get_logger(__name__).warning("cache_server_down", error=type(error).__name__)
        self._pause = min(self._pause * 2 or _FIRST_PAUSE, _LONGEST_PAUSE)
        self._retry_at = self._clock() + self._pause
        await self._disconnect()

    def _recover_when_due(self) -> None:
        if self._recovery is None and self._clock() >= self._retry_at:
            loop = asyncio.get_running_loop()
            self._recovery = loop.create_task(self._recover(), context=contextvars.Context())

    async def _recover(self) -> None:
        client = connect(self._url, timeout_s=self._timeout_s)
        try:
            async with asyncio.timeout(self._timeout_s):
                await client.ping()
                await self._restore(client)
        except asyncio.CancelledError:
            await _close(client)
            raise
        except Exception as error:  # noqa: BLE001  # the edge: it is still down, for whatever reason
            await _close(client)
            await self._mark_down(error)
        else:
            self._client, self._pause = client, 0.0
            get_logger(__name__).info("cache_server_up")
        finally:
            self._recovery = None

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            await _close(client)


def _resolve(answer: asyncio.Future[Any], value: object) -> None:
    """Answer one that still waits; a caller that was cancelled has cancelled its own."""
    if not answer.done():
        answer.set_result(value)


async def _close(client: Redis) -> None:
    with suppress(OSError, TimeoutError):  # a connection that broke can't be closed well
        await client.aclose()
