# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Jobs on Celery, for a worker: a `JobStore` like any other engine's, so that the worker is the same.

Celery's own worker takes messages, in threads; each names a job that is started in the ledger and
handed to the worker's event loop by `claim`. A second thread sends what is due and has no message:
retries, delayed and replayed jobs, and whatever a broker lost.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...utils.logging import get_logger
from ..definition import TASKS
from ..errors import JobsUnavailableError
from ..records import Beat, Claim, Job, JobState, Lease, Outcome, Progress
from .backend import CeleryBackend
from .deliveries import Deliveries
from .ledger import Ticket

if TYPE_CHECKING:
    from .broker import Broker
    from .consumer import Consumer
    from .ledger import Ledger

BATCH = 200
POLL_S = {"memory": 0.05, "amqp": 0.25, "redis": 0.25}
"""Seconds between two looks for what is to be sent, by the kind of broker."""

LOOK_S = 5.0
"""Seconds between two looks for messages that were lost."""

log = get_logger("jobs")


class CeleryStore(CeleryBackend):
    """A backend that a worker can claim from; see `CeleryBackend`.

    Args:
        ledger: Where jobs are kept.
        broker: What carries them.
        namespace: The service's name, which goes before queues and keys.
        lease_s: See `JobsSettings`.
    """

    def __init__(self, ledger: Ledger, broker: Broker, namespace: str, *, lease_s: float) -> None:
        super().__init__(ledger, broker, namespace, lease_s=lease_s)
        self._worker = ""
        self._deliveries: Deliveries | None = None
        self._consumer: Consumer | None = None
        self._keeper: threading.Thread | None = None
        self._closing = threading.Event()
        self._nudging: Ticket | None = None
        self._on_their_way = 0
        self._beat_at = 0.0
        self._look_at = time.monotonic() + LOOK_S
        self._queues: list[str] = []

    async def claim(
        self, queues: Sequence[str], limit: int, *, lease_s: float, wait_s: float, worker: str
    ) -> list[Claim]:
        """Return jobs that came with messages.

        The first call starts Celery's worker, which holds as many messages as that call's limit.
        """
        if self._deliveries is None:
            self._worker, self._lease_s = worker, lease_s
            self._deliveries = Deliveries(self._start)
            await asyncio.to_thread(self._begin, self._deliveries, queues, limit)
        if self._consumer is not None and self._consumer.ended.is_set():
            raise JobsUnavailableError("Celery's worker has ended.")
        return await self._deliveries.claim(limit, wait_s)

    def _begin(self, deliveries: Deliveries, queues: Sequence[str], concurrency: int) -> None:
        from .app import register  # noqa: PLC0415  # a process without a worker needs no Celery
        from .consumer import Consumer  # noqa: PLC0415  # the same

        app, tasks = self._celery(), list(TASKS)
        register(app, tasks, self._handle)
        self._queues = [*queues]
        self._nudging = Ticket("nudge", tasks[0].name, queues[0], 0) if tasks else None
        self._consumer = Consumer(
            app,
            [self._broker.queue(self._namespace, name) for name in queues],
            concurrency=concurrency,
            name=f"{self._namespace}@{self._worker}",
        )
        self._consumer.start()
        self._keeper = threading.Thread(
            target=self._keep, args=(deliveries,), name="jobs-keeper", daemon=True
        )
        self._keeper.start()

    def _handle(self, job_id: str, message: str, redelivered: bool) -> None:  # a callback
        self._on_their_way -= 1
        if self._deliveries is not None:
            self._deliveries.handle(job_id, message, redelivered)

    def _start(self, job_id: str, message: str, redelivered: bool) -> Claim | None:  # as above
        return self._ledger.start(
            job_id,
            message=message,
            # Valkey gives a message to another worker after some time, whatever became of the first
            # one; RabbitMQ does so only when the first one's connection is gone.
            redelivered=redelivered and self._broker.kind == "amqp",
            lease_s=self._lease_s,
            worker=self._worker,
        )

    def wake(self) -> None:
        """Let `claim` return, and start nothing more."""
        if self._deliveries is not None:
            self._deliveries.stop()

    def heartbeat(self, leases: Sequence[Lease], lease_s: float) -> Beat:
        """Prolong leases."""
        beat = self._ledger.heartbeat(leases, lease_s)
        for job_id in beat.lost:
            self._done(job_id)
        return beat

    async def complete_many(self, outcomes: Sequence[Outcome]) -> list[bool]:
        """Write outcomes down, and let go of the jobs' messages."""
        return await asyncio.to_thread(self._complete, outcomes)

    def _complete(self, outcomes: Sequence[Outcome]) -> list[bool]:
        taken = []
        for outcome in outcomes:
            taken.append(self._ledger.complete(outcome))
            self._done(outcome.lease.id)
        return taken

    def _done(self, job_id: str) -> None:
        if self._deliveries is not None:
            self._deliveries.done(job_id)

    async def progress(self, lease: Lease, progress: Progress) -> bool:
        """Keep how far a task is."""
        return await asyncio.to_thread(self._ledger.progress, lease, progress)

    async def reclaim(self) -> list[Job]:
        """Take back jobs whose lease ended, and drop records past their time."""
        return await asyncio.to_thread(self._ledger.reclaim)

    def _keep(self, deliveries: Deliveries) -> None:
        """Send what is due, over and over, in a thread of its own."""
        away = False
        while not self._closing.wait(POLL_S[self._broker.kind]):
            try:
                self._send_due(deliveries)
                self._prolong(deliveries)
                self._replace_lost()
                away = False
            except JobsUnavailableError as error:
                if not away:
                    log.warning("job_store_unavailable", doing="send", error=repr(error.__cause__))
                away = True
            except Exception:  # whatever it is, the thread has to go on
                log.exception("job_keeper_failed")

    def _nudge(self) -> None:
        """Let a worker without a broker look up: it waits for messages two seconds at a time."""
        if self._broker.kind == "memory" and self._nudging is not None:
            self._publishing().publish([self._nudging])

    def _send_due(self, deliveries: Deliveries) -> None:
        limit = BATCH
        if self._broker.kind == "memory":
            # What nobody has room for stays in the ledger, where the higher priority goes first.
            limit = min(limit, deliveries.room - max(0, self._on_their_way))
        if limit <= 0:
            return
        tickets = self._ledger.unsent(limit)
        if tickets:
            self._on_their_way += len(tickets)
            self._send(tickets)

    def _replace_lost(self) -> None:
        """Send again what waits although the broker has no message left.

        A worker that is killed while it takes a message from Valkey takes that message along.
        """
        if self._broker.kind == "memory" or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        for queue in self._queues:
            if not self._publishing().has_messages(queue):
                self._ledger.resend(queue)

    def _prolong(self, deliveries: Deliveries) -> None:
        """Prolong leases of jobs that were started and that a blocked event loop can't claim yet."""
        if time.monotonic() - self._beat_at > self._lease_s / 3:
            self._beat_at = time.monotonic()
            self._ledger.heartbeat(deliveries.unclaimed(), self._lease_s)

    def _close(self) -> None:
        self._closing.set()
        if self._deliveries is not None:
            for claim in self._deliveries.close():
                self._ledger.complete(Outcome(claim.lease, JobState.QUEUED))
        if self._consumer is not None:
            self._consumer.stop(self._nudge)
        if self._keeper is not None:
            self._keeper.join()
        super()._close()
