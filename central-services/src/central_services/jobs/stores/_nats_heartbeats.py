# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Heartbeats to NATS from a thread with an event loop of its own, whatever the worker's loop does."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress

from ..errors import JobsUnavailableError
from ..records import Beat, JobState, Lease
from ._nats_connection import Connection
from ._nats_names import Names
from ._nats_records import Record, load


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
        self._starting = threading.Lock()
        self._connecting = asyncio.Lock()
        self._going_on: dict[str, asyncio.Task[None]] = {}

    def beat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases; blocks.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        asked = asyncio.run_coroutine_threadsafe(self._beat(leases, lease_s), self._running_loop())
        try:
            return asked.result(self._connection.timeout_s * 3)
        except TimeoutError as error:
            asked.cancel()
            raise JobsUnavailableError("The job server did not answer a heartbeat.") from error

    def keep(self, record: Record, lease_s: float) -> None:
        """Prolong a new claim to `lease_s` from now, without blocking."""
        asyncio.run_coroutine_threadsafe(self._keep(record, lease_s), self._running_loop())

    async def _keep(self, record: Record, lease_s: float) -> None:
        await self._connected()
        self._go_on(record, lease_s - record.lease_s)

    async def _connected(self) -> None:
        async with self._connecting:
            if not self._connection.is_open:
                await self._connection.open(self._connection.timeout_s)

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=self._loop.run_forever, name="jobs-nats-heartbeat", daemon=True
                )
                self._thread.start()
        return self._loop

    async def _beat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        await self._connected()
        subjects = [self._names.record(lease.id) for lease in leases]
        stored = await self._connection.read(self._names.stream, subjects)
        lost, cancelled = set(), set()
        for lease, subject in zip(leases, subjects, strict=True):
            record = load(stored[subject].data) if subject in stored else None
            if record is None or record.token != lease.token or record.state != JobState.RUNNING:
                lost.add(lease.id)
                continue
            await self._connection.send(record.reply, b"+WPI")
            self._go_on(record, lease_s - record.lease_s)
            if record.cancelled:
                cancelled.add(lease.id)
        return Beat(frozenset(lost), frozenset(cancelled))

    def _go_on(self, record: Record, seconds: float) -> None:
        """Say so again for some time, when a lease is to last longer than it was claimed for."""
        earlier = self._going_on.pop(record.id, None)
        if earlier is not None:
            earlier.cancel()
        if seconds > 0:
            task = asyncio.get_running_loop().create_task(self._repeat(record, seconds))
            self._going_on[record.id] = task
            task.add_done_callback(lambda done: self._forget(record.id, done))

    def _forget(self, job_id: str, done: asyncio.Task[None]) -> None:
        if self._going_on.get(job_id) is done:
            del self._going_on[job_id]

    async def _repeat(self, record: Record, seconds: float) -> None:
        pause_s = min(seconds, record.lease_s / 3)
        for _ in range(int(seconds / pause_s)):
            await asyncio.sleep(pause_s)
            with suppress(JobsUnavailableError):  # the next one may arrive
                await self._connection.send(record.reply, b"+WPI")

    async def aclose(self) -> None:
        """Close the connection, and end the thread."""
        loop, self._loop = self._loop, None
        if loop is None:
            return
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._end(), loop))
        loop.call_soon_threadsafe(loop.stop)
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)
        loop.close()

    async def _end(self) -> None:
        tasks = list(self._going_on.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connection.aclose()
