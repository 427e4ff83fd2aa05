# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The cache: typed values by namespace and key, loaded once however many ask."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum
from functools import partial
from typing import Any, Final, Literal, NamedTuple, TypeVar, overload

from ...utils.logging import get_logger
from .counters import CacheStats, Counters
from .flights import Flight, SingleFlight
from .keys import KeyRing
from .memory import MemoryStore
from .namespace import Namespace
from .serialisation import Reason, UnusableValueError, decode, encode
from .settings import CacheSettings
from .shared import SharedStore
from .stores import Grant, Lease, NoGrant, Store

T = TypeVar("T")
D = TypeVar("D")

_FIRST_POLL_S = 0.01
_LONGEST_POLL_S = 0.1


class _Missing(Enum):
    MISSING = "no value"


_MISSING: Final = _Missing.MISSING


class _Loaded(NamedTuple):
    """What a load came to: the value, and the bytes others get theirs from, if it has any."""

    value: Any
    raw: bytes | None


class CacheClient:
    """Keeps values in this process or, with a URL, on a server that all processes share.

    A value that comes back is always a new object of the namespace's declared type, whether it was
    found or loaded, so nobody can change it for anybody else. No method raises because of the
    cache: without its server, values are loaded each time, once for all who ask at the same time.

    Args:
        settings: The section `cache`.
        scope: Returns what keys begin with: service, environment and version.
        clock: Monotonic seconds.
        fraction: Source of numbers from 0 to 1.

    Raises:
        ValueError: When the URL names no server.
    """

    def __init__(
        self,
        settings: CacheSettings,
        *,
        scope: Callable[[], str] = lambda: "service",
        clock: Callable[[], float] = time.monotonic,
        fraction: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._fraction = fraction
        self._counters = Counters()
        self._flights = SingleFlight[_Loaded]()
        self._said: set[tuple[str, Reason]] = set()
        self._server = self._shared_store(scope)
        self._memory = MemoryStore(
            max_entries=settings.max_entries if settings.enabled else 0,
            max_bytes=settings.max_bytes,
            clock=clock,
        )
        self._store: Store = self._server or self._memory

    def _shared_store(self, scope: Callable[[], str]) -> SharedStore | None:
        settings = self._settings
        if not settings.url or not settings.enabled:
            return None
        secret = settings.signing_key
        return SharedStore(
            settings.url.get_secret_value(),
            KeyRing(scope, secret.get_secret_value().encode() if secret else None),
            self._counters,
            timeout_s=settings.timeout_s,
            lock_s=settings.lock_s,
            on_refused=self._refuse,
            clock=self._clock,
        )

    # --- values ------------------------------------------------------------------------------

    @overload
    async def get(self, space: Namespace[T], key: str) -> T | None: ...
    @overload
    async def get(self, space: Namespace[T], key: str, default: D) -> T | D | None: ...
    async def get(self, space: Namespace[T], key: str, default: D | None = None) -> T | D | None:
        """Return the value, or the default when there is none.

        None instead of the default means that there is known to be no value.
        """
        found = await self._find(space, key)
        return default if found is _MISSING else found

    async def set(
        self, space: Namespace[T], key: str, value: T | None, *, ttl_s: float | None = None
    ) -> bool:
        """Store a value; return whether it was stored.

        Loads of it that are under way, here or in other processes, no longer count. What can't be
        stored leaves nothing behind, the old value neither. None is stored where the namespace
        remembers that there is no value, and deletes elsewhere.
        """
        self._flights.forget(f"{space.id}:{key}")
        raw = self._encode(space, value)
        if raw is None:
            await self._store.delete(space, key)
            return False
        stored = await self._store.write(space, key, raw, self._ttl_s(space, value, ttl_s))
        self._counters.of(space.id).stored += stored
        return stored

    @overload
    async def get_or_set(
        self,
        space: Namespace[T],
        key: str,
        load: Callable[[], Awaitable[T]],
        *,
        ttl_s: float | None = None,
    ) -> T: ...
    @overload
    async def get_or_set(
        self,
        space: Namespace[T],
        key: str,
        load: Callable[[], Awaitable[T | None]],
        *,
        ttl_s: float | None = None,
    ) -> T | None: ...
    async def get_or_set(
        self,
        space: Namespace[T],
        key: str,
        load: Callable[[], Awaitable[T | None]],
        *,
        ttl_s: float | None = None,
    ) -> T | None:
        """Return the value; where there is none, load and store it.

        However many ask at once, here and in other processes, one load runs, in the task of the
        caller who came first. When that one is cancelled, another begins again.

        Args:
            space: The namespace.
            key: Which value.
            load: Returns it; None means that there is none.
            ttl_s: Seconds that it is kept; by default the namespace's.

        Raises:
            Exception: What `load` raised, in everybody who waited for it; it is not cached.
        """
        found = await self._find(space, key)
        if found is not _MISSING:
            return found
        lead = partial(self._lead, space, key, load, ttl_s)
        loaded, led = await self._flights.run(f"{space.id}:{key}", lead)
        if not led and loaded.raw is not None:
            own = self._decode(space, loaded.raw)
            if own is not _MISSING:
                return own
        value: T | None = loaded.value
        return value

    async def delete(self, space: Namespace[Any], *keys: str) -> None:
        """Forget values; loads of them that are under way, anywhere, are not stored any more."""
        for key in keys:
            self._flights.forget(f"{space.id}:{key}")
        await self._store.delete(space, *keys)

    async def delete_namespace(self, space: Namespace[Any]) -> None:
        """Forget all values of a namespace at once, however many there are."""
        self._flights.forget_all(f"{space.id}:")
        await self._store.delete_namespace(space)

    async def clear(self) -> int:
        """Forget all values of this service, environment and version; return how many keys."""
        self._flights.forget_all()
        return await self._store.clear()

    # --- the state of things -----------------------------------------------------------------

    @property
    def shared(self) -> bool:
        """Whether a server keeps the values."""
        return self._server is not None

    def stats(self) -> CacheStats:
        """Return what this process did so far."""
        return CacheStats(
            namespaces=self._counters.namespaces(),
            errors=self._counters.errors,
            available=self._server is None or self._server.available,
            shared=self.shared,
            entries=len(self._memory),
            size_bytes=self._memory.size_bytes,
            evictions=self._memory.evictions,
        )

    async def reported(self) -> dict[str, int]:
        """Return the counters of all processes that share the server, `prices:1:hits` and so on."""
        return await self._server.reported() if self._server else {}

    async def check(self) -> float:
        """Return the seconds that the server takes to answer; 0 without one.

        Raises:
            Exception: Why it does not answer.
        """
        return await self._server.check() if self._server else 0.0

    async def is_up(self) -> bool:
        """Ask the server, for the readiness probe.

        Raises:
            Exception: Why it does not answer.
        """
        await self.check()
        return True

    @asynccontextmanager
    async def lifespan(self, _app: object = None) -> AsyncGenerator[None]:
        """Close the connection when the application stops; it opens at first use."""
        if self._server:
            self._server.prepare()
        try:
            yield
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close the connection, and say in the log how well it went."""
        total = self.stats().total
        if total.hits + total.misses:
            get_logger(__name__).info(
                "cache_closed",
                hits=total.hits,
                misses=total.misses,
                loads=total.loads,
                errors=self._counters.errors,
            )
        self._flights.forget_all()
        await self._store.aclose()

    # --- inside ------------------------------------------------------------------------------

    async def _find(self, space: Namespace[T], key: str) -> T | Literal[_Missing.MISSING] | None:
        counts = self._counters.of(space.id)
        raw = await self._store.read(space, key)
        if raw is not None:
            found = self._decode(space, raw)
            if found is not _MISSING:
                counts.hits += 1
                return found
            await self._store.delete(space, key)
        counts.misses += 1
        return _MISSING

    async def _lead(
        self,
        space: Namespace[Any],
        key: str,
        load: Callable[[], Awaitable[Any]],
        ttl_s: float | None,
        flight: Flight[_Loaded],
    ) -> _Loaded:
        """Load a value for all who wait in this process."""
        lease = await self._lease(space, key)
        if isinstance(lease, bytes):
            value = self._decode(space, lease)
            if value is not _MISSING:
                return _Loaded(value, lease)
        grant = lease if isinstance(lease, Grant) else None
        try:
            self._counters.of(space.id).loads += 1
            loaded = self._canonical(space, await load())
            if grant is None or loaded.raw is None or not flight.fresh:
                return loaded
            seconds = self._ttl_s(space, loaded.value, ttl_s)
            given, grant = grant, None
            if await self._store.fill(space, key, given, loaded.raw, seconds):
                self._counters.of(space.id).stored += 1
            return loaded
        finally:
            if grant is not None:
                self._store.release(space, key, grant)

    async def _lease(self, space: Namespace[Any], key: str) -> Lease:
        """Return leave to load, waiting for another process that has it to come up with the value."""
        until = self._clock() + self._settings.lock_wait_s
        pause = _FIRST_POLL_S
        while True:
            lease = await self._store.lease(space, key)
            if lease is not NoGrant.TAKEN or self._clock() >= until:
                return lease
            await asyncio.sleep(pause * (0.5 + self._fraction()))
            pause = min(pause * 2, _LONGEST_POLL_S)

    def _canonical(self, space: Namespace[Any], value: Any) -> _Loaded:  # noqa: ANN401  # of any type
        """Return what a hit will return for a value, so that a miss returns no other."""
        raw = self._encode(space, value)
        if raw is None:
            return _Loaded(value, None)
        own = self._decode(space, raw)
        return _Loaded(value, None) if own is _MISSING else _Loaded(own, raw)

    def _encode(self, space: Namespace[Any], value: object) -> bytes | None:
        """Return a value as bytes, or None when it is not to be stored."""
        if value is None and space.negative_ttl_s is None:
            return None
        try:
            return encode(space, value, max_bytes=self._settings.max_value_bytes)
        except UnusableValueError as error:
            self._refuse(space, error.reason)
            return None

    def _decode(self, space: Namespace[T], raw: bytes) -> T | Literal[_Missing.MISSING] | None:
        """Return the value that bytes stand for, if they can be believed."""
        try:
            return decode(space, raw, max_bytes=self._settings.max_value_bytes)
        except UnusableValueError as error:
            self._refuse(space, error.reason)
            return _MISSING

    def _refuse(self, space: Namespace[Any], reason: Reason) -> None:
        """Count what can't be stored or believed, and log the first of its kind."""
        self._counters.of(space.id).refused += 1
        if (space.id, reason) not in self._said:
            self._said.add((space.id, reason))
            get_logger(__name__).warning("cache_value_refused", namespace=space.id, reason=reason)

    def _ttl_s(self, space: Namespace[Any], value: object, ttl_s: float | None) -> float:
        """Return the seconds to keep a value, somewhat fewer than asked for, at random."""
        seconds = ttl_s or space.ttl_s or self._settings.default_ttl_s
        if value is None and space.negative_ttl_s is not None:
            seconds = space.negative_ttl_s
        return seconds * (1 - self._settings.ttl_jitter * self._fraction())
