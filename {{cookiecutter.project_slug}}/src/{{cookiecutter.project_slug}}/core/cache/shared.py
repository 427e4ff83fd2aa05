# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The store that all processes of a service share, on Valkey or Redis."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import scripts
from .connection import FAILED, Connection
from .counters import Counters
from .keys import KeyRing
from .namespace import Namespace
from .serialisation import Reason
from .stores import Grant, Lease, NoGrant

if TYPE_CHECKING:
    from redis.asyncio import Redis

_MAX_OWED = 1_000
_HEAD = len(scripts.FORMAT) + scripts.GENERATION_CHARS
_MONTH_MS = 30 * 24 * 3600 * 1000
_REPORT_EVERY_S = 5.0
_DIGITS = 20

Refused = Callable[[Namespace[Any], Reason], None]


class SharedStore:
    """Keep bytes on a server; see `Store` and, for what happens without the server, `Connection`.

    What is deleted or set while the server can't be asked is owed to it, and deleted there before it
    is used again, so that a server that was only out of reach does not bring old values back. Of more
    than 1,000 such keys only the namespaces are remembered, and deleted whole.

    Args:
        url: Where the server is.
        keys: How keys are spelt and values signed.
        counters: What is reported to the server every 5 s, for `cache stats`.
        timeout_s: Seconds to connect and to be answered.
        lock_s: Seconds after which the load of a process that died is somebody else's.
        on_refused: Told of values that are not believed.
        clock: Monotonic seconds.

    Raises:
        ValueError: When it is made, for a URL that names no server.
    """

    def __init__(
        self,
        url: str,
        keys: KeyRing,
        counters: Counters,
        *,
        timeout_s: float,
        lock_s: float,
        on_refused: Refused,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = keys
        self._counters = counters
        self._lock_s = lock_s
        self._on_refused = on_refused
        self._clock = clock
        self._server = Connection(url, timeout_s=timeout_s, restore=self._settle, clock=clock)
        self._renewals: dict[bytes, asyncio.TimerHandle] = {}
        self._owed: dict[bytes, bytes] = {}
        self._owed_namespaces: set[bytes] = set()
        self._report_at = 0.0

    @property
    def available(self) -> bool:
        """Whether the server answered when it was last asked."""
        return self._server.available

    async def check(self) -> float:
        """Return the seconds that the server takes to answer; see `Connection.check`."""
        return await self._server.check()

    def prepare(self) -> None:
        """Do what takes long before the first request; see `Connection.prepare`."""
        self._server.prepare()

    async def read(self, space: Namespace[Any], key: str) -> bytes | None:
        """Return the bytes, or None when there are none that can be believed."""
        keys = self._keys.of(space, key)
        if self._clock() >= self._report_at:
            self._report()
        found = await self._server.read(keys.generation, keys.value)
        if found is FAILED:
            self._counters.errors += 1
            return None
        generation, stored = found
        if not isinstance(stored, bytes) or not isinstance(generation, bytes):
            return None  # not there, or no answer to what was asked
        return self._open(space, keys.value, generation, stored)

    async def lease(self, space: Namespace[Any], key: str) -> Lease:
        """Ask for leave to load; it is renewed for as long as this process lives."""
        keys = self._keys.of(space, key)
        token = secrets.token_hex(8).encode()
        lock_ms = int(self._lock_s * 1000)
        answer = await self._script(
            scripts.LEASE, *keys, generation=True, arguments=(token, lock_ms)
        )
        if isinstance(answer, bytes):
            generation = answer[len(scripts.FORMAT) : _HEAD]
            raw = self._open(space, keys.value, generation, answer)
            return raw if raw is not None else NoGrant.UNAVAILABLE
        match answer:
            case [bytes(generation), 0] if generation:
                return NoGrant.TAKEN
            case [bytes(generation), 1] if generation:
                self._renew_later(keys.lock, token)
                return Grant(token, generation)
        return NoGrant.UNAVAILABLE

    async def fill(
        self, space: Namespace[Any], key: str, grant: Grant, raw: bytes, ttl_s: float
    ) -> bool:
        """Store what was loaded, unless the grant has lapsed."""
        self._stop_renewal(grant)
        keys = self._keys.of(space, key)
        signed = self._keys.sign(keys.value, raw)
        arguments = (grant.token, grant.generation, signed, _milliseconds(ttl_s))
        return bool(await self._script(scripts.FILL, *keys, arguments=arguments) == 1)

    def release(self, space: Namespace[Any], key: str, grant: Grant) -> None:
        """Give a grant back, without waiting for the server."""
        self._stop_renewal(grant)
        lock = self._keys.of(space, key).lock
        self._server.post("EVAL", scripts.RENEW, 1, lock, grant.token, 0)

    async def write(self, space: Namespace[Any], key: str, raw: bytes, ttl_s: float) -> bool:
        """Store bytes, and let every grant for them lapse."""
        keys = self._keys.of(space, key)
        arguments = (self._keys.sign(keys.value, raw), _milliseconds(ttl_s))
        answer = await self._script(scripts.WRITE, *keys, generation=True, arguments=arguments)
        stored = bool(answer == 1)
        if not stored:
            self._owe(keys.generation, keys.value, keys.lock)
        return stored

    async def delete(self, space: Namespace[Any], *keys: str) -> None:
        """Forget keys, and let every grant for them lapse."""
        if not keys:
            return
        found = [self._keys.of(space, key) for key in keys]
        names = [name for each in found for name in (each.value, each.lock)]
        if await self._run("DEL", *names) is FAILED:
            self._owe(found[0].generation, *names)

    async def delete_namespace(self, space: Namespace[Any]) -> None:
        """Begin a new generation of the namespace."""
        generation = self._keys.generation(space)
        if await self._run("SET", generation, _new_generation(), "PX", _MONTH_MS) is FAILED:
            self._owed_namespaces.add(generation)

    async def clear(self) -> int:
        """Forget everything under the prefix; return how many keys."""
        pattern = _escaped(self._keys.prefix) + b"*"
        cursor: Any = b"0"
        count = 0
        while True:
            match await self._run("SCAN", cursor, "MATCH", pattern, "COUNT", 1000):
                case [bytes(following), list(names)] | [int(following), list(names)]:
                    cursor = following
                case _:
                    return count
            # Whatever the server says, nobody else's key is deleted.
            ours = [name for name in names if name.startswith(self._keys.prefix)]
            if ours:
                deleted = await self._run("UNLINK", *ours)
                count += deleted if isinstance(deleted, int) else 0
            if int(cursor) == 0:
                return count

    async def reported(self) -> dict[str, int]:
        """Return what all processes have reported, as `Counters.take` spells it."""
        flat = await self._run("HGETALL", self._counters_key)
        if not isinstance(flat, dict):
            return {}
        return {
            name.decode("utf-8", "replace"): int(value)
            for name, value in flat.items()
            if _is_count(value)
        }

    async def aclose(self) -> None:
        """Report the last counters, and close the connection."""
        for timer in self._renewals.values():
            timer.cancel()
        self._renewals.clear()
        if self.available:
            self._report()
        await self._server.aclose()

    # --- inside ------------------------------------------------------------------------------

    @property
    def _counters_key(self) -> bytes:
        return self._keys.prefix + b"counters"

    def _open(
        self, space: Namespace[Any], key: bytes, generation: bytes, stored: bytes
    ) -> bytes | None:
        """Return what was stored, unless it is of another generation, or not ours."""
        reason: Reason
        if stored[: len(scripts.FORMAT)] != scripts.FORMAT or len(stored) <= _HEAD:
            reason = "malformed"
        elif stored[len(scripts.FORMAT) : _HEAD] != generation:
            return None
        else:
            raw = self._keys.verify(key, stored[_HEAD:])
            if raw is not None:
                return raw
            reason = "forged"
        self._on_refused(space, reason)
        self._server.post("DEL", key)
        return None

    async def _run(self, *command: Any) -> Any:  # noqa: ANN401  # what the server answers
        answer = await self._server.run(*command)
        if answer is FAILED:
            self._counters.errors += 1
        return answer

    async def _script(
        self, script: str, *keys: bytes, generation: bool = False, arguments: tuple[Any, ...]
    ) -> Any:  # noqa: ANN401  # what the script answers
        if generation:
            arguments = (_new_generation(), _MONTH_MS, *arguments)
        return await self._run("EVAL", script, len(keys), *keys, *arguments)

    def _renew_later(self, lock: bytes, token: bytes) -> None:
        """Renew a lock three times in its time, until it is given back."""
        loop = asyncio.get_running_loop()
        milliseconds = int(self._lock_s * 1000)

        def renew() -> None:
            self._server.post("EVAL", scripts.RENEW, 1, lock, token, milliseconds)
            self._renewals[token] = loop.call_later(self._lock_s / 3, renew)

        self._renewals[token] = loop.call_later(self._lock_s / 3, renew)

    def _stop_renewal(self, grant: Grant) -> None:
        timer = self._renewals.pop(grant.token, None)
        if timer is not None:
            timer.cancel()

    def _owe(self, generation: bytes, *names: bytes) -> None:
        """Remember what has to be deleted before the server is used again."""
        self._owed.update(dict.fromkeys(names, generation))
        if len(self._owed) > _MAX_OWED:
            self._owed_namespaces.update(self._owed.values())
            self._owed.clear()

    async def _settle(self, server: Redis) -> None:
        """Delete what is owed, what comes in meanwhile included."""
        while self._owed or self._owed_namespaces:
            owed, self._owed = self._owed, {}
            spaces, self._owed_namespaces = self._owed_namespaces, set()
            pipeline = server.pipeline(transaction=False)
            if owed:
                pipeline.delete(*owed)
            for space in spaces:
                pipeline.set(space, _new_generation(), px=_MONTH_MS)
            try:
                await pipeline.execute()
            except BaseException:  # cancelled too: what was not sent is still owed
                self._owed = owed | self._owed
                self._owed_namespaces |= spaces
                raise

    def _report(self) -> None:
        self._report_at = self._clock() + _REPORT_EVERY_S
        grown = self._counters.take() if self.available else {}
        if grown:
            flat = [part for pair in grown.items() for part in pair]
            key = self._counters_key
            self._server.post("EVAL", scripts.COUNT, 1, key, _MONTH_MS, *flat)


def _new_generation() -> bytes:
    return secrets.token_hex(scripts.GENERATION_CHARS // 2).encode()


def _milliseconds(seconds: float) -> int:
    return max(1, int(seconds * 1000))


def _is_count(value: object) -> bool:
    return isinstance(value, bytes) and value.isdigit() and len(value) < _DIGITS


def _escaped(pattern: bytes) -> bytes:
    """Return a pattern that matches these very bytes."""
    return b"".join(b"\\" + bytes([c]) if c in b"*?[]\\" else bytes([c]) for c in pattern)
