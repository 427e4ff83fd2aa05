# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Connections to Valkey or Redis for parts that go on without it: quick to give up, no retries."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from redis import Redis as BlockingRedis
    from redis.asyncio import Redis

_SCHEMES = {
    "valkey": "redis",
    "valkeys": "rediss",
    "redis": "redis",
    "rediss": "rediss",
    "unix": "unix",
}


def redis_url(url: str, *, setting: str) -> str:
    """Return a URL in redis-py's spelling.

    Args:
        url: valkey://, valkeys:// (TLS), redis://, rediss:// or unix:// URL.
        setting: Where it was configured, for the message.

    Raises:
        ValueError: For a URL that names no server; the message does not repeat its password.
    """
    scheme, _, rest = url.partition("://")
    try:
        parts = urlsplit(f"{_SCHEMES[scheme]}://{rest}")
        named = parts.path if scheme == "unix" else parts.hostname
        valid = bool(named) and (parts.port is None or parts.port > 0)
    except (KeyError, ValueError):
        valid = False
    if not valid:
        msg = f"{setting} names no server; write valkey://host:6379/0, valkeys://, redis://, rediss:// or unix:///path"
        raise ValueError(msg)
    return f"{_SCHEMES[scheme]}://{rest}"


def connect(url: str, *, timeout_s: float) -> Redis:
    """Return a client of a server, which connects at its first command.

    Args:
        url: As `redis_url` returns it.
        timeout_s: Seconds to connect, and for each answer.
    """
    from redis.asyncio import Redis  # noqa: PLC0415  # needed only with a URL
    from redis.asyncio.retry import Retry  # noqa: PLC0415  # needed only with a URL
    from redis.backoff import NoBackoff  # noqa: PLC0415  # needed only with a URL

    return Redis.from_url(
        url,
        decode_responses=False,
        retry=Retry(NoBackoff(), 0),  # whoever calls pauses instead, and does without
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s,
    )


def connect_blocking(url: str, *, timeout_s: float) -> BlockingRedis:
    """Return a client for a thread of its own; as `connect`."""
    from redis import Redis  # noqa: PLC0415  # needed only with a URL
    from redis.backoff import NoBackoff  # noqa: PLC0415  # needed only with a URL
    from redis.retry import Retry  # noqa: PLC0415  # needed only with a URL

    return Redis.from_url(
        url,
        decode_responses=False,
        retry=Retry(NoBackoff(), 0),  # whoever calls comes again anyway
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s,
    )
