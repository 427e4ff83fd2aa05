"""What the service does by itself: it keeps the signing keys current and forgets what is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import datetime

from ..core.database import Database
from ..utils.logging import get_logger
from .declared_clients import DeclaredClients
from .keys import KeyRing
from .repository import IdentityRepository
from .settings import AuthSettings

_FORGET_EVERY_S = 600.0

_log = get_logger(__name__)


async def keep_house(
    ring: KeyRing,
    declared: DeclaredClients,
    database: Database,
    settings: AuthSettings,
    clock: Callable[[], datetime],
) -> None:
    """Look after the keys every few seconds, and after old rows now and then, until cancelled."""
    forget_at = 0.0
    while True:
        await asyncio.sleep(settings.key_check_s)
        try:
            await ring.maintain()
            await declared.register()
            if time.monotonic() >= forget_at:
                async with database.transaction() as session:
                    await IdentityRepository(session).forget_expired(
                        clock(), family_s=settings.refresh_family_s
                    )
                forget_at = time.monotonic() + _FORGET_EVERY_S
        except Exception:  # noqa: BLE001  # the edge of a background task: it has to outlive any one failure
            _log.exception("auth_housekeeping_failed")
