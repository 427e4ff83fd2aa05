# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Celery's own worker, run in a thread, so that the process' main thread belongs to its event loop."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from celery.concurrency.thread import TaskPool
from celery.exceptions import WorkerShutdown
from celery.platforms import EX_OK
from celery.worker import WorkController, state

from ...utils.logging import get_logger

if TYPE_CHECKING:
    from celery import Celery
    from kombu import Queue

_GRACE_S = 5.0


class _Threads(TaskPool):
    """A thread for each job that waits for its outcome; jobs themselves run in the event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Celery's
        super().__init__(*args, **kwargs)
        # Each thread knows its application: Celery would take the process' newest.
        self.executor = ThreadPoolExecutor(
            max_workers=self.limit,
            thread_name_prefix="celery-job",
            initializer=self.app.set_current,
        )


class _Worker(WorkController):
    """Celery's worker, which says when it consumes."""

    def __init__(self, *args: Any, ready: threading.Event, **kwargs: Any) -> None:  # noqa: ANN401  # as above
        self._ready = ready
        super().__init__(*args, **kwargs)

    def on_consumer_ready(self, _consumer: object) -> None:
        self._ready.set()


class Consumer:
    """Takes messages, `concurrency` at a time, until it is stopped.

    Args:
        app: The application, with its tasks registered.
        queues: What it consumes.
        concurrency: Messages at the same time; more are not taken in advance.
        name: The worker's name, for Celery's own tools.

    Attributes:
        ready: Set while it consumes, for the first time.
        ended: Set when it has ended.
    """

    def __init__(
        self, app: Celery, queues: Sequence[Queue], *, concurrency: int, name: str
    ) -> None:
        self.ready = threading.Event()
        self.ended = threading.Event()
        for queue in queues:
            app.amqp.queues.add(queue)
        self._worker = _Worker(
            app=app,
            ready=self.ready,
            hostname=name,
            queues=[queue.name for queue in queues],
            pool=_Threads,
            concurrency=concurrency,
            # Workers need not know of each other, and the ledger knows who holds which job.
            without_mingle=True,
            without_gossip=True,
            without_heartbeat=True,
        )
        self._thread = threading.Thread(target=self._run, name="celery-consumer", daemon=True)

    def start(self) -> None:
        """Begin to connect; it goes on trying."""
        self._thread.start()

    def _run(self) -> None:
        try:
            self._worker.start()
        except Exception:
            get_logger(__name__).exception("celery_consumer_failed")
            raise
        finally:
            self.ended.set()

    def stop(self) -> None:
        """End it, and wait for that. The jobs that it had must have ended before."""
        consumer = self._worker.consumer
        if consumer is not None:
            consumer.call_soon(_shut_down)
        if not self.ended.wait(_GRACE_S):
            # It is connecting, and looks at nothing else.
            state.should_stop = EX_OK
            self.ended.wait(_GRACE_S)
            state.should_stop = None
        self._thread.join(_GRACE_S)


def _shut_down() -> None:
    raise WorkerShutdown(EX_OK)
