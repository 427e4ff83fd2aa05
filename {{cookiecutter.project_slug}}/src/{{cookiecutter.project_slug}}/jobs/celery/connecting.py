# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Puts jobs on Celery together, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .broker import Broker
from .ledger import Ledger
from .settings import CeleryJobsSettings
from .store import CeleryStore

if TYPE_CHECKING:
    from ..settings import JobsSettings
    from .table import Table

_HOLD_S = 30.0
_LOCAL_HOLD_S = 5.0
"""Seconds after which a job is sent again whose worker took it into its own memory and died."""


def make_celery_store(settings: JobsSettings) -> CeleryStore:
    """Return the store; nothing is opened yet, and Celery not imported.

    Raises:
        TypeError: When the settings are another engine's.
    """
    if not isinstance(settings, CeleryJobsSettings):
        raise TypeError("jobs on Celery need CeleryJobsSettings")
    from ...core.app import DISTRIBUTION  # noqa: PLC0415  # it imports this package

    broker = Broker.named(settings.url.get_secret_value() if settings.url else "")
    local = broker.kind == "memory"
    ledger = Ledger(
        make_table(settings, DISTRIBUTION),
        # Without a broker only a worker sends, to itself: it need not wait for anybody.
        first_hold_s=0.0 if local else _HOLD_S,
        hold_s=_LOCAL_HOLD_S if local else _HOLD_S,
        retention_s=settings.retention_s,
        dead_retention_s=settings.dead_retention_s,
        rate_limits=settings.rate_limits,
    )
    return CeleryStore(ledger, broker, DISTRIBUTION, lease_s=settings.lease_s)


def make_table(settings: CeleryJobsSettings, namespace: str) -> Table:
    """Return where the ledger is kept."""
    if settings.ledger_url:
        from .valkey_table import ValkeyTable  # noqa: PLC0415  # not with a file

        return ValkeyTable(settings.ledger_url, f"{namespace}:jobs")
    from .sqlite_table import SqliteTable  # noqa: PLC0415  # not with a server

    return SqliteTable(settings.path)
