# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of the cache."""

from __future__ import annotations

from pydantic import Field, SecretStr

from ..sections import Section


class CacheSettings(Section):
    """Where cached values are kept, how many and for how long."""

    enabled: bool = Field(
        default=True, description="Cache at all; when false, every value is loaded each time."
    )
    url: SecretStr | None = Field(
        default=None,
        description="valkey:// or redis:// URL to share values between processes; in process without.",
    )
    default_ttl_s: float = Field(
        default=300.0, gt=0, description="Seconds that a value is kept, unless it says otherwise."
    )
    ttl_jitter: float = Field(
        default=0.1,
        ge=0,
        le=0.9,
        description="Share of that time that is taken off at random, so values don't expire together.",
    )
    max_entries: int = Field(
        default=10_000, ge=1, description="Values kept in process; the least recently used go."
    )
    max_bytes: int = Field(
        default=67_108_864, ge=1, description="Bytes kept in process, keys and values together."
    )
    max_value_bytes: int = Field(
        default=1_048_576,
        ge=1,
        description="Largest value in bytes; larger ones are neither stored nor read.",
    )
    timeout_s: float = Field(
        default=0.25, gt=0, description="Seconds to connect to that server, and to be answered."
    )
    lock_s: float = Field(
        default=2.0,
        gt=0,
        description="Seconds after which another process loads what one that died was loading.",
    )
    lock_wait_s: float = Field(
        default=5.0, ge=0, description="Seconds to wait for a value that another process loads."
    )
    version: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$",
        description="Part of every key, so that releases don't mix; by default the service's version.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        min_length=32,
        description="Secret, 32 characters or more, that signs values against forgery on that server.",
    )
