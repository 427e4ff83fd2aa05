# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What lies between Celery's threads and the worker's event loop: messages in, claims out.

A thread of Celery's has one message. It waits here until the worker has room, starts the job in the
ledger, hands it over, and returns, which acknowledges the message, when the job has an outcome.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...utils.logging import get_logger
from ..errors import JobsUnavailableError

if TYPE_CHECKING:
    from ..records import Claim, Lease

PAUSE_S = 1.0
"""Seconds before a message is given back because the ledger could not be reached."""

Start = Callable[[str, str, bool], "Claim | None"]
log = get_logger("jobs")


class GiveBack(Exception):  # noqa: N818  # no error: what to do with the message
    """The message goes back to the broker, for any worker."""


class Deliveries:
    """Hands jobs from Celery's threads to the event loop that it is made in.

    Args:
        start: Starts a job in the ledger: gets its id, the message and whether that came back from
            another worker; returns None when the job must not start.
    """

    def __init__(self, start: Start) -> None:
        self._start = start
        self._loop = asyncio.get_running_loop()
        self._change = threading.Condition()
        self._claims: deque[Claim] = deque()
        self._arrived = asyncio.Event()
        self._room = 0
        self._starting = 0
        self._held: dict[str, threading.Event] = {}
        self._closed = threading.Event()

    @property
    def room(self) -> int:
        """How many more jobs the worker would take now."""
        return self._room

    def handle(self, job_id: str, message: str, redelivered: bool) -> None:  # a callback
        """Take a message and return when it is done with; runs in a thread of Celery's.

        Raises:
            GiveBack: When it was not done with.
        """
        self._take_room()
        outcome = threading.Event()
        claim = None
        try:
            # One that is running here comes again after its connection broke: it is not lost.
            if job_id not in self._held:
                claim = self._start(job_id, message, redelivered)
        except JobsUnavailableError as error:
            log.warning("job_store_unavailable", doing="start", job_id=job_id)
            self._closed.wait(PAUSE_S)
            raise GiveBack from error
        finally:
            with self._change:
                self._starting -= 1
                if claim is None:
                    self._room += 1
                    self._change.notify()
                else:
                    self._held[job_id] = outcome
                    self._claims.append(claim)
        if claim is None:
            return
        self._loop.call_soon_threadsafe(self._arrived.set)
        outcome.wait()
        if job_id in self._held:  # closed before there was one
            raise GiveBack

    def _take_room(self) -> None:
        with self._change:
            self._change.wait_for(lambda: self._room > 0 or self._closed.is_set())
            if self._closed.is_set():
                raise GiveBack
            self._room -= 1
            self._starting += 1

    async def claim(self, limit: int, wait_s: float) -> list[Claim]:
        """Return up to `limit` started jobs, as soon as there is one, or none after some seconds."""
        with self._change:
            self._room = max(0, limit - len(self._claims) - self._starting)
            self._change.notify(limit)
        if not self._claims:
            self._arrived.clear()
            try:
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
            except TimeoutError:
                return []
        found: list[Claim] = []
        while self._claims and len(found) < limit:
            found.append(self._claims.popleft())
        return found

    def unclaimed(self) -> list[Lease]:
        """Return the leases of jobs that were started and wait for `claim`."""
        with self._change:
            return [claim.lease for claim in self._claims]

    def stop(self) -> None:
        """Start no more jobs; those that wait for `claim` are left to `close`."""
        with self._change:
            self._room = 0
        self._loop.call_soon_threadsafe(self._arrived.set)

    def done(self, job_id: str) -> None:
        """Let go of a job's message, because the job has an outcome or is somebody else's."""
        held = self._held.pop(job_id, None)
        if held is not None:
            held.set()

    def close(self) -> list[Claim]:
        """Give all other messages back, and return what was started and never claimed."""
        with self._change:
            self._closed.set()
            self._change.notify_all()
        left = list(self._claims)
        self._claims.clear()
        for claim in left:
            self.done(claim.lease.id)
        for held in list(self._held.values()):
            held.set()
        return left
