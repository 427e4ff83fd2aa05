# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Records on a Valkey or Redis server, for workers on several machines.

They are as durable as that server is: with appendfsync everysec, a crash of it may forget a second.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

from ..utils.valkey import connect, redis_url
from .records import RecordsUnavailableError

_TIMEOUT_S = 5.0

# KEYS[1]; ARGV: whether a value is expected, it, whether there is a new one, it, its milliseconds.
_SWAP = """
local found = redis.call('GET', KEYS[1])
if ARGV[1] == '1' then
  if found ~= ARGV[2] then return 0 end
elseif found then
  return 0
end
if ARGV[3] == '1' then
  redis.call('SET', KEYS[1], ARGV[4], 'PX', ARGV[5])
else
  redis.call('DEL', KEYS[1])
end
return 1
"""


class ValkeyRecords:
    """See `RecordStore`; connects when it is first used.

    Args:
        url: valkey:// or redis:// URL.
        namespace: Put before each key, so that services can share a server.

    Raises:
        ValueError: When the URL names no server.
    """

    def __init__(self, url: str, *, namespace: str) -> None:
        self._client: Any = connect(
            redis_url(url, setting="MAIL__RECORDS_URL"), timeout_s=_TIMEOUT_S
        )
        self._prefix = f"{namespace}:"

    async def read(self, key: str) -> str | None:
        """See `RecordStore.read`."""
        async with _explained():
            value: bytes | None = await self._client.get(self._prefix + key)
        return None if value is None else value.decode()

    async def swap(self, key: str, expected: str | None, new: str | None, ttl_s: float) -> bool:
        """See `RecordStore.swap`."""
        given = (expected is not None, expected or "", new is not None, new or "")
        arguments = [str(int(a)) if isinstance(a, bool) else a for a in given]
        ttl_ms = str(max(1, round(ttl_s * 1000)))
        async with _explained():
            return bool(await self._client.eval(_SWAP, 1, self._prefix + key, *arguments, ttl_ms))

    async def keys(self, prefix: str) -> list[str]:
        """See `RecordStore.keys`."""
        start = self._prefix + prefix
        pattern = "".join(f"[{c}]" if c in "*?[" else c for c in start) + "*"
        async with _explained():
            found = {key.decode() async for key in self._client.scan_iter(pattern, count=500)}
        return sorted(key.removeprefix(self._prefix) for key in found)

    async def aclose(self) -> None:
        """See `RecordStore.aclose`."""
        await self._client.aclose()


@asynccontextmanager
async def _explained() -> AsyncGenerator[None]:
    from redis.exceptions import RedisError  # noqa: PLC0415  # imported only when it is used

    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        msg = f"the mail records can't be used: {type(error).__name__}"
        raise RecordsUnavailableError(msg) from error
