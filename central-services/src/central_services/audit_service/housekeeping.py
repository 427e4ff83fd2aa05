"""What the service does by itself: it drops contents whose retention has ended, and expires transfers."""

from __future__ import annotations

from collections.abc import Coroutine
from datetime import datetime
from typing import TYPE_CHECKING

from ..audit import SYSTEM, AuditLog, Target
from ..core.database import Database
from ..kit.repeating import repeat
from .actions import DROPPED
from .ledger.housekeeping import expire_all
from .service import drop_expired

if TYPE_CHECKING:
    from .dependencies import Parts

DROP_EVERY_S, EXPIRE_EVERY_S = 600.0, 60.0
"""Seconds between two looks."""


def keeping(parts: Parts, audit: AuditLog) -> list[Coroutine[None, None, None]]:
    """Return what is done now and every so often."""

    async def drop() -> None:
        await drop_and_record(parts.database, audit, parts.clock())

    async def expire() -> None:
        await expire_all(parts.database, parts.clock(), parts.ledger)

    return [
        repeat(drop, every_s=DROP_EVERY_S, name="drop-expired"),
        repeat(expire, every_s=EXPIRE_EVERY_S, name="expire-transfers"),
    ]


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
