# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Celery's own worker, run in a thread, so that the process' main thread belongs to its event loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

# Celery has no types.
from celery.concurrency.thread import TaskPool  # type: ignore[import-untyped]  # see above
from celery.exceptions import WorkerShutdown  # type: ignore[import-untyped]  # see above
from celery.platforms import EX_OK  # type: ignore[import-untyped]  # see above
from celery.worker import WorkController, state  # type: ignore[import-untyped]  # see above

from ...utils.logging import get_logger

if TYPE_CHECKING:
    from celery import Celery  # type: ignore[import-untyped]  # see below
    from kombu.entity import Queue

_GRACE_S = 5.0
_QUIET = ("celery.app.trace", "celery.worker.strategy")
"""Loggers with a line for each message; jobs have theirs."""


class _Threads(TaskPool):  # type: ignore[misc]  # see above
    """A thread for each job that waits for its outcome; jobs themselves run in the event loop."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # Celery's
        super().__init__(*args, **kwargs)
        # Each thread knows its application: Celery would take the process' newest.
        app: Any = self.app
        self.executor = ThreadPoolExecutor(
            max_workers=self.limit,
            thread_name_prefix="celery-job",
            initializer=app.set_current,
        )


class _Worker(WorkController):  # type: ignore[misc]  # see above
    """Celery's worker, which says when it consumes."""

    def __init__(self, *args: Any, ready: threading.Event, **kwargs: Any) -> None:  # noqa: ANN401  # as above
        self._ready = ready
        super().__init__(*args, **kwargs)

    def on_consumer_ready(self, consumer: object) -> None:  # noqa: ARG002  # Celery's
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
        for name_of_logger in _QUIET:
            logging.getLogger(name_of_logger).setLevel(logging.ERROR)
        self._worker: Any = _Worker(
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

    def stop(self, nudge: Callable[[], None]) -> None:
        """End it, and wait for that. The jobs that it had must have ended before.

        Args:
            nudge: Lets it look up, where it would only when the next message comes.
        """
        consumer = self._worker.consumer
        if consumer is not None:
            consumer.call_soon(_shut_down)
            nudge()
        if not self.ended.wait(_GRACE_S):
            # It is connecting, and looks at nothing else.
            flags: Any = state
            flags.should_stop = EX_OK
            self.ended.wait(_GRACE_S)
            flags.should_stop = None
        self._thread.join(_GRACE_S)


def _shut_down() -> None:
    raise WorkerShutdown(EX_OK)
