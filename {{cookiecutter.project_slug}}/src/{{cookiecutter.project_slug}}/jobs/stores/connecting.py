# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which engine keeps the jobs: the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..settings import JobsSettings
    from ..store import JobStore


def make_store(settings: JobsSettings) -> JobStore:
    """Return the store that the settings name; nothing is opened yet."""
    # Engines are imported when they are used: a service that enqueues nothing needs none.
    from .sqlite import SqliteJobStore  # noqa: PLC0415  # see above

    return SqliteJobStore(settings)
