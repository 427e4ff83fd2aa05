# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The ledger in Valkey or Redis: for several machines.

As durable as that server is: switch its append-only file on (`appendonly yes`).
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...utils.valkey import redis_url
from ..errors import JobsUnavailableError
from .table import ABSENT, Change, Stored, Summary

if TYPE_CHECKING:
    from redis import Redis

_TIMEOUT_S = 5.0

# KEYS[1] is the prefix; for each change there are its key, version, body and number of places, and
# for each place its index, member and score, which is empty to take it out.
_WRITE = """
local prefix, at = KEYS[1], 1
while at <= #ARGV do
  local have = redis.call('HGET', prefix .. 'record:' .. ARGV[at], 'version') or '0'
  if have ~= ARGV[at + 1] then return 0 end
  at = at + 4 + 3 * tonumber(ARGV[at + 3])
end
at = 1
while at <= #ARGV do
  local record, count = prefix .. 'record:' .. ARGV[at], tonumber(ARGV[at + 3])
  if ARGV[at + 2] == '' then
    redis.call('DEL', record)
  else
    local version = string.format('%d', tonumber(ARGV[at + 1]) + 1)
    redis.call('HSET', record, 'version', version, 'body', ARGV[at + 2])
  end
  for place = at + 4, at + 1 + 3 * count, 3 do
    local index = prefix .. 'index:' .. ARGV[place]
    if ARGV[place + 2] == '' then
      redis.call('ZREM', index, ARGV[place + 1])
    else
      redis.call('ZADD', index, ARGV[place + 2], ARGV[place + 1])
    end
  end
  at = at + 4 + 3 * count
end
return 1
"""

# ARGV holds members and seconds from now, in turns.
_TOUCH = """
local time, found = redis.call('TIME'), {}
local now = tonumber(time[1]) + tonumber(time[2]) / 1000000
for at = 1, #ARGV, 2 do
  if redis.call('ZSCORE', KEYS[1], ARGV[at]) then
    redis.call('ZADD', KEYS[1], string.format('%.6f', now + tonumber(ARGV[at + 1])), ARGV[at])
    found[#found + 1] = 1
  else
    found[#found + 1] = 0
  end
end
return found
"""


class ValkeyTable:
    """A `Table` on a server that several machines reach.

    Args:
        url: valkey://, valkeys:// (TLS), redis://, rediss:// or unix:// URL.
        namespace: Keeps this service's keys apart from others'.
    """

    def __init__(self, url: str, namespace: str) -> None:
        self._url = redis_url(url, setting="JOBS__STATE_URL")
        # In braces, so that a cluster keeps all keys on one node, as scripts need it.
        self._prefix = "{" + namespace + "}:"
        self._redis: Redis | None = None
        self._write: Any = None
        self._touch: Any = None

    def open(self) -> None:
        """Connect."""
        if self._redis is not None:
            return
        import redis  # noqa: PLC0415  # only who uses jobs needs it

        client = redis.Redis.from_url(
            self._url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            health_check_interval=30,
        )
        self._write = client.register_script(_WRITE)
        self._touch = client.register_script(_TOUCH)
        with self._translated():
            client.ping()
        self._redis = client

    def close(self) -> None:
        """Close all connections."""
        client, self._redis = self._redis, None
        if client is not None:
            client.close()

    @contextmanager
    def _translated(self) -> Generator[None]:
        import redis  # noqa: PLC0415  # as above

        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise JobsUnavailableError from error

    @property
    def _client(self) -> Redis:
        if self._redis is None:
            raise JobsUnavailableError("The job store is closed.")
        return self._redis

    def _index(self, name: str) -> str:
        return f"{self._prefix}index:{name}"

    def read(self, keys: Sequence[str]) -> tuple[float, list[Stored]]:
        """Return the server's time and the records."""
        with self._translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.time()
            for key in keys:
                pipeline.hmget(f"{self._prefix}record:{key}", "version", "body")
            (seconds, micros), *rows = pipeline.execute()
        found = [Stored(int(row[0]), row[1]) if row[0] else ABSENT for row in rows]
        return seconds + micros / 1e6, found

    def write(self, changes: Sequence[Change]) -> bool:
        """Write all changes, or none."""
        arguments: list[str | bytes | float] = []
        for change in changes:
            places = [(index, member, "") for index, member in change.drop]
            places += [(*place, f"{score:.6f}") for place, score in change.put.items()]
            arguments += [change.key, change.version, change.body, len(places)]
            for place in places:
                arguments += place
        with self._translated():
            return bool(self._write(keys=[self._prefix], args=arguments, client=self._client))

    def touch(self, index: str, members: Mapping[str, float]) -> list[bool]:
        """Set the scores of members that there are."""
        arguments: list[str | float] = []
        for member, delay_s in members.items():
            arguments += [member, delay_s]
        with self._translated():
            found = self._touch(keys=[self._index(index)], args=arguments, client=self._client)
        return [bool(one) for one in found]

    def scores(self, index: str, members: Sequence[str]) -> tuple[float, list[float | None]]:
        """Return the server's time and the members' scores."""
        with self._translated():
            pipeline = self._client.pipeline(transaction=False)
            pipeline.time()
            for member in members:
                pipeline.zscore(self._index(index), member)
            (seconds, micros), *found = pipeline.execute()
        return seconds + micros / 1e6, found

    def _now(self) -> float:
        seconds, micros = self._client.time()
        return float(seconds + micros / 1e6)

    def due(self, index: str, limit: int) -> list[str]:
        """Return members that are due."""
        with self._translated():
            found: Any = self._client.zrangebyscore(
                self._index(index), "-inf", self._now(), start=0, num=limit
            )
        return [member.decode() for member in found]

    def newest(self, index: str, offset: int, limit: int) -> list[str]:
        """Return members by falling score."""
        with self._translated():
            found: Any = self._client.zrevrange(self._index(index), offset, offset + limit - 1)
        return [member.decode() for member in found]

    def summaries(self, indexes: Sequence[str]) -> list[Summary]:
        """Return what each index holds."""
        with self._translated():
            now = self._now()
            pipeline = self._client.pipeline(transaction=False)
            for index in indexes:
                pipeline.zcount(self._index(index), "-inf", now)
                pipeline.zcard(self._index(index))
                pipeline.zrange(self._index(index), 0, 0, withscores=True)
            rows = pipeline.execute()
        return [
            Summary(due, total, now - first[0][1] if first else 0.0)
            for due, total, first in zip(rows[::3], rows[1::3], rows[2::3], strict=True)
        ]
