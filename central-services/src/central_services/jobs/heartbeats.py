# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Heartbeats: leases are prolonged from a thread, so that a blocked event loop loses no job."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ..utils.logging import get_logger

if TYPE_CHECKING:
    from .records import Beat, Lease
    from .store import JobStore

MOST_S = 1.0
"""Seconds between two heartbeats at most: a running job hears of its cancellation that soon."""

log = get_logger(__name__)


class Heartbeats:
    """A thread that prolongs the leases of one worker.

    A task that never lets other threads run, in an extension that keeps Python's lock, stops this
    thread too: such work belongs into a process of its own.

    Args:
        store: Where the jobs are.
        lease_s: Seconds that a heartbeat prolongs to.
        on_beat: Called from the thread when a job is to be stopped.

    Attributes:
        leases: What is prolonged, by the job's id; changed by the event loop only.
        failures: Heartbeats in a row that the store did not take.
    """

    def __init__(self, store: JobStore, lease_s: float, on_beat: Callable[[Beat], None]) -> None:
        self.leases: dict[str, Lease] = {}
        self.failures = 0
        self._store = store
        self._lease_s = lease_s
        self._on_beat = on_beat
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="jobs-heartbeat", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End; blocks until the last heartbeat is over."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        interval_s = min(self._lease_s / 3, MOST_S)
        while not self._stop.wait(interval_s):
            # One step for the interpreter, so the loop can't change it meanwhile.
            leases = list(self.leases.values())
            if not leases:
                continue
            try:
                beat = self._store.heartbeat(leases, self._lease_s)
            except Exception:  # whatever it is, the thread has to try again
                self.failures += 1
                if self.failures == 1:  # an outage is one line, not one for each second
                    log.exception("job_heartbeat_failed")
                continue
            self.failures = 0
            if beat.lost or beat.cancelled:
                self._on_beat(beat)
