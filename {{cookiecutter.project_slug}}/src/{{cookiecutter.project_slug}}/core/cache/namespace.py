# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What is cached: a name, a type, and for how long."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from ...utils._lazy_pattern import LazyPattern

T = TypeVar("T")

_NAME = LazyPattern(r"[a-z][a-z0-9_-]{0,63}")


class Namespace(Generic[T]):
    """Values of one kind, declared once, at the top of the module that caches them.

        PRICES = Namespace("prices", Price, ttl_s=60)

    Attributes:
        name: Its name, which no other namespace of the service has.
        id: Name and version.
        ttl_s: Seconds that a value is kept; None means `CACHE__DEFAULT_TTL_S`.
        negative_ttl_s: Seconds that "there is none" (a load that returned None) is kept; None
            means not at all.
        plain_keys: Whether keys stand on a server as they are, for people to read, instead of as
            digests.
    """

    __slots__ = ("_adapter", "_type", "id", "name", "negative_ttl_s", "plain_keys", "ttl_s")

    def __init__(
        self,
        name: str,
        type_: type[T] | Any,  # noqa: ANN401  # unions and annotated types are no `type[T]`
        *,
        ttl_s: float | None = None,
        negative_ttl_s: float | None = None,
        version: int = 1,
        plain_keys: bool = False,
    ) -> None:
        """Declare a namespace.

        Args:
            name: Lower-case letters, digits, underscores and hyphens, at most 64.
            type_: The type of its values: anything that pydantic can write as JSON and read back.
            ttl_s: Seconds that a value is kept; by default `CACHE__DEFAULT_TTL_S`.
            negative_ttl_s: Seconds to remember that there is no value; by default not at all.
            version: Raise it when a value begins to mean something else under the same type.
            plain_keys: Only for keys that hold no personal data and no secret.

        Raises:
            ValueError: For a name that is none, or a time that is not positive.
        """
        if not _NAME.compiled.fullmatch(name):
            msg = f"{name!r} can't name a cache namespace: use a-z, 0-9, _ and -, at most 64"
            raise ValueError(msg)
        for option, seconds in (("ttl_s", ttl_s), ("negative_ttl_s", negative_ttl_s)):
            if seconds is not None and not seconds > 0:
                msg = f"cache namespace {name!r} has {option}={seconds}: use more than 0 seconds"
                raise ValueError(msg)
        self.name = name
        self.id = f"{name}:{version}"
        self.ttl_s = ttl_s
        self.negative_ttl_s = negative_ttl_s
        self.plain_keys = plain_keys
        self._type = type_
        self._adapter: TypeAdapter[T] | None = None

    @property
    def adapter(self) -> TypeAdapter[T]:
        """What writes and reads its values; built at first use, which can take milliseconds."""
        if self._adapter is None:
            self._adapter = TypeAdapter(self._type)
        return self._adapter

    def __repr__(self) -> str:
        """Return its name and version."""
        return f"Namespace({self.id!r})"
