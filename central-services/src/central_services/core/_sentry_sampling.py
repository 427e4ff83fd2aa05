# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which requests become transactions: a share of them, and never more than the process can afford.

A transaction costs about a millisecond of CPU (serialising, scrubbing, compressing, one HTTP
request), ten times what serving a small request does. At a tenth of 3,000 requests per second that
would be a third of a core. So the share goes down as traffic goes up, the way adaptive samplers
do it; each transaction carries the share it was drawn at, from which Sentry extrapolates.
"""

from __future__ import annotations

from collections.abc import Callable
from random import random
from time import monotonic
from typing import Final

_WINDOW_S: Final = 1.0
# What a second may hold before the share has followed a sudden rise.
_BURST: Final = 5


class Sampling:
    """Decides per request; the share is worked out anew each second.

    Args:
        rate: Share of requests, 0 to 1.
        per_second: Transactions per second that this process may spend.
        clock: Seconds, monotonic.
    """

    __slots__ = ("_begun", "_clock", "_left", "_most", "_rate", "_seen", "rate")

    def __init__(
        self, rate: float, per_second: float, clock: Callable[[], float] = monotonic
    ) -> None:
        self._rate = rate
        self._most = per_second
        self._clock = clock
        self._begun = clock()
        self._seen = 0
        self._left = per_second * _BURST
        # The share in force.
        self.rate = rate

    def draw(self) -> bool:
        """Return whether this request is chosen."""
        if self._clock() - self._begun >= _WINDOW_S:
            self._turn()
        self._seen += 1
        return random() < self.rate  # noqa: S311  # sampling, not a secret

    def afford(self) -> bool:
        """Take one transaction out of what this second may hold; the caller's choices count too."""
        if self._left < 1:
            return False
        self._left -= 1
        return True

    def _turn(self) -> None:
        now = self._clock()
        per_second = self._seen / (now - self._begun)
        self.rate = min(self._rate, self._most / per_second) if per_second else self._rate
        self._begun, self._seen, self._left = now, 0, self._most * _BURST
