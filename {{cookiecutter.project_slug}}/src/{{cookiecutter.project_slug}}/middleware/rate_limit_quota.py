# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How much a client may ask for, and how a response says so."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import ceil

from .refusals import Pair, Refusal

Outcome = tuple[int, float]
"""Requests left, or -1 for a refusal; and seconds until the quota is whole again, or to wait."""

QUOTA_EXCEEDED = "https://iana.org/assignments/http-problem-types#quota-exceeded"
_MAX_LIMIT = 2**26 - 1


@dataclass(frozen=True)
class Quota:
    """An allowance: so many requests in so many seconds.

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

    name: str
    limit: int
    window: float = 60.0
    burst: int | None = None
    period: float = field(init=False)
    tolerance: float = field(init=False)
    policy: Pair = field(init=False, repr=False)
    prefix: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        burst = self.limit if self.burst is None else self.burst
        if not 1 <= self.limit <= _MAX_LIMIT or burst < 1 or self.window <= 0:
            msg = f"the limit {self.name!r} must allow 1 to {_MAX_LIMIT:,} requests and a burst"
            raise ValueError(msg)
        if not (self.name.isascii() and self.name.isprintable()) or '"' in self.name:
            msg = f"the limit {self.name!r} needs a name in printable ASCII without quotes"
            raise ValueError(msg)
        period = self.window / self.limit
        # A millionth of a second for rounding, or the last request of a full burst might not pass.
        tolerance = (burst - 1) * period + 1e-6
        name = f'"{self.name}"'.replace("\\", "\\\\")
        policy = f"{name};q={self.limit};w={ceil(self.window)}".encode()
        object.__setattr__(self, "period", period)
        object.__setattr__(self, "tolerance", tolerance)
        object.__setattr__(self, "policy", (b"ratelimit-policy", policy))
        object.__setattr__(self, "prefix", f"{name};r=")

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
