# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who may see the page: whoever knows the password, and not after too many guesses."""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
from collections.abc import Callable


class Door:
    """Asks for a password; one for all who use the page, since they can't be told apart.

    Args:
        password: The right one.
        attempts: Wrong ones in a row after which nobody gets in for a while.
        wait_s: How long.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        password: str,
        *,
        attempts: int,
        wait_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._expected = _digest(password)
        self._attempts = attempts
        self._wait_s = wait_s
        self._clock = clock
        self._failures = 0
        self._closed_until = 0.0
        self._lock = threading.Lock()

    def wait_s(self) -> float:
        """Return the seconds for which no password is looked at; 0 when one is."""
        return max(0.0, self._closed_until - self._clock())

    def opens(self, password: str) -> bool:
        """Whether a password is the right one, in the same time for any; false while it waits."""
        with self._lock:
            if self.wait_s() > 0:
                return False
            if hmac.compare_digest(_digest(password), self._expected):
                self._failures = 0
                return True
            self._failures += 1
            if self._failures >= self._attempts:
                self._failures = 0
                self._closed_until = self._clock() + self._wait_s
            return False


def _digest(password: str) -> bytes:
    # Of equal length whatever the password's is, which a comparison would show.
    return hashlib.sha256(password.encode("utf-8", "surrogatepass")).digest()
