# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Rate limits that all processes of a service share, in Valkey or Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from ...utils.logging import get_logger
from ...utils.valkey import connect, redis_url
from .quota import Outcome, Quota
from .scripts import SCRIPTS, AlgorithmName, parameters

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BATCH = 256
_FIRST_PAUSE = 1.0
_LONGEST_PAUSE = 30.0

_Waiting = tuple[bytes, Quota, "asyncio.Future[Outcome | None]"]


class SharedStore:
    """Count requests on a server, all those of one turn of the event loop in a single call.

    When the server fails or does not answer in time, requests are answered with None at once, and it
    is asked again after a pause of 1 s, doubled up to 30 s: a dead server costs one timeout per
    pause, not one per request. Each change of its state is logged once. `outcome` never raises.

    Args:
        url: valkey://, valkeys:// (TLS), redis://, rediss:// or unix:// URL.
        algorithm: How to count.
        namespace: What keys start with; services that share a server need different ones.
        timeout_s: Seconds to connect and to be answered.
        clock: Monotonic seconds.

    Raises:
        ValueError: When it is made, for a URL that names no server.
    """

    def __init__(
        self,
        url: str,
        algorithm: AlgorithmName,
        *,
        namespace: str = "rate-limit",
        timeout_s: float = 0.25,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = redis_url(url, setting="rate_limit.url")
        self._algorithm: AlgorithmName = algorithm
        # The braces make one cluster slot of all keys, which a script that takes many needs.
        self._prefix = ("{" + namespace + "}:").encode()
        self._timeout_s = timeout_s
        self._clock = clock
        self._client: Redis | None = None
        self._sha = ""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: list[_Waiting] = []
        self._flusher: asyncio.Task[None] | None = None
        self._pause = 0.0
        self._retry_at = 0.0

    async def outcome(self, key: str, quota: Quota) -> Outcome | None:
        """Count a request; None when the server cannot be asked."""
        busy = self._flusher is not None
        if self._pause and (busy or self._clock() < self._retry_at):
            return None
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            # Connections belong to a loop; tests and reloads have several, one after the other.
            self._loop, self._client, self._waiting, busy = loop, None, [], False
        answer: asyncio.Future[Outcome | None] = loop.create_future()
        self._waiting.append((self._prefix + key.encode("utf-8", "replace"), quota, answer))
        if not busy:
            self._flusher = loop.create_task(self._flush())
        return await answer

    @property
    def retry_after(self) -> float:
        """Seconds until the server is asked again; 0 while it answers."""
        return max(0.0, self._retry_at - self._clock()) if self._pause else 0.0

    async def aclose(self) -> None:
        """Close the connection, after answering whoever still waits."""
        if self._flusher is not None and self._loop is asyncio.get_running_loop():
            await self._flusher
        await self._disconnect()

    async def _flush(self) -> None:
        batch: list[_Waiting] = []
        try:
            await asyncio.sleep(0)  # lets the rest of this turn's requests join
            while self._waiting:
                batch, self._waiting = self._waiting[:_BATCH], self._waiting[_BATCH:]
                _resolve(batch, await self._ask(batch))
        finally:
            # When this task is cancelled nobody is left waiting.
            left, self._waiting = [*batch, *self._waiting], []
            _resolve(left, [None] * len(left))
            self._flusher = None

    async def _ask(self, batch: list[_Waiting]) -> list[Outcome | None]:
        quotas = list(dict.fromkeys(quota for _, quota, _ in batch))
        places = {quota: place for place, quota in enumerate(quotas)}
        numbers = [n for quota in quotas for n in parameters(self._algorithm, quota)]
        chosen = bytes([places[quota] for _, quota, _ in batch])
        keys = [key for key, _, _ in batch]
        try:
            async with asyncio.timeout(self._timeout_s):
                reply = await self._evaluate(len(keys), [*keys, *numbers, chosen])
            fields = reply.split()
            outcomes: list[Outcome | None] = [
                (int(left), int(wait) / 1e6)
                for left, wait in zip(fields[::2], fields[1::2], strict=True)
            ]
        except Exception as error:  # noqa: BLE001  # the edge: whatever fails here, requests go on
            await self._mark_down(error)
            return [None] * len(batch)
        self._mark_up()
        return outcomes

    async def _evaluate(self, count: int, arguments: list[Any]) -> bytes:
        from redis.exceptions import NoScriptError  # noqa: PLC0415  # needed only with a URL

        script = SCRIPTS[self._algorithm]
        if self._client is None:
            self._client = connect(self._url, timeout_s=self._timeout_s)
        if self._sha:
            try:
                reply: bytes = await self._client.evalsha(self._sha, count, *arguments)
            except NoScriptError:
                self._sha = ""
            else:
                return reply
        reply = await self._client.eval(script, count, *arguments)
        self._sha = sha1(script.encode(), usedforsecurity=False).hexdigest()
        return reply

    async def _disconnect(self) -> None:
        client, self._client = self._client, None
        if client is not None and self._loop is asyncio.get_running_loop():
            with suppress(OSError, TimeoutError):  # a connection that broke can't be closed well
                await client.aclose()

    async def _mark_down(self, error: Exception) -> None:
        if not self._pause:
            get_logger(__name__).warning(
                "rate_limit_store_down", error=type(error).__name__, retry_s=_FIRST_PAUSE
            )
        self._pause = min(self._pause * 2 or _FIRST_PAUSE, _LONGEST_PAUSE)
        self._retry_at = self._clock() + self._pause
        await self._disconnect()

    def _mark_up(self) -> None:
        if self._pause:
            self._pause = 0.0
            get_logger(__name__).info("rate_limit_store_up")


def _resolve(batch: list[_Waiting], outcomes: list[Outcome | None]) -> None:
    """Answer those that still wait; a client that went away has cancelled its own."""
    for (_, _, answer), outcome in zip(batch, outcomes, strict=True):
        if not answer.done():
            answer.set_result(outcome)
