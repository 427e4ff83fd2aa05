# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Running scripts on a Valkey or Redis server, which may be away for a while."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from ...utils.logging import get_logger
from ...utils.valkey import connect, connect_blocking
from ..errors import JobsUnavailableError
from ._valkey_records import Argument

if TYPE_CHECKING:
    from redis import Redis as BlockingRedis
    from redis.asyncio import Redis

_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 0.5


class Server:
    """Scripts on one server, and what to do when it does not answer.

    Args:
        url: As `utils.valkey.redis_url` returns it.
        prefix: What all keys start with: the hash tag that keeps them in one slot.
        timeout_s: Seconds to connect, and for each answer.
        wait_s: Seconds that a call which may be repeated waits for a server that is away.
    """

    def __init__(self, url: str, *, prefix: str, timeout_s: float, wait_s: float) -> None:
        self._url = url
        self.prefix = prefix
        self._timeout_s = timeout_s
        self._wait_s = wait_s
        self._client: Redis | None = None
        self._blocking: BlockingRedis | None = None

    @property
    def client(self) -> Redis:
        """The client of the event loop.

        Raises:
            JobsUnavailableError: When it was closed.
        """
        if self._client is None:
            raise JobsUnavailableError("the job store is closed")
        return self._client

    async def open(self) -> None:
        """Connect, and look at how the server is configured.

        Raises:
            JobsUnavailableError: When it does not answer in time.
        """
        if self._client is None:
            self._client = connect(self._url, timeout_s=self._timeout_s)
        memory = await self.ask(lambda client: client.info("memory"))
        policy = str(memory.get("maxmemory_policy", "noeviction"))
        if policy != "noeviction" and int(memory.get("maxmemory", 0)):
            # With volatile-* policies too: it is not for us to say which jobs may vanish.
            get_logger(__name__).error("jobs_server_may_evict_jobs", maxmemory_policy=policy)

    async def aclose(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            with suppress(OSError, TimeoutError):  # a connection that broke can't be closed well
                await client.aclose()
        blocking, self._blocking = self._blocking, None
        if blocking is not None:
            blocking.close()

    async def run(self, script: str, arguments: Iterable[Argument], *, wait: bool = True) -> Any:  # noqa: ANN401  # what the script answers
        """Run a script and return its answer.

        Args:
            script: A module constant of `_valkey_scripts`.
            arguments: Its ARGV.
            wait: Run it again while the server is away; only for what may be done twice.

        Raises:
            JobsUnavailableError: When there is no answer in time.
        """
        given = [*arguments]

        async def evaluate(client: Redis) -> Any:  # noqa: ANN401  # what the script answers
            from redis.exceptions import NoScriptError  # noqa: PLC0415  # needed only with a URL

            try:
                return await client.evalsha(_digest(script), 1, self.prefix, *given)
            except NoScriptError:
                return await client.eval(script, 1, self.prefix, *given)

        return await self.ask(evaluate, wait=wait)

    async def ask(self, question: Callable[[Redis], Awaitable[Any]], *, wait: bool = True) -> Any:  # noqa: ANN401  # what it returns
        """Return what a coroutine does with the client; `wait` and errors as for `run`."""
        from redis.exceptions import RedisError  # noqa: PLC0415  # needed only with a URL

        until, pause = time.monotonic() + (self._wait_s if wait else 0.0), _PAUSE_S
        while True:
            try:
                return await question(self.client)
            except (RedisError, OSError, TimeoutError) as error:
                if time.monotonic() + pause > until or not _passes(error):
                    raise unavailable(error) from error
            # Callers of many processes don't come back in step.
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311  # no secret
            pause = min(pause * 2, _LONGEST_PAUSE_S)

    def run_blocking(self, script: str, arguments: Sequence[Argument]) -> Any:  # noqa: ANN401  # what the script answers
        """Run a script from the one thread that does so, and return its answer.

        Raises:
            JobsUnavailableError: When the server does not answer.
        """
        from redis.exceptions import NoScriptError, RedisError  # noqa: PLC0415  # needed only with a URL

        if self._blocking is None:
            self._blocking = connect_blocking(self._url, timeout_s=self._timeout_s)
        try:
            try:
                return self._blocking.evalsha(_digest(script), 1, self.prefix, *arguments)
            except NoScriptError:
                return self._blocking.eval(script, 1, self.prefix, *arguments)
        except (RedisError, OSError) as error:
            raise unavailable(error) from error

    def listener(self, block_s: float) -> Redis:
        """Return a client that may wait so long for an answer."""
        return connect(self._url, timeout_s=block_s + self._timeout_s)


def unavailable(error: Exception) -> JobsUnavailableError:
    """Return what callers see for an error of the server, whose text can hold keys and arguments."""
    return JobsUnavailableError(
        f"The job server did not do what it was asked ({type(error).__name__}); see JOBS__URL."
    )


def _passes(error: Exception) -> bool:
    """Return whether an error is one of being away, and not an answer."""
    from redis.exceptions import (  # noqa: PLC0415  # needed only with a URL
        AuthenticationError,
        BusyLoadingError,
        ReadOnlyError,
        ResponseError,
    )

    if isinstance(error, BusyLoadingError | ReadOnlyError):
        return True
    return not isinstance(error, ResponseError | AuthenticationError)


_DIGESTS: dict[str, str] = {}


def _digest(script: str) -> str:
    found = _DIGESTS.get(script)
    if found is None:
        found = sha1(script.encode(), usedforsecurity=False).hexdigest()
        _DIGESTS[script] = found
    return found
