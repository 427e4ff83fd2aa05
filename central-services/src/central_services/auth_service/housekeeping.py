"""What the service does by itself: it keeps the signing keys current and forgets what is over."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import datetime

from ..core.database import Database
from ..kit.repeating import repeat
from .declared_clients import DeclaredClients
from .keys import KeyRing
from .repository import IdentityRepository
from .settings import AuthSettings

FORGET_EVERY_S = 600.0


def keeping(
    ring: KeyRing,
    declared: DeclaredClients,
    database: Database,
    settings: AuthSettings,
    clock: Callable[[], datetime],
) -> list[Coroutine[None, None, None]]:
    """Return what looks after the keys every few seconds, and after old rows now and then."""

    async def keep_keys() -> None:
        await ring.maintain()
        await declared.register()

    async def forget() -> None:
        async with database.transaction() as session:
            await IdentityRepository(session).forget_expired(
                clock(), family_s=settings.refresh_family_s
            )

    return [
        repeat(keep_keys, every_s=settings.key_check_s, name="keys"),
        repeat(forget, every_s=FORGET_EVERY_S, name="forget-expired"),
    ]
