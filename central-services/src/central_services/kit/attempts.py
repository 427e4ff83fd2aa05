"""Attempts that are counted by who makes them, over all replicas where these share a server."""

from __future__ import annotations

import time

from pydantic import SecretStr

from ..middleware.rate_limit.memory import TokenBucket
from ..middleware.rate_limit.quota import Quota
from ..middleware.rate_limit.store import SharedStore

MAX_KEYS = 100_000
"""Whom a process remembers; of more, who has tried least lately is forgotten."""


class Attempts:
    """Counts attempts; while the server can't be asked, each process counts for itself.

    Args:
        name: What they are attempts of.
        per_minute: How many one key has in a minute.
        url: The server that the service's rate limits are kept on (`RATE_LIMIT__URL`).
    """

    def __init__(self, name: str, per_minute: int, url: SecretStr | None) -> None:
        self._quota = Quota(name, per_minute)
        self._local = TokenBucket(MAX_KEYS)
        self._shared = None
        if url is not None:
            self._shared = SharedStore(
                url.get_secret_value(), "token-bucket", namespace=f"central:{name}"
            )

    async def count(self, key: str) -> float:
        """Count one and return the seconds to wait before the next; 0.0 means that this one may be made."""
        if self._shared is not None:
            outcome = await self._shared.outcome(key, self._quota)
            if outcome is not None:
                left, wait = outcome
                return wait if left < 0 else 0.0
        level = self._local.hit(key, self._quota, time.monotonic())
        return max(0.0, -level)

    async def aclose(self) -> None:
        """Let go of the server."""
        if self._shared is not None:
            await self._shared.aclose()
