# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How much a client may ask for, and how a response says so."""

from __future__ import annotations

from math import ceil

from ..refusals import Pair, Refusal

Outcome = tuple[int, float]
"""Requests left, or -1 for a refusal; and seconds until the quota is whole again, or to wait."""

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_MAX_LIMIT = 2**26 - 1


class Quota:
    """An allowance: so many requests in so many seconds.

    A plain class, because making a dataclass takes 1 ms of each start.

    Attributes:
        name: What `RateLimit-Policy` calls it; printable ASCII.
        limit: Requests per window, 1 to 67,108,863.
        window: Seconds.
        burst: Requests that may come at once in a token bucket; by default the limit.
        period: Seconds in which a token bucket gains one request.
        tolerance: Seconds that a token bucket may be ahead of its time.
        policy: The `RateLimit-Policy` header.
        prefix: How the value of a `RateLimit` header begins.

    Raises:
        ValueError: If it allows nothing, or the name cannot be sent.
    """

    __slots__ = ("burst", "limit", "name", "period", "policy", "prefix", "tolerance", "window")

    def __init__(
        self, name: str, limit: int, window: float = 60.0, burst: int | None = None
    ) -> None:
        most_at_once = limit if burst is None else burst
        if not 1 <= limit <= _MAX_LIMIT or most_at_once < 1 or window <= 0:
            msg = f"the limit {name!r} must allow 1 to {_MAX_LIMIT:,} requests and a burst"
            raise ValueError(msg)
        if not (name.isascii() and name.isprintable()) or '"' in name:
            msg = f"the limit {name!r} needs a name in printable ASCII without quotes"
            raise ValueError(msg)
        self.name, self.limit, self.window, self.burst = name, limit, window, burst
        self.period = window / limit
        # A millionth of a second for rounding, or the last request of a full burst might not pass.
        self.tolerance = (most_at_once - 1) * self.period + 1e-6
        quoted = f'"{name}"'.replace("\\", "\\\\")
        policy = f"{quoted};q={limit};w={ceil(window)}".encode()
        self.policy: Pair = (b"ratelimit-policy", policy)
        self.prefix = f"{quoted};r="

    def headers(self, left: int, seconds: float) -> tuple[Pair, Pair]:
        """Return `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10).

        Args:
            left: Requests left.
            seconds: Until the quota is whole again.
        """
        value = f"{self.prefix}{left};t={int(seconds + 0.999999)}"
        return self.policy, (b"ratelimit", value.encode())

    def exceeded(self, wait: float) -> Refusal:
        """Return the 429; whoever waits as long as `Retry-After` says, gets through.

        Args:
            wait: Seconds until a request will be allowed.
        """
        seconds = max(1, ceil(wait))
        retry = (b"retry-after", str(seconds).encode())
        return Refusal(
            429,
            f"Too many requests; try again in {seconds} s.",
            headers=(*self.headers(0, seconds), retry),
            type=QUOTA_EXCEEDED,
            extensions={"violated-policies": [self.name]},
        )
