# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Single flight: however many ask for a value at once, one of them loads it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

R = TypeVar("R")


class Flight(Generic[R]):
    """A load that is under way.

    Attributes:
        fresh: False once the key was deleted or set meanwhile: what comes in is out of date.
    """

    __slots__ = ("_landed", "fresh")

    def __init__(self) -> None:
        self._landed: asyncio.Future[R | None] = asyncio.get_running_loop().create_future()
        self.fresh = True

    async def result(self) -> R | None:
        """Wait for it; None when the one who loaded was cancelled, and somebody has to begin again.

        Raises:
            Exception: What the load raised.
        """
        # Shielded: awaiting it bare, the first waiter to be cancelled would cancel it for all.
        return await asyncio.shield(self._landed)

    def land(self, result: R | None) -> None:
        """Hand the result to all who wait."""
        self._landed.set_result(result)

    def fail(self, error: Exception) -> None:
        """Raise the error in all who wait."""
        self._landed.set_exception(error)
        self._landed.exception()  # it is no news that nobody else was waiting


class SingleFlight(Generic[R]):
    """The loads that are under way in this process.

    A load runs in the task of the caller who came first, with its context, its deadline and
    whatever it holds open (a database session, say). When that caller is cancelled, the next one
    begins again with what it holds itself.
    """

    def __init__(self) -> None:
        self._flights: dict[str, Flight[R]] = {}

    async def run(self, key: str, load: Callable[[Flight[R]], Awaitable[R]]) -> tuple[R, bool]:
        """Load, or wait for the load that is under way; return the result, and whether we loaded.

        Raises:
            Exception: What the load raised, in every caller.
        """
        while (flight := self._flights.get(key)) is not None:
            result = await flight.result()
            if result is not None:
                return result, False
        flight = self._flights[key] = Flight()
        result = None
        try:
            result = await load(flight)
        except Exception as error:  # whoever waits gets what the loader raised
            self._remove(key, flight)
            flight.fail(error)
            raise
        except BaseException:  # cancelled: nobody may wait for it for ever
            self._remove(key, flight)
            flight.land(None)
            raise
        self._remove(key, flight)
        flight.land(result)
        return result, True

    def forget(self, key: str) -> None:
        """Let nobody join the load of a key that is under way, because its value has changed."""
        flight = self._flights.pop(key, None)
        if flight is not None:
            flight.fresh = False

    def forget_all(self, prefix: str = "") -> None:
        """Do so for all keys that begin with a prefix."""
        for key in [key for key in self._flights if key.startswith(prefix)]:
            self.forget(key)

    def _remove(self, key: str, flight: Flight[R]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]
