# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of error tracking."""

from pydantic import Field, SecretStr

from .sections import Section


class SentrySettings(Section):
    """Error tracking; off without a DSN."""

    dsn: SecretStr | None = Field(
        default=None, description="Where events go; empty switches Sentry off."
    )
    traces_sample_rate: float = Field(
        default=0.1, ge=0, le=1, description="Share of requests recorded as transactions."
    )
    max_transactions_per_s: float = Field(
        default=5.0,
        gt=0,
        description="Transactions per second and process; above it the recorded share goes down.",
    )
    release: str | None = Field(default=None, description="Release name; by default name@version.")
