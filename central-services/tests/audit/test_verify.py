# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Verification finds every kind of change, and says where."""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from central_services.audit import AuditLog
from central_services.audit.schema import TRIGGERS, connect
from central_services.audit.verify import Report

pytestmark = pytest.mark.anyio
Verify = Callable[..., Report]


@pytest.fixture
async def trail(audit: AuditLog, clock: Any) -> AuditLog:
    """A trail of twelve events under three checkpoints."""
    for minute in range(3):
        clock.forward(days=minute / 1440)
        events = (
            audit.record("order.shipped", target=f"order:{n}", data={"carrier": "DHL"})
            for n in range(4)
        )
        await asyncio.gather(*events)
        audit.sealer.seal()
    return audit


async def test_trail_that_nobody_touched_is_whole(trail: AuditLog, verify: Verify) -> None:
    report = verify()
    assert (report.size, report.checkpoints, report.findings) == (12, 3, [])
    assert report.is_whole


@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("UPDATE records SET record = replace(record, 'DHL', 'UPS') WHERE seq = 5", "entry 5"),
        ("UPDATE records SET action = 'order.seen' WHERE seq = 5", "entry 5"),
        ("UPDATE records SET target = 'order:9' WHERE seq = 5", "entry 5"),
        ("UPDATE entries SET leaf = replace(leaf, '12:0', '13:0') WHERE seq = 5", "entry 5"),
        ("UPDATE entries SET leaf = 'x' WHERE seq = 5", "entry 5"),
        ("UPDATE entries SET id = 'x' WHERE seq = 5", "entry 5"),
        ("DELETE FROM entries WHERE seq = 5", "entry 5"),
        ("DELETE FROM entries WHERE seq = 0", "entry 0"),
        ("DELETE FROM entries WHERE seq = 11", "checkpoint 12"),
        ("DELETE FROM records WHERE seq = 5", "entry 5"),
        ("DELETE FROM checkpoints WHERE size = 12", "entry 8"),
        ("DELETE FROM checkpoints WHERE size = 4", "checkpoint 4"),
        ("DELETE FROM checkpoints", "entry 0"),
        ("UPDATE checkpoints SET note = replace(note, '4', '5') WHERE size = 4", "checkpoint 4"),
        ("UPDATE entries SET seq = seq + 100 WHERE seq = 5", "entry 5"),
        ("INSERT INTO entries VALUES (12, 'x', '{}')", "entry 12"),
        ("INSERT INTO mentions VALUES ('k', 3)", "entry 3"),
        ("INSERT INTO mentions VALUES ('k', 99)", "mentions 99"),
        ("INSERT INTO nodes VALUES (1, 0, x'00')", "node 1/0"),
        ("INSERT INTO inbox VALUES (1, 'x', '{}', x'00')", "inbox 1"),
        ("INSERT INTO records VALUES (40, 'x', 'x', 'x', 'x', 'x', 'x', '{}')", "records 40"),
    ],
)
async def test_change_is_found_where_it_was_made(
    trail: AuditLog, verify: Verify, tamper: Callable[[str], None], statement: str, where: str
) -> None:
    tamper(statement)
    assert where in {finding.where for finding in verify().findings}


async def test_rewritten_entry_with_fitting_hashes_is_found_by_the_checkpoint(
    trail: AuditLog, verify: Verify, tamper: Callable[[str], None]
) -> None:
    """Swap two events completely, all their rows consistent: only the signatures are left."""
    tamper(
        "UPDATE entries SET leaf = json_set(leaf, '$.sealed', '2026-01-01T11:00:00.000000Z')"
        " WHERE seq = 5"
    )
    findings = {finding.where: finding.what for finding in verify().findings}
    assert findings["checkpoint 8"].endswith("one of 4 to 7 was changed")


async def test_dropped_trigger_is_found(trail: AuditLog, verify: Verify) -> None:
    with closing(sqlite3.connect(trail.file)) as connection:
        connection.execute("DROP TRIGGER records_update")
    assert {finding.where for finding in verify().findings} == {"schema"}


async def test_database_refuses_changes_by_itself(trail: AuditLog) -> None:
    changes = {
        "UPDATE entries SET leaf = ''",
        "UPDATE records SET record = ''",
        "DELETE FROM entries",
        "DELETE FROM records",
        "DELETE FROM checkpoints",
        "DELETE FROM mentions",
        "INSERT OR REPLACE INTO entries VALUES (3, 'x', '')",
        "INSERT OR REPLACE INTO checkpoints VALUES (4, '')",
        "INSERT INTO entries VALUES (99, 'x', '')",
    }
    await trail.record("order.seen", target="order:1", subjects=["ada"])
    with closing(connect(trail.file)) as connection:
        connection.execute("INSERT INTO mentions VALUES ('k', 0)")
        for change in (*changes, "DELETE FROM inbox", "UPDATE inbox SET record = ''"):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(change)
    assert set(TRIGGERS) >= {"inbox_delete", "records_delete"}


async def test_rollback_is_found_only_with_an_anchor(
    trail: AuditLog, verify: Verify, clock: object
) -> None:
    with closing(connect(trail.file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copy = trail.file.with_suffix(".old")
    shutil.copy(trail.file, copy)
    await trail.record("order.seen", target="order:1")
    trail.sealer.seal()
    with closing(connect(trail.file)) as connection:
        anchor = connection.execute("SELECT note FROM checkpoints WHERE size = 13").fetchone()[0]
        assert verify(anchor).anchored == 13
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    shutil.copy(copy, trail.file)
    assert verify().findings == []
    (finding,) = verify(anchor).findings
    assert finding.where == "anchor"
    assert "rolled back" in finding.what


async def test_anchor_of_another_log_proves_nothing(trail: AuditLog, verify: Verify) -> None:
    assert [finding.where for finding in verify("nonsense").findings] == ["anchor"]
