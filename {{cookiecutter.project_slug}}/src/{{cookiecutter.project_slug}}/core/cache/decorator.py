# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""`@cached`: a function whose results are kept."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from functools import partial, wraps
from typing import Any, Generic, ParamSpec, TypeVar, cast, overload
from uuid import UUID

from .client import CacheClient
from .namespace import Namespace

P = ParamSpec("P")
T = TypeVar("T")

_PLAIN = frozenset(
    (str, bytes, int, bool, float, type(None), UUID, Decimal, date, datetime, time, timedelta)
)


class cached(Generic[T]):  # noqa: N801  # reads as the decorator it is
    """Keep the results of an async function in a namespace.

        class PriceService:
            def __init__(self, cache: CacheClient) -> None:
                self.cache = cache

            @cached(PRICES)
            async def price(self, sku: str, *, currency: str = "EUR") -> Price: ...

    The cache is an argument of the call (in an endpoint the parameter `cache: Cache`), or else the
    attribute `cache` of the object whose method it is.

    Args:
        space: Where results are kept; several functions can share it.
        key: Returns the key from the arguments, and with it which value `delete` and `set` mean.
            By default the key is the function's name with all arguments, which then have to be
            plain values: text, numbers, dates, UUIDs, enum members, and tuples of such.
        ttl_s: Seconds to keep a result; by default the namespace's.
    """

    def __init__(
        self,
        space: Namespace[T],
        *,
        key: Callable[..., str] | None = None,
        ttl_s: float | None = None,
    ) -> None:
        self._space = space
        self._key = key
        self._ttl_s = ttl_s

    @overload
    def __call__(
        self, function: Callable[P, Awaitable[T]]
    ) -> Callable[P, Coroutine[Any, Any, T]]: ...
    @overload
    def __call__(
        self, function: Callable[P, Awaitable[T | None]]
    ) -> Callable[P, Coroutine[Any, Any, T | None]]: ...
    def __call__(
        self, function: Callable[P, Awaitable[Any]]
    ) -> Callable[P, Coroutine[Any, Any, Any]]:
        """Return the function with its results kept."""
        space, ttl_s = self._space, self._ttl_s
        key = self._key or _default_key(function)

        @wraps(function)
        async def call(*args: P.args, **kwargs: P.kwargs) -> Any:  # noqa: ANN401  # T, see above
            cache = _cache_of(function, args, kwargs)
            load = partial(function, *args, **kwargs)
            return await cache.get_or_set(space, key(*args, **kwargs), load, ttl_s=ttl_s)

        return call


def _cache_of(function: Callable[..., object], args: Any, kwargs: Any) -> CacheClient:  # noqa: ANN401  # any arguments
    for value in (*kwargs.values(), *args):
        if isinstance(value, CacheClient):
            return value
    cache = getattr(args[0], "cache", None) if args else None
    if isinstance(cache, CacheClient):
        return cache
    name = getattr(function, "__qualname__", "the function")
    msg = f"{name} is @cached and was called without a cache: pass one, or set self.cache"
    raise TypeError(msg)


def _default_key(function: Callable[..., object]) -> Callable[..., str]:
    """Return what spells the arguments of a call, the same however they are passed."""
    signature = inspect.signature(function)
    name = f"{function.__module__}.{getattr(function, '__qualname__', '')}".partition(".")[2]
    first = next(iter(signature.parameters), "")

    def spell(*args: Any, **kwargs: Any) -> str:  # noqa: ANN401  # any arguments
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        given = {
            parameter: value
            for parameter, value in bound.arguments.items()
            if not (parameter == first == "self" or isinstance(value, CacheClient))
        }
        try:
            spelt = ",".join(f"{parameter}={_spell(value)}" for parameter, value in given.items())
        except TypeError as error:
            msg = f"{name} is @cached and takes an argument that is no key: {error}; say @cached(..., key=...)"
            raise TypeError(msg) from None
        return f"{name}({spelt})"

    return spell


def _spell(value: object) -> str:
    """Return a text that no other value has.

    Raises:
        TypeError: For a value whose text can be that of another.
    """
    if type(value) in _PLAIN:
        return repr(value)
    if isinstance(value, Enum):
        return f"{type(value).__qualname__}.{value.name}"
    if isinstance(value, tuple):
        return f"({''.join(_spell(item) + ',' for item in cast('tuple[object, ...]', value))})"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        items = sorted(cast("dict[str, object]", value).items())
        return "{" + ",".join(f"{name!r}:{_spell(item)}" for name, item in items) + "}"
    raise TypeError(type(value).__qualname__)
