"""What the ledger does by itself: what is due expires, whether anybody looks or not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select

from ...core.database import Database
from ...kit.tenancy import over_all_tenants
from .approvals import Approvals
from .models import ProposalRow
from .repository import LedgerRepository
from .service import STEP, LedgerService


async def expire_all(
    database: Database, now: datetime, of_tenant: Callable[[str], LedgerService]
) -> int:
    """Let pending transfers and proposals of all tenants expire, and return how many did."""
    total, at_work = 0, True
    while at_work:
        with over_all_tenants():
            async with database.read() as session:
                due = await LedgerRepository(session).due(now, limit=STEP)
                row = ProposalRow
                late = select(row.tenant_id).where(row.status == "open", row.expires_at <= now)
                tenants = (await session.scalars(late.distinct())).all()
        at_work = False
        for tenant in sorted({tenant for tenant, _ in due}):
            done = await of_tenant(tenant).expire([id_ for of, id_ in due if of == tenant])
            total, at_work = total + done, at_work or done > 0
        for tenant in tenants:
            done = await Approvals(of_tenant(tenant)).close_expired()
            total, at_work = total + done, at_work or done > 0
    return total
