# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What a store of cached values is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias

from .namespace import Namespace


class NoGrant(Enum):
    """Why a value may be loaded but not be stored."""

    TAKEN = "another process is loading it"
    UNAVAILABLE = "the server can't be asked"


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave to load a value and store it, unless it is deleted or set by others meanwhile.

    Attributes:
        token: Who has it.
        generation: The generation of the namespace at that time.
    """

    token: bytes
    generation: bytes


Lease: TypeAlias = bytes | Grant | NoGrant
"""The value, if there is one by now; or leave to load it; or why there is none."""


class Store(Protocol):
    """Keeps bytes for a time, by namespace and key.

    No method raises because a server is gone, slow or hostile: reads find nothing, writes do
    nothing, and what should have been deleted is deleted when it is back.
    """

    async def read(self, space: Namespace[Any], key: str) -> bytes | None:
        """Return the bytes, or None when there are none."""

    async def lease(self, space: Namespace[Any], key: str) -> Lease:
        """Ask for leave to load what was not found."""

    async def fill(
        self, space: Namespace[Any], key: str, grant: Grant, raw: bytes, ttl_s: float
    ) -> bool:
        """Store what was loaded, unless the grant has lapsed; return whether it was stored."""

    def release(self, space: Namespace[Any], key: str, grant: Grant) -> None:
        """Give a grant back without storing anything."""

    async def write(self, space: Namespace[Any], key: str, raw: bytes, ttl_s: float) -> bool:
        """Store bytes, and let every grant for them lapse; return whether they were stored."""

    async def delete(self, space: Namespace[Any], *keys: str) -> None:
        """Forget keys, and let every grant for them lapse."""

    async def delete_namespace(self, space: Namespace[Any]) -> None:
        """Forget all keys of a namespace, however many, at once."""

    async def clear(self) -> int:
        """Forget everything of this service, environment and version; return how many keys."""

    async def aclose(self) -> None:
        """Close what is open; the store may be used again afterwards."""
