# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Settings of jobs on Celery: a broker in place of the server that keeps jobs, and a place for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr

from ...utils.valkey import redis_url
from ..settings import JobsSettings
from .broker import Broker


def _checked(check: Callable[[str], object]) -> Callable[[object], object]:
    """Return a validator that refuses what can't be opened, and reads an empty value as none."""

    def validate(url: object) -> object:
        plain = url.get_secret_value() if isinstance(url, SecretStr) else str(url or "")
        if plain:
            check(plain)
        return url if plain else None

    return validate


def _check_state(url: str) -> None:
    redis_url(url, setting="JOBS__STATE_URL")


class CeleryJobsSettings(JobsSettings):
    """Background jobs: the broker that carries them, and where they are written down."""

    url: Annotated[SecretStr | None, BeforeValidator(_checked(Broker.named))] = Field(
        default=None,
        description="Celery's broker: amqp(s)://, valkey(s):// or redis(s)://; empty for none.",
    )
    state_url: Annotated[SecretStr | None, BeforeValidator(_checked(_check_state))] = Field(
        default=None,
        description="Valkey or Redis that keeps jobs; by default the broker, or else the file.",
    )

    @property
    def ledger_url(self) -> str:
        """The server that jobs are written down in; empty for the file."""
        if self.state_url is not None:
            return self.state_url.get_secret_value()
        url = self.url.get_secret_value() if self.url else ""
        return url if Broker.named(url).kind == "redis" else ""

    def insecure(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield rules for production, as `PlatformSettings` does."""
        if self.url is None:
            yield from super().insecure()
            return
        yield (
            "JOBS__STATE_URL",
            not self.ledger_url,
            "workers on other machines could not see the jobs that RabbitMQ carries",
            "Set a Valkey or Redis URL.",
        )
