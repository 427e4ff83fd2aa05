"""What the service does by itself: it drops contents whose retention has ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime

from ..audit import SYSTEM, AuditLog, Target
from ..core.database import Database
from ..utils.logging import get_logger
from .actions import DROPPED
from .service import drop_expired

EVERY_S = 600.0

_log = get_logger(__name__)


async def keep_house(database: Database, audit: AuditLog, clock: Callable[[], datetime]) -> None:
    """Look for contents that may go, now and every ten minutes, until cancelled."""
    while True:
        try:
            await drop_and_record(database, audit, clock())
        except Exception:  # noqa: BLE001  # the edge of a background task: it has to outlive any one failure
            _log.exception("audit_service_housekeeping_failed")
        await asyncio.sleep(EVERY_S)


async def drop_and_record(database: Database, audit: AuditLog, now: datetime) -> int:
    """Drop contents whose retention has ended, record how many, and return that."""
    counts = await drop_expired(database, now)
    for tenant, (dropped, held) in counts.items():
        if dropped:
            await audit.record(
                DROPPED,
                target=Target("trail", tenant),
                actor=SYSTEM,
                data={"tenant": tenant, "dropped": dropped, "held": held},
            )
    return sum(dropped for dropped, _ in counts.values())
