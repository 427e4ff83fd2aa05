# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Heartbeats to NATS from a thread with an event loop of its own, whatever the worker's loop does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from ..errors import JobsUnavailableError
from ..records import Beat, JobState, Lease
from ._nats_connection import Connection
from ._nats_names import Names
from ._nats_records import load


class Heartbeats:
    """Tells the server that work is in progress, over a connection of its own.

    Args:
        connection: Used by nobody else.
        names: What things are called.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def beat(self, leases: Sequence[Lease]) -> Beat:
        """Prolong leases; blocks.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="jobs-nats-heartbeat", daemon=True
            )
            self._thread.start()
        asked = asyncio.run_coroutine_threadsafe(self._beat(leases), self._loop)
        try:
            return asked.result(self._connection.timeout_s * 3)
        except TimeoutError as error:
            asked.cancel()
            raise JobsUnavailableError("The job server did not answer a heartbeat.") from error

    async def _beat(self, leases: Sequence[Lease]) -> Beat:
        if not self._connection.is_open:
            await self._connection.open(self._connection.timeout_s)
        subjects = [self._names.record(lease.id) for lease in leases]
        stored = await self._connection.read(self._names.stream, subjects)
        lost, cancelled = set(), set()
        for lease, subject in zip(leases, subjects, strict=True):
            record = load(stored[subject].data) if subject in stored else None
            if record is None or record.token != lease.token or record.state != JobState.RUNNING:
                lost.add(lease.id)
                continue
            await self._connection.send(record.reply, b"+WPI")
            if record.cancelled:
                cancelled.add(lease.id)
        return Beat(frozenset(lost), frozenset(cancelled))

    async def aclose(self) -> None:
        """Close the connection, and end the thread."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        closed = asyncio.run_coroutine_threadsafe(self._connection.aclose(), loop)
        await asyncio.wrap_future(closed)
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        loop.close()
