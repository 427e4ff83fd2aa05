# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""When a call may be repeated, how long to wait, and when to leave a host alone.

The retry budget is that of gRPC (A6, "retry throttling"): calls earn a fraction of a retry, and
retries spend it, so that an outage is not answered with a multiple of the usual traffic. The back-off is
"full jitter" (AWS Architecture Blog, "Exponential Backoff And Jitter").
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from .errors import CircuitOpenError

IDEMPOTENT_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PUT", "QUERY", "TRACE"})
"""Methods that may be repeated (RFC 9110 section 9.2.2; QUERY: RFC 10008)."""

RETRIED_STATUSES = frozenset({429, 502, 503, 504})
"""Statuses that say "later": the request was not carried out, or nobody can tell."""

BUDGET_CAP = 10.0  # retries that may be saved up; also what a host starts with
BACKOFF_BASE_S = 0.1
BACKOFF_CAP_S = 5.0
MAX_HOSTS = 1_024  # hosts remembered per client; the memory cap when users supply the URLs

Clock = Callable[[], float]


def backoff_s(attempt: int, *, fraction: Callable[[], float] = random.random) -> float:
    """Return the seconds to wait before a retry: random between 0 and a doubling ceiling.

    Args:
        attempt: 1 before the first retry.
        fraction: Source of numbers from 0 to 1.
    """
    return fraction() * min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(attempt - 1, 30))


def parse_retry_after(value: str | None, *, now: datetime | None = None) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110 section 10.2.3).

    Args:
        value: The header: whole seconds or an HTTP date.
        now: Aware time to count a date from; by default the present.

    Returns:
        Seconds from 0, or None when there is no header or it can't be read.
    """
    if not value:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])  # a longer number is 30 years and more; int() limits digits anyway
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - (now or datetime.now(UTC))).total_seconds())


class Host:
    """What is known of one host: its circuit breaker and its retry budget, in one object.

    The breaker is closed until `breaker_failures` attempts in a row have failed, then open for
    `breaker_reset_s`; then one call is let through as a probe, whose outcome closes it or opens it
    again. Every admitted attempt ends in exactly one of `succeeded`, `failed` and `abandoned`.
    """

    __slots__ = ("_failures", "_open_until", "_probing", "_registry", "_tokens", "name")

    def __init__(self, name: str, registry: HostRegistry) -> None:
        self.name = name
        self._registry = registry
        self._failures = 0
        self._open_until = 0.0  # 0 while closed
        self._probing = False
        self._tokens = BUDGET_CAP if registry.budget else 0.0

    @property
    def is_closed(self) -> bool:
        """Whether calls pass freely."""
        return not self._open_until

    def admit(self) -> None:
        """Let one attempt pass.

        Raises:
            CircuitOpenError: The host is being left alone, or its probe is still under way.
        """
        if not self._open_until:
            return
        remaining = self._open_until - self._registry.clock()
        if remaining > 0 or self._probing:
            reason = f"the circuit breaker of {self.name} is open"
            raise CircuitOpenError(reason, retry_after_s=max(0.0, remaining))
        self._probing = True

    def succeeded(self) -> None:
        """Record an attempt that the host answered."""
        if self._failures:
            self._failures = 0
            self._open_until = 0.0
            self._probing = False
        if self._tokens < BUDGET_CAP:
            self._tokens += self._registry.budget

    def failed(self) -> None:
        """Record an attempt that the host failed: no connection, no answer, or a server error."""
        self._failures += 1
        tripped = not self._open_until and self._failures >= self._registry.failures
        if self._probing or tripped:  # stragglers of before don't keep an open breaker open
            self._open_until = self._registry.clock() + self._registry.reset_s
        self._probing = False

    def abandoned(self) -> None:
        """Record an attempt that says nothing about the host, such as a cancelled one."""
        self._probing = False

    def take_retry(self) -> bool:
        """Spend a retry and return True, or return False when the budget is used up."""
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class HostRegistry:
    """The hosts that a client has called, at most `MAX_HOSTS` of them.

    Attributes:
        failures: Failed attempts in a row that open a breaker.
        reset_s: Seconds for which it stays open.
        budget: Retries that one answered call earns.
        clock: Source of monotonic seconds.
    """

    __slots__ = ("_hosts", "budget", "clock", "failures", "reset_s")

    def __init__(
        self, *, failures: int, reset_s: float, budget: float, clock: Clock = time.monotonic
    ) -> None:
        self.failures = failures
        self.reset_s = reset_s
        self.budget = budget
        self.clock = clock
        self._hosts: dict[bytes, Host] = {}

    def get(self, authority: bytes) -> Host:
        """Return what is known of a host.

        Args:
            authority: Host and port, as in a URL.
        """
        host = self._hosts.get(authority)
        return host if host is not None else self._add(authority)

    def __len__(self) -> int:
        return len(self._hosts)

    def _add(self, authority: bytes) -> Host:
        if len(self._hosts) >= MAX_HOSTS:
            # The oldest healthy one is forgotten; it loses a few saved-up retries at most.
            oldest = next(iter(self._hosts))
            victim = next((key for key, host in self._hosts.items() if host.is_closed), oldest)
            del self._hosts[victim]
        host = self._hosts[authority] = Host(authority.decode("ascii", "replace"), self)
        return host
