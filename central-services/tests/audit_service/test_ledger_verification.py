"""`audit-service verify` computes balances anew: what was changed in the database is found."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from central_services.audit_service.verification import LogReport, verify_logs
from central_services.core.database import Database
from central_services.core.database_settings import DatabaseSettings
from central_services.kit.tenancy import over_all_tenants

from .conftest import SERVER, Harness, Start
from .test_ledger import account, later, make_accounts, move, transfer
from .test_ledger_approvals import ADA, LIMIT, decide

pytestmark = pytest.mark.anyio


async def fill(audit: Harness) -> None:
    """Make one of each kind of transfer."""
    bank, ada = account(), account(flags=["debits_must_not_exceed_credits"])
    await make_accounts(audit, bank, ada)
    held = [transfer(bank, ada, 10 + at, "pending", timeout=60) for at in range(4)]
    post = {"id": str(uuid4()), "pending_id": held[0]["id"], "flags": ["post_pending_transfer"]}
    void = {"id": str(uuid4()), "pending_id": held[1]["id"], "flags": ["void_pending_transfer"]}
    large = transfer(bank, ada, 5_000)
    statuses = await move(audit, transfer(bank, ada, 3), *held, post, void, large, **ADA)
    assert statuses == ["created"] * 7 + ["awaiting_approval"]
    assert (await decide(audit, large, "bob")).status_code == 200
    later(audit, 61)
    assert await move(audit, transfer(bank, ada, 4)) == ["created"]
    assert await move(audit, transfer(bank, ada, 4, "pending")) == ["created"]
    await audit.sealed()


async def report(audit: Harness) -> LogReport:
    """Verify."""
    parts = audit.parts
    (found,) = await verify_logs(parts.database, parts.keys, parts.codec)
    return found


async def test_what_nobody_changed_verifies_also_when_a_person_was_shredded(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        await fill(audit)
        found = await report(audit)
        assert (found.findings, found.transfers) == ([], 10)
        done = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
        assert done.json()["events"] > 7
        found = await report(audit)
        assert (found.findings, found.transfers) == ([], 10)


UNLOCK = "DROP TRIGGER ledger_transfers_no_UPDATE; DROP TRIGGER ledger_transfers_no_DELETE"
CHANGES = {
    "balance": "UPDATE ledger_accounts SET credits_posted = '9' WHERE n = 2",
    "both balances": "UPDATE ledger_accounts SET credits_posted = '9', debits_posted = '9'",
    "amount": "UPDATE ledger_transfers SET amount = '4' WHERE n = 1",
    "direction": "UPDATE ledger_transfers SET debit_account_id = credit_account_id,"
    " credit_account_id = debit_account_id WHERE n = 1",
    "deleted": "DELETE FROM ledger_transfers WHERE n = 1",
    "copied": "CREATE TEMP TABLE other AS SELECT * FROM ledger_transfers WHERE n = 1;"
    " UPDATE other SET n = 99, id = 'f0000000-0000-0000-0000-000000000000';"
    " INSERT INTO ledger_transfers SELECT * FROM other",
    "resolution": "UPDATE ledger_pending SET status = 'pending' WHERE status = 'posted'",
    "resolution gone": "DELETE FROM ledger_pending WHERE status = 'voided'",
    "limit": "UPDATE ledger_accounts SET flags = 0 WHERE n = 2",
    "account": "DELETE FROM ledger_accounts WHERE n = 2",
    "event": "DELETE FROM trail_events WHERE event_id LIKE 'transfer/%'",
}


@pytest.mark.skipif(bool(SERVER), reason="the changes are written for SQLite")
async def test_every_change_of_the_database_is_found(start: Start, tmp_path: Path) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        await fill(audit)
        found = {
            name: [found.what for found in (await changed(audit, tmp_path, change)).findings]
            for name, change in CHANGES.items()
        }
        assert [name for name, findings in found.items() if not findings] == []
        assert (await changed(audit, tmp_path, "")).findings == []


async def changed(audit: Harness, folder: Path, change: str) -> LogReport:
    """Return what verification says of a copy of the database that somebody changed."""
    copy = folder / "copy.db"
    copy.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(folder / "service.db")) as original,
        closing(sqlite3.connect(copy)) as target,
    ):
        original.backup(target)
        target.executescript(f"{UNLOCK}; {change}")
    database = Database(DatabaseSettings.model_validate({"url": f"sqlite:///{copy}"}))
    try:
        (found,) = await verify_logs(database, audit.parts.keys, audit.parts.codec)
    finally:
        await database.aclose()
    return found


async def test_the_database_refuses_to_change_a_transfer(start: Start) -> None:
    async with start(four_eyes_above=LIMIT) as audit:
        await fill(audit)
        for change in ("UPDATE ledger_transfers SET code = 1", "DELETE FROM ledger_transfers"):
            with pytest.raises(DBAPIError, match="never changed"), over_all_tenants():
                async with audit.parts.database.transaction() as session:
                    await session.execute(text(change))
