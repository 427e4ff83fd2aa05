# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Erasure, retention and legal hold; none of them breaks a proof."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import pytest

from central_services.audit import Actor, AuditLog, Sensitivity
from central_services.audit.errors import AuditKeyError, LegalHoldError
from central_services.audit.key_file import KeyFile
from central_services.audit.keys import SubjectKeys
from central_services.audit.proofs import check_proof, prove
from central_services.audit.retention import count_expired, drop_expired, erase_subject
from central_services.audit.schema import connect
from central_services.audit.store import KEYS
from central_services.audit.trail import Search, Trail
from central_services.audit.verify import Report

pytestmark = pytest.mark.anyio


async def ship(audit: AuditLog, *people: str) -> str:
    event = await audit.record(
        "order.shipped",
        target="order:7",
        actor=Actor("user", people[0]),
        subjects=people,
        data={"carrier": "DHL", "phone": f"phone of {people}"},
    )
    audit.sealer.seal()
    return event.id


def shown(audit: AuditLog, event_id: str) -> dict[str, Any]:
    with closing(connect(audit.file, read_only=True)) as connection:
        row = Trail(connection).find(event_id)
        assert row is not None
        return audit.codec.decode(row.record or "", Sensitivity.RESTRICTED)


def erase(audit: AuditLog, person: str) -> str | None:
    with closing(connect(audit.file, read_only=True)) as connection:
        return erase_subject(Trail(connection), audit.keys, person)


async def test_erased_person_can_not_be_read_and_every_proof_holds(
    audit: AuditLog, verify: Callable[..., Report]
) -> None:
    ada, eve = await ship(audit, "ada"), await ship(audit, "eve")
    with closing(connect(audit.file, read_only=True)) as connection:
        proof = prove(Trail(connection), ada)
    assert erase(audit, "ada")
    assert shown(audit, ada)["erased"] is True
    assert "phone" not in shown(audit, ada)["data"]
    assert shown(audit, eve)["data"]["phone"] == "phone of ('eve',)"
    assert check_proof(proof, audit.secrets.verifier).seq == 0
    assert verify().findings == []
    assert erase(audit, "ada") is None


async def test_event_about_two_people_needs_the_keys_of_both(audit: AuditLog) -> None:
    both = await ship(audit, "ada", "eve")
    assert shown(audit, both)["data"]["phone"] == "phone of ('ada', 'eve')"
    erase(audit, "eve")
    assert "phone" not in shown(audit, both)["data"]
    assert shown(audit, both)["actor"]["id"] == "ada"


async def test_erasure_by_another_process_is_noticed(audit: AuditLog) -> None:
    ada = await ship(audit, "ada")
    assert "erased" not in shown(audit, ada)
    other = SubjectKeys(KeyFile(audit.settings.path / KEYS), audit.secrets.master)
    before = other.erase("ada")
    other.close()
    assert shown(audit, ada)["erased"] is True
    await ship(audit, "ada")
    assert audit.keys.find("ada") not in {None, before}


async def test_erased_key_is_in_no_file(audit: AuditLog) -> None:
    await ship(audit, "ada")
    (key,) = audit.keys._store.wrapped([audit.keys.find("ada") or ""])
    wrapped = key.wrapped
    files = list(audit.settings.path.iterdir())
    assert any(wrapped in path.read_bytes() for path in files)
    erase(audit, "ada")
    assert not any(wrapped in path.read_bytes() for path in audit.settings.path.iterdir())


async def test_shared_key_can_not_be_erased(audit: AuditLog) -> None:
    with pytest.raises(AuditKeyError):
        audit.keys.erase("")


async def test_record_goes_when_its_retention_has_ended_and_its_proof_stays(
    audit: AuditLog, verify: Callable[..., Report], clock: Any
) -> None:
    clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    seen = await audit.record("order.seen", target="order:1", actor=Actor("user", "ada"))
    kept = await ship(audit, "ada")
    clock.forward(days=91)
    with closing(connect(audit.file)) as connection:
        assert count_expired(connection, clock()) == (1, 0)
        told = {"dropped": 1, "held": 0}
        await audit.record("audit.records_dropped", target="trail:records", data=told)
        audit.sealer.seal()
        assert drop_expired(connection, clock()) == (1, 0)
        proven = check_proof(prove(Trail(connection), seen.id), audit.secrets.verifier)
        assert proven.record is None
        assert [row.seq for row in Trail(connection).search(Search())] == [1, 2]
    assert shown(audit, kept)["data"]["carrier"] == "DHL"
    report = verify()
    assert (report.dropped, report.findings) == (1, [])


async def test_record_that_is_gone_before_its_time_is_found(
    audit: AuditLog, verify: Callable[..., Report], tamper: Callable[[str], None]
) -> None:
    await ship(audit, "ada")
    tamper("DELETE FROM records")
    tamper("DELETE FROM mentions")
    (finding,) = verify().findings
    assert "before its time" in finding.what


async def test_expired_record_that_was_dropped_by_hand_is_found(
    audit: AuditLog, verify: Callable[..., Report], tamper: Callable[[str], None], clock: Any
) -> None:
    clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    await audit.record("order.seen", target="order:1", actor=Actor("user", "ada"))
    await hold(audit, "placed", key=audit.keys.find("ada"))
    clock.forward(days=91)
    tamper("DELETE FROM records WHERE seq = 0")
    tamper("DELETE FROM mentions WHERE seq = 0")
    (finding,) = verify().findings
    assert finding.what == "1 are gone, the trail tells of 0 that were dropped"


async def hold(audit: AuditLog, action: str, **data: Any) -> None:
    await audit.record(f"audit.hold.{action}", target="hold:case", data={"hold": "case", **data})
    audit.sealer.seal()


async def test_hold_stops_erasure_and_retention_until_it_is_released(
    audit: AuditLog, clock: Any
) -> None:
    clock.now = datetime(2020, 1, 1, tzinfo=UTC)
    await audit.record("order.seen", target="order:1", actor=Actor("user", "ada"))
    await audit.record("order.seen", target="order:1", actor=Actor("user", "eve"))
    await hold(audit, "placed", key=audit.keys.find("ada"))
    clock.forward(days=91)
    with pytest.raises(LegalHoldError, match="case"):
        erase(audit, "ada")
    with closing(connect(audit.file)) as connection:
        assert drop_expired(connection, clock()) == (1, 1)
        await hold(audit, "released")
        assert drop_expired(connection, clock()) == (1, 0)
    assert erase(audit, "ada")


async def test_hold_on_everything_protects_everybody(audit: AuditLog) -> None:
    await ship(audit, "ada")
    await hold(audit, "placed")
    with pytest.raises(LegalHoldError):
        erase(audit, "ada")
