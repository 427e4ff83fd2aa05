# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The rate limiter: whom to count, by which quota, and what to answer."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from math import ceil
from typing import Literal, TypedDict

from starlette.types import Scope

from ..client_address import ClientAddresses
from ..refusals import Fields, Pair, Refusal
from .memory import Algorithm, FixedWindow, SlidingWindow, TokenBucket
from .quota import Outcome, Quota
from .scripts import AlgorithmName
from .store import SharedStore

KeyFunction = Callable[[Scope], str | None]
"""Names who is counted, such as a user id; None counts the client's address."""

Verdict = tuple[Pair, ...] | Refusal
"""The headers of a request that is allowed, or the answer to one that is not."""

StoreFailure = Literal["local", "allow", "deny"]

_ALGORITHMS: dict[AlgorithmName, Callable[[int], Algorithm]] = {
    "token-bucket": TokenBucket,
    "fixed-window": FixedWindow,
    "sliding-window": SlidingWindow,
}
_FORWARDED = "forwarded"


class LimiterOptions(TypedDict, total=False):
    """Arguments of `RateLimiter` that a stand-alone middleware passes on."""

    burst: int | None
    routes: Mapping[str, int] | None
    exempt_paths: Sequence[str]
    max_keys: int
    key: KeyFunction | None
    on_store_failure: StoreFailure
    clock: Callable[[], float]


class RateLimiter:
    """Limit requests per client address, or per what a key function returns.

    Args:
        requests_per_minute: The default quota.
        burst: Requests that may come at once (token bucket); by default the quota.
        algorithm: How to count.
        routes: Quotas per minute for routes, which count apart from the default one: `POST /orders`
            or `/orders/{order_id}/lines`. A route covers the paths below it; the longest match
            wins, one with a method before one without, and HEAD counts as GET.
        exempt_paths: Path prefixes that are not limited.
        max_keys: Clients remembered in this process: the memory cap.
        key: Whom to count; the path of a request may be limited before a router has seen it.
        addresses: Finds the client behind trusted proxies.
        store: Where to count for all processes; without one each process counts for itself.
        on_store_failure: When the store cannot be asked: count in this process, allow, or deny
            with 503.
        clock: Monotonic seconds.

    Raises:
        ValueError: For a quota that allows nothing, or a route that is no path.
    """

    def __init__(
        self,
        requests_per_minute: int = 60,
        *,
        burst: int | None = None,
        algorithm: AlgorithmName = "token-bucket",
        routes: Mapping[str, int] | None = None,
        exempt_paths: Sequence[str] = ("/health/",),
        max_keys: int = 100_000,
        key: KeyFunction | None = None,
        addresses: ClientAddresses | None = None,
        store: SharedStore | None = None,
        on_store_failure: StoreFailure = "local",
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.store = store
        self._addresses = addresses or ClientAddresses()
        self._default = Quota("default", requests_per_minute, burst=burst)
        self._routes = _compiled(routes or {})
        self._exempt_paths = tuple(exempt_paths)
        self._key = key
        self._is_plain = not self._routes and key is None
        self._on_store_failure = on_store_failure
        self._local = _ALGORITHMS[algorithm](max_keys)
        self._clock = clock

    def check(self, scope: Scope, path: str, fields: Fields, address: str) -> Verdict:
        """Count a request in this process.

        Args:
            scope: The request.
            path: Its path, without the prefix that the application is mounted at.
            fields: Its headers.
            address: The address of its client.

        Returns:
            The headers that tell the client where it stands, none when it is exempt; or the 429.
        """
        if self._exempt_paths and path.startswith(self._exempt_paths):
            return ()
        if not self._is_plain or ":" in address or b"x-forwarded-for" in fields:
            quota = self._quota(scope, path)
            return self._count_here(quota, self._keys(quota, scope, fields, address))
        quota, local, now = self._default, self._local, self._clock()
        level = local.hit(address, quota, now)
        if level < 0.0:
            return quota.exceeded(-level)
        return local.headers(level, quota, now)

    async def check_shared(self, scope: Scope, path: str, fields: Fields, address: str) -> Verdict:
        """Count a request in the shared store; arguments and result are those of `check`.

        While the store is down, `on_store_failure` decides.
        """
        if self.store is None or path.startswith(self._exempt_paths):
            return ()
        quota = self._quota(scope, path)
        keys = self._keys(quota, scope, fields, address)
        outcome: Outcome | None = None
        for key in keys:
            outcome = await self.store.outcome(key, quota)
            if outcome is None:
                return self._without_store(self.store, quota, keys)
            if outcome[0] < 0:
                return quota.exceeded(outcome[1])
        return quota.headers(*outcome) if outcome else ()

    async def aclose(self) -> None:
        """Let go of the shared store."""
        if self.store is not None:
            await self.store.aclose()

    def _count_here(self, quota: Quota, keys: tuple[str, ...]) -> Verdict:
        now = self._clock()
        level = 0.0
        for key in keys:
            level = self._local.hit(key, quota, now)
            if level < 0.0:
                return quota.exceeded(-level)
        return self._local.headers(level, quota, now)

    def _without_store(self, store: SharedStore, quota: Quota, keys: tuple[str, ...]) -> Verdict:
        if self._on_store_failure == "local":
            return self._count_here(quota, keys)
        if self._on_store_failure == "allow":
            return ()
        seconds = max(1, ceil(store.retry_after))
        retry = (b"retry-after", str(seconds).encode())
        return Refusal(503, "Requests cannot be counted at the moment.", headers=(retry,))

    def _quota(self, scope: Scope, path: str) -> Quota:
        method = scope.get("method", "GET")
        for matches, verb, quota in self._routes:
            if matches(path) and (not verb or verb == ("GET" if method == "HEAD" else method)):
                return quota
        return self._default

    def _keys(self, quota: Quota, scope: Scope, fields: Fields, address: str) -> tuple[str, ...]:
        """Return the keys to count, all of which must have some quota left."""
        key = self._key(scope) if self._key is not None else None
        prefix = "" if quota is self._default else f"{quota.name} "
        if key is not None:
            return (f"{prefix}key {key}",)
        key = prefix + self._addresses.key(address)
        if self._addresses.is_doubtful(address, fields):
            return (f"{prefix}{_FORWARDED}", key)
        return (key,)


def _compiled(routes: Mapping[str, int]) -> list[tuple[Callable[[str], object], str, Quota]]:
    """Return the routes as (path test, method or "", quota), the most specific first."""
    compiled = []
    for route, limit in routes.items():
        method, _, path = route.rpartition(" ")
        if not path.startswith("/") or not (not method or method.isalpha()):
            msg = f"rate limit route {route!r} is no route; write 'POST /orders' or '/orders/ID/lines'"
            raise ValueError(msg.replace("ID", "{order_id}"))
        parts = re.split(r"\{[^{}]*\}", path.rstrip("/"))
        pattern = re.compile("[^/]+".join(map(re.escape, parts)) + r"(?:/|\Z)").match
        verb = method.upper()
        compiled.append((pattern, "GET" if verb == "HEAD" else verb, Quota(route, limit)))
    return sorted(compiled, key=lambda entry: _specificity(entry[2].name), reverse=True)


def _specificity(route: str) -> tuple[int, int, bool]:
    path = route.rpartition(" ")[2]
    return path.rstrip("/").count("/"), -path.count("{"), " " in route
