# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How many jobs of a queue may start, counted over all workers in NATS."""

from __future__ import annotations

from collections.abc import Callable

from ._nats_connection import EXPECTED, Connection, Message
from ._nats_names import Names
from .promises import burst_of

_TRIES = 10


class Rates:
    """The generic cell rate algorithm over one number per queue, replaced by whoever read it last.

    Args:
        connection: Where the numbers are.
        names: What they are called.
        now: Milliseconds since 1970 by the server's clock.
    """

    def __init__(self, connection: Connection, names: Names, now: Callable[[], int]) -> None:
        self._connection = connection
        self._names = names
        self._now = now

    async def reserve(self, queue: str, rate: float, wanted: int) -> tuple[int, float]:
        """Return how many jobs may start now, and the seconds until one more may.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        period, burst = 1000 / rate, burst_of(rate)
        for _ in range(_TRIES):
            ahead, sequence = await self._ahead(queue)
            allowed = max(0, min(wanted, int(burst - ahead / period + 1e-6)))
            wait_s = max(0.0, ahead + allowed * period - (burst - 1) * period) / 1000
            if not allowed or await self._keep(queue, ahead + allowed * period, sequence):
                return allowed, max(wait_s, 0.001)
        return 0, period / 1000

    async def give_back(self, queue: str, rate: float, count: int) -> None:
        """Give back what was reserved and not used."""
        for _ in range(_TRIES if count else 0):
            ahead, sequence = await self._ahead(queue)
            if await self._keep(queue, max(0.0, ahead - count * 1000 / rate), sequence):
                return

    async def _ahead(self, queue: str) -> tuple[float, int]:
        """Return the milliseconds by which the queue is ahead of its rate, and the message's place."""
        subject = self._names.rate(queue)
        stored = (await self._connection.read(self._names.stream, [subject])).get(subject)
        if stored is None:
            return 0.0, 0
        return max(0.0, float(stored.data) - self._now()), stored.sequence

    async def _keep(self, queue: str, ahead: float, sequence: int) -> int:
        data = repr(self._now() + ahead).encode()
        message = Message(self._names.rate(queue), data, {EXPECTED: str(sequence)})
        return (await self._connection.publish([message]))[0]
