# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How a worker that waits learns of new jobs on a Valkey or Redis server."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ._valkey_server import Server
from ._wake_up import WakeUp

if TYPE_CHECKING:
    from redis.asyncio import Redis

_BLOCK_S = 10.0
_PAUSE_S = 0.5
_CANCEL_S = 0.05


class WakeUps:
    """Reads the streams that are written to when a queue has something new.

    One connection reads them all the time, so that nothing is missed between two claims, and so that
    a claim which ends early leaves no half-read answer behind.

    Args:
        server: Where they are.
        wake_up: What to ring.
    """

    def __init__(self, server: Server, wake_up: WakeUp) -> None:
        self._server = server
        self._queues: tuple[str, ...] = ()
        self._listener: asyncio.Task[None] | None = None
        self._wake_up = wake_up

    async def listen(self, queues: Sequence[str]) -> None:
        """Listen to queues from now on.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        if self._listener is not None and not self._listener.done() and self._queues == (*queues,):
            return
        await self.aclose()
        self._queues = (*queues,)
        listening = self._listen(await self._newest())
        loop = asyncio.get_running_loop()
        self._listener = loop.create_task(listening, context=contextvars.Context())

    async def aclose(self) -> None:
        """Stop listening."""
        listener, self._listener = self._listener, None
        # Python 3.11's wait_for, which redis-py uses, can swallow a cancellation (python/cpython#86296).
        while listener is not None and not listener.done():
            listener.cancel()
            await asyncio.wait((listener,), timeout=_CANCEL_S)

    async def _newest(self) -> dict[bytes, bytes]:
        """Return the id of the newest entry of each stream."""
        keys = [f"{self._server.prefix}:k:{queue}".encode() for queue in self._queues]

        async def ask(client: Redis) -> list[Any]:
            pipeline = client.pipeline(transaction=False)
            for key in keys:
                pipeline.xrevrange(key, count=1)
            return await pipeline.execute()

        newest = await self._server.ask(ask, wait=False)
        return {key: rows[0][0] if rows else b"0" for key, rows in zip(keys, newest, strict=True)}

    async def _listen(self, seen: dict[bytes, bytes]) -> None:
        """Read for ever; a server that is away is asked again, and claims meanwhile find that out."""
        client = self._server.listener(_BLOCK_S)
        try:
            while True:
                try:
                    asked: dict[Any, Any] = {**seen}
                    answer = await client.xread(asked, block=int(_BLOCK_S * 1000))
                except Exception:  # noqa: BLE001  # the edge: whatever it is, somebody has to listen
                    await asyncio.sleep(_PAUSE_S)
                    self._wake_up.ring()
                    continue
                for key, entries in _by_stream(answer):
                    seen[key] = entries[-1][0]
                    self._wake_up.ring()
        finally:
            with suppress(OSError, TimeoutError):  # a connection that broke can't be closed well
                await client.aclose()


def _by_stream(answer: Any) -> list[tuple[bytes, list[tuple[bytes, Any]]]]:  # noqa: ANN401  # redis-py's answer
    """Return what was read; its shape depends on the protocol's version."""
    return list(answer.items()) if isinstance(answer, dict) else list(answer or ())
