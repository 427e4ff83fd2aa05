# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which client `enqueue_task` and `Task.enqueue` use: the one that was opened in this event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from .client import JobClient

_ACTIVE: WeakKeyDictionary[asyncio.AbstractEventLoop, list[JobClient]] = WeakKeyDictionary()


def active_client() -> JobClient:
    """Return the newest client of the running event loop.

    Raises:
        RuntimeError: When there is none: neither an application nor a worker was started.
    """
    clients = _ACTIVE.get(asyncio.get_running_loop())
    if not clients:
        raise RuntimeError("no job client is open here: start the application, or a worker")
    return clients[-1]


@contextmanager
def activated(client: JobClient) -> Generator[None]:
    """Make a client the one that is used in the running event loop."""
    clients = _ACTIVE.setdefault(asyncio.get_running_loop(), [])
    clients.append(client)
    try:
        yield
    finally:
        clients.remove(client)
