# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of jobs where a server may keep them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from ..settings import JobsSettings

_SCHEMES = ("valkey://", "valkeys://", "redis://", "rediss://", "nats://", "tls://")


def _check_url(url: object) -> object:
    """Refuse what no engine can open, without repeating it: it can hold a password."""
    plain = url.get_secret_value() if isinstance(url, SecretStr) else url
    if plain and not (isinstance(plain, str) and plain.startswith(_SCHEMES)):
        raise ValueError(
            "write valkey://host:6379/0, redis://, rediss:// (TLS), nats://host:4222 or tls://;"
            " leave it empty for the embedded queue"
        )
    return url if plain else None


class ServerJobsSettings(JobsSettings):
    """Background jobs: the server that keeps them, where the embedded queue does not."""

    url: Annotated[SecretStr | None, BeforeValidator(_check_url)] = Field(
        default=None,
        description="valkey://, redis://, rediss:// or nats:// URL; empty for the embedded queue.",
    )
    namespace: str | None = Field(
        default=None,
        pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$",
        description="What this service's names on that server start with; by default the package.",
    )
    server_timeout_s: float = Field(
        default=5.0, gt=0, description="Seconds to connect to that server, and for each answer."
    )
    server_wait_s: float = Field(
        default=10.0,
        ge=0,
        description="Seconds that enqueuing waits for a server that is away, before it fails.",
    )
    replicas: int = Field(
        default=1, ge=1, le=5, description="Servers of a NATS cluster that keep each job."
    )
