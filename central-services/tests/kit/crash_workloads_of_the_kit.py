"""Programs to be killed in the middle of their work: the parts of the kit at work."""

from __future__ import annotations

import asyncio
import itertools
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text

from central_services.audit import AuditLog
from central_services.audit.catalogue import STARTED
from central_services.audit.relay import Relay
from central_services.audit.transactional import Outbox
from central_services.core.audit_settings import AuditSettings
from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.idempotency import Answer, Idempotency, RequestKey
from central_services.kit.inbox import take

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncSession

    from central_services.kit.crashes import Acknowledge

EFFECT = "INSERT INTO effects VALUES (:name)"


def consume(_round: int, acknowledge: Acknowledge, url: str, last: int) -> None:
    """Work through messages from the one before the last acknowledged one on, as a sender repeats them."""

    async def main() -> None:
        database = Database(DatabaseSettings.model_validate({"url": url}))
        for number in itertools.count(max(0, await _reached(database) - last)):
            async with database.transaction() as session:
                if await take(session, "counter", str(number), datetime.now(UTC)):
                    await session.execute(text(EFFECT), {"name": str(number)})
            acknowledge(str(number))

    asyncio.run(main())


def pay(_round: int, acknowledge: Acknowledge, url: str) -> None:
    """Pay as a client that tries again what got no answer before the crash, with the same key."""

    async def main() -> None:
        database = Database(DatabaseSettings.model_validate({"url": url}))
        # What died a moment ago is taken over at once.
        idempotency = Idempotency(database, lease_s=0)
        again = max(0, await _reached(database) - 2)
        for number in itertools.count(again):
            name = str(number)

            async def work(session: AsyncSession, name: str = name) -> Answer:
                await session.execute(text(EFFECT), {"name": name})
                return Answer(201, name.encode())

            answer = await idempotency.run(RequestKey("t1", name, "f" * 64), work)
            assert answer.body == name.encode()
            acknowledge(name)

    asyncio.run(main())


def publish(_round: int, acknowledge: Acknowledge, url: str, folder: str) -> None:
    """Change something and record it in one transaction, while the relay moves what is committed."""

    async def main() -> None:
        settings = DatabaseSettings.model_validate({"url": url})
        database, audit = Database(settings), AuditLog(AuditSettings(path=Path(folder)))
        audit.outbox, relay = Outbox(audit), Relay(audit, settings)
        relaying = asyncio.create_task(relay.run(0.01))
        while not relaying.done():
            async with database.transaction() as session:
                data = {"version": "1"}
                event = await audit.record(STARTED, target="service:a", data=data, session=session)
                await session.execute(text(EFFECT), {"name": event.id})
            acknowledge(event.id)
            relay.wake()
            await asyncio.sleep(0)

    asyncio.run(main())


async def _reached(database: Database) -> int:
    async with database.read() as session:
        return int((await session.execute(text("SELECT count(*) FROM effects"))).scalar_one())
