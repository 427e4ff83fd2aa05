# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which engine keeps the jobs: the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .settings import JobsSettings
    from .store import JobStore

_NATS = frozenset({"nats", "tls"})


def make_store(settings: JobsSettings) -> JobStore:
    """Return the store that the settings name; nothing is opened yet."""
    # Engines are imported when they are used: a service that enqueues nothing needs none.
    from .stores.settings import ServerJobsSettings  # noqa: PLC0415  # Celery has other ones

    if not isinstance(settings, ServerJobsSettings):
        raise TypeError("pass the settings of the service, which are ServerJobsSettings")
    if settings.url is not None:
        scheme = settings.url.get_secret_value().partition("://")[0]
        if scheme in _NATS:
            from .stores.nats import NatsStore  # noqa: PLC0415  # see above

            return NatsStore(settings)
        from .stores.valkey import ValkeyStore  # noqa: PLC0415  # see above

        return ValkeyStore(settings)
    from .stores.sqlite import SqliteJobStore  # noqa: PLC0415  # see above

    return SqliteJobStore(settings)
