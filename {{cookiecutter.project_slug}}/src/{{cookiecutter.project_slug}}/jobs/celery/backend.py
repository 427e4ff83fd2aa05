# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs on Celery, for who enqueues them and looks after them; Celery is imported to send one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...utils.logging import get_logger
from ..errors import JobsUnavailableError
from ..records import Enqueued, Job, JobFilter, NewJob, QueueStats
from .broker import Broker, Publisher
from .ledger import Ledger, Ticket

if TYPE_CHECKING:
    from celery import Celery  # type: ignore[import-untyped]  # Celery has no types

BROKER_PAUSE_S = 5.0
"""Seconds that nobody waits for a broker that was away; workers send later what was not sent."""

log = get_logger("jobs")


class CeleryBackend:
    """The ledger, which knows jobs, and Celery's broker, which carries them: a `JobBackend`.

    Args:
        ledger: Where jobs are kept.
        broker: What carries them.
        namespace: The service's name, which goes before queues and keys.
        lease_s: See `JobsSettings`.
    """

    def __init__(self, ledger: Ledger, broker: Broker, namespace: str, *, lease_s: float) -> None:
        self._ledger = ledger
        self._broker = broker
        self._namespace = namespace
        self._lease_s = lease_s
        self._publisher: Publisher | None = None
        self._app: Celery | None = None
        self._lock = threading.Lock()
        self._away_until = 0.0

    async def open(self) -> None:
        """Connect to the ledger; the broker is connected to when there is something to send."""
        await asyncio.to_thread(self._ledger.table.open)

    async def aclose(self) -> None:
        """Close all connections."""
        await asyncio.to_thread(self._close)

    def _close(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
        self._ledger.table.close()

    async def enqueue_many(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        """Write jobs down, and send those that are due."""
        return await asyncio.to_thread(self._enqueue, jobs)

    def _enqueue(self, jobs: Sequence[NewJob]) -> list[Enqueued]:
        answers = self._ledger.add(jobs)
        tickets = [
            Ticket(job.id, job.task, job.queue, job.priority)
            for job, answer in zip(jobs, answers, strict=True)
            if answer.created and not job.delay_s
        ]
        # Without a server the worker looks for itself, and this process may be another.
        if tickets and self._broker.kind != "memory":
            self._send(tickets)
        return answers

    def _send(self, tickets: Sequence[Ticket]) -> None:
        """Send jobs. They are in the ledger: what can't be sent now, a worker sends later."""
        arrived = False
        if time.monotonic() >= self._away_until:
            try:
                self._publishing().publish(tickets)
                arrived = True
            except JobsUnavailableError as error:
                self._away_until = time.monotonic() + BROKER_PAUSE_S
                log.warning(
                    "job_broker_unavailable", error=repr(error.__cause__), jobs=len(tickets)
                )
        self._ledger.sent(tickets, arrived=arrived)

    def _publishing(self) -> Publisher:
        with self._lock:
            if self._publisher is None:
                self._publisher = Publisher(self._celery(), self._broker, self._namespace)
            return self._publisher

    def _celery(self) -> Celery:
        if self._app is None:
            from .app import create_app  # noqa: PLC0415  # Celery takes long to import

            self._app = create_app(self._broker, self._namespace, lease_s=self._lease_s)
        return self._app

    async def get(self, job_id: str) -> Job | None:
        """Return a job."""
        return await asyncio.to_thread(self._ledger.get, job_id)

    async def search(self, wanted: JobFilter) -> list[Job]:
        """Return jobs, the newest first."""
        return await asyncio.to_thread(self._ledger.search, wanted)

    async def stats(self) -> list[QueueStats]:
        """Return how each queue is doing."""
        return await asyncio.to_thread(self._ledger.stats)

    async def cancel(self, job_id: str) -> Job | None:
        """Cancel a job."""
        return await asyncio.to_thread(self._ledger.cancel, job_id)

    async def replay(self, job_id: str) -> Job | None:
        """Let a job start now."""
        return await asyncio.to_thread(self._ledger.replay, job_id)

    async def purge(self, wanted: JobFilter) -> int:
        """Delete finished jobs."""
        return await asyncio.to_thread(self._ledger.purge, wanted)
