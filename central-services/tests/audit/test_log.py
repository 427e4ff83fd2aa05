# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Recording: what is kept, in clear or encrypted, and what is refused."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from central_services.audit import (
    ActionRegistry,
    Actor,
    AuditLog,
    Sensitivity,
)
from central_services.audit.errors import (
    AuditConflictError,
    AuditKeyError,
    AuditUnavailableError,
    InvalidEventError,
    UnregisteredActionError,
)
from central_services.audit.schema import connect
from central_services.audit.trail import Search, Trail
from central_services.audit.verify import Report
from central_services.core.audit_settings import AuditSettings
from central_services.utils.context import RequestContext, current_request

pytestmark = pytest.mark.anyio
ADA = Actor("user", "ada-id", session="session-9", address="192.0.2.7")


def shown(audit: AuditLog, reveal: Sensitivity = Sensitivity.INTERNAL) -> list[dict[str, Any]]:
    audit.sealer.seal()
    with closing(connect(audit.file, read_only=True)) as connection:
        rows = Trail(connection).search(Search())
        return [audit.codec.decode(row.record or "", reveal) for row in rows]


async def ship(audit: AuditLog, **more: Any) -> str:
    data = {"carrier": "DHL", "phone": "+49-30-1", "iban": "DE02"}
    values: dict[str, Any] = {"data": data, "actor": ADA, **more}
    return (await audit.record("order.shipped", target="order:7", **values)).id


async def test_event_is_kept_with_all_that_was_said(audit: AuditLog) -> None:
    token = current_request.set(RequestContext("request-1", "trace-1"))
    await ship(
        audit,
        before={"status": "placed", "address": "Old Street"},
        after={"status": "shipped"},
        reason="asked for",
    )
    current_request.reset(token)
    (event,) = shown(audit, Sensitivity.RESTRICTED)
    assert event["action"] == "order.shipped"
    assert event["time"] == "2026-01-01T12:00:00.000000Z"
    assert (event["request_id"], event["trace_id"]) == ("request-1", "trace-1")
    assert event["data"] == {"carrier": "DHL", "phone": "+49-30-1", "iban": "DE02"}
    assert event["before"] == {"status": "placed", "address": "Old Street"}
    assert event["after"] == {"status": "shipped"}
    assert event["reason"] == "asked for"
    assert event["target"] == {"kind": "order", "id": "7"}
    assert event["actor"]["id"] == "ada-id"
    assert event["actor"]["address"] == "192.0.2.7"


async def test_reader_sees_no_more_than_their_level(audit: AuditLog) -> None:
    await ship(audit)
    (internal,) = shown(audit)
    assert internal["data"] == {"carrier": "DHL"}
    assert set(internal["actor"]) == {"kind", "key"}
    assert internal["hidden"] is True
    (confidential,) = shown(audit, Sensitivity.CONFIDENTIAL)
    assert confidential["data"] == {"carrier": "DHL", "phone": "+49-30-1"}
    assert confidential["hidden"] is True


async def test_nothing_sensitive_stands_in_a_file(audit: AuditLog) -> None:
    await ship(audit, reason="because-of-grandmother", subjects=["ada-id", "7"])
    audit.sealer.seal()
    content = b"".join(path.read_bytes() for path in audit.settings.path.iterdir())
    for canary in (b"ada-id", b"session-9", b"192.0.2.7", b"+49-30-1", b"DE02", b"grandmother"):
        assert canary not in content
    assert b'"order.shipped"' in content


async def test_unregistered_action_is_an_error(audit: AuditLog) -> None:
    with pytest.raises(UnregisteredActionError, match="is not registered"):
        await audit.record("order.lost", target="order:7")


async def test_event_that_does_not_fit_is_an_error_that_shows_no_value(audit: AuditLog) -> None:
    with pytest.raises(InvalidEventError, match="carrier") as caught:
        await ship(audit, data={"carrier": ["SECRET"]})
    assert "SECRET" not in str(caught.value)


async def test_production_keeps_what_nobody_registered_and_encrypts_it(
    audit: AuditLog, actions: ActionRegistry
) -> None:
    lenient = AuditLog(audit.settings, strict=False, actions=actions)
    await lenient.record("order.lost", target="order:7", data={"who": "ada"})
    await lenient.record("order.shipped", target="order:7", data={"who": "ada"})
    lenient.close()
    unregistered, invalid = shown(audit)
    assert (unregistered["conformance"], invalid["conformance"]) == ("unregistered", "invalid")
    assert "data" not in unregistered
    assert shown(audit, Sensitivity.RESTRICTED)[0]["data"] == {"who": "ada"}


async def test_repeated_event_is_recorded_once(audit: AuditLog) -> None:
    first = await ship(audit, idempotency_key="k")
    audit.sealer.seal()
    assert await ship(audit, idempotency_key="k") == first
    assert await ship(audit, idempotency_key="l") != first
    with pytest.raises(AuditConflictError):
        await ship(audit, idempotency_key="k", reason="another")
    assert len(shown(audit)) == 2


async def test_concurrent_events_share_transactions_and_are_all_kept(
    audit: AuditLog, verify: Callable[..., Report]
) -> None:
    ids = await asyncio.gather(*(ship(audit) for _ in range(300)))
    assert [event["id"] for event in shown(audit)] == ids
    report = verify()
    assert (report.size, report.findings) == (300, [])


async def test_event_is_on_the_disk_before_it_is_acknowledged(audit: AuditLog) -> None:
    event_id = await ship(audit)
    with closing(sqlite3.connect(audit.file)) as other:
        assert other.execute("SELECT id FROM inbox").fetchall() == [(event_id,)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)


async def test_what_can_not_be_stored_is_refused(audit: AuditLog) -> None:
    with closing(sqlite3.connect(audit.file)) as other:
        other.execute("ALTER TABLE inbox RENAME TO elsewhere")
    with pytest.raises(AuditUnavailableError):
        await ship(audit)
    audit.sealer._try_to_seal()
    assert audit.problem == "OperationalError"
    with closing(sqlite3.connect(audit.file)) as other:
        other.execute("ALTER TABLE elsewhere RENAME TO inbox")


async def test_more_than_may_wait_is_refused(audit: AuditLog, actions: ActionRegistry) -> None:
    settings = audit.settings.model_copy(update={"max_pending": 1})
    small = AuditLog(settings, actions=actions)
    answers = await asyncio.gather(*(ship(small) for _ in range(3)), return_exceptions=True)
    small.close()
    assert sum(isinstance(answer, AuditUnavailableError) for answer in answers) == 2
    with pytest.raises(AuditUnavailableError):
        await ship(small)


async def test_stored_events_are_sealed_by_the_next_process(
    audit: AuditLog, actions: ActionRegistry, verify: Callable[..., Report]
) -> None:
    event_id = await ship(audit)
    assert verify().unsealed == 1
    AuditLog(audit.settings, actions=actions).close()
    report = verify()
    assert (report.size, report.unsealed, report.findings) == (1, 0, [])
    assert shown(audit)[0]["id"] == event_id


async def test_sealing_in_the_background_needs_nobody(
    audit: AuditLog, actions: ActionRegistry
) -> None:
    log = AuditLog(audit.settings, actions=actions)
    log.start_sealing()
    await ship(log)
    await asyncio.to_thread(log.close)
    assert len(shown(audit)) == 1


async def test_other_master_key_is_refused(audit: AuditLog) -> None:
    await ship(audit)
    other = AuditSettings(path=audit.settings.path, master_key="A" * 43 + "=")
    with pytest.raises(AuditKeyError, match="master key"):
        AuditLog(other)
    with pytest.raises(AuditKeyError, match="keygen"):
        AuditLog(AuditSettings(path=audit.settings.path, master_key="short"))


async def test_each_replica_has_a_log_and_a_key_of_its_own(folder: Path) -> None:
    names, keys = [], set()
    for replica in ("", "orders-0", "orders-1"):
        log = AuditLog(AuditSettings(path=folder, replica=replica))
        names.append(log.secrets.signer.name)
        keys.add(log.secrets.signer.verification_key.rpartition("+")[2])
        log.close()
    origin = names[0]
    assert names == [origin, f"{origin}/orders-0", f"{origin}/orders-1"]
    assert len(keys) == 3
