"""Search, export, shredding, holds, retention: what readers and administrators do."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from central_services.audit_service.commands import audit_service_app
from central_services.audit_service.housekeeping import drop_and_record
from central_services.audit_service.receipts import check_receipt

from .conftest import SERVER, Harness, Start, make_event

pytestmark = pytest.mark.anyio


async def fill(audit: Harness) -> None:
    """Store events of two people."""
    events = [
        make_event(1, actor="ada", data={"message": "Parcel to Lovelace left"}),
        make_event(2, actor="bob", data={"message": "Parcel to Turing left"}),
        make_event(3, actor="ada", data={"activity_name": "order.cancelled"}),
        make_event(4, actor="bob", data={"status_detail": "denied"}),
    ]
    assert (await audit.send(*events)).status_code == 200
    await audit.sealed()


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [4, 3, 2, 1]),
        ({"actor": "ada"}, [3, 1]),
        ({"actor": "nobody"}, []),
        ({"object": "order:2"}, [2]),
        ({"action": "order.cancelled"}, [3]),
        ({"action": "order."}, [4, 3, 2, 1]),
        ({"outcome": "denied"}, [4]),
        ({"text": "TURING parcel"}, [2]),
        ({"text": "turing lovelace"}, []),
        ({"source": "urn:slipway:acme_orders", "actor": "bob"}, [4, 2]),
        ({"since": "2026-11-03T10:00:00Z", "until": "2026-11-05T12:00:00+02:00"}, [3, 2]),
    ],
)
async def test_search_finds_what_was_asked_for(
    audit: Harness, query: dict[str, str], found: list[int]
) -> None:
    await fill(audit)
    items = (await audit.get("/v1/events", **query))["items"]
    assert [item["id"] for item in items] == [f"event-{number}" for number in found]


async def test_pages_follow_each_other_without_a_gap(audit: Harness) -> None:
    await audit.send(*(make_event(number, time="2026-11-22T10:00:00Z") for number in range(7)))
    await audit.sealed()
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await audit.get("/v1/events", actor="ada", limit=3, **cursor)
        found += [item["id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert found == [f"event-{number}" for number in reversed(range(7))]


async def test_cursor_of_another_search_is_refused(audit: Harness) -> None:
    await fill(audit)
    page = await audit.get("/v1/events", limit=1)
    query = {"cursor": page["next"], "limit": 1, "actor": "ada"}
    answer = await audit.http.get("/v1/events", params=query, headers=audit.headers("audit:read"))
    assert answer.status_code == 400


async def test_event_is_shown_as_it_was_sent(audit: Harness) -> None:
    await fill(audit)
    shown = await audit.get("/v1/events/event-2", "audit:read")
    expected = make_event(2, actor="bob", data={"message": "Parcel to Turing left"})
    assert shown["event"] == expected
    assert (shown["seq"], shown["erased"], shown["outcome"]) == (1, False, "success")


async def test_export_is_in_the_order_of_the_log(audit: Harness) -> None:
    await fill(audit)
    answer = await audit.http.get(
        "/v1/export", params={"after": 0}, headers=audit.headers("audit:read")
    )
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    assert [json.loads(line)["id"] for line in answer.text.splitlines()] == [
        "event-2",
        "event-3",
        "event-4",
    ]


async def test_who_reads_is_recorded(audit: Harness) -> None:
    await fill(audit)
    recorded: list[str] = []
    record = audit.app.state.audit.record

    async def listen(action: Any, **event: Any) -> Any:
        kept = await record(action, **event)
        recorded.append(f"{kept.action} {kept.actor.id}")
        return kept

    audit.app.state.audit.record = listen
    await audit.get("/v1/events", actor="ada")
    await audit.http.get("/v1/export", headers=audit.headers("audit:read"))
    assert recorded == ["events.searched orders", "events.exported orders"]


# --- shredding and holds -------------------------------------------------------------------------


async def test_shredded_person_is_unreadable_and_every_proof_holds(audit: Harness) -> None:
    await fill(audit)
    before = (await audit.receipts("event-1", "event-2"))["receipts"]
    answer = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    assert answer.status_code == 200
    assert answer.json()["events"] == 2
    shown = await audit.get("/v1/events/event-1", "audit:read")
    assert (shown["erased"], shown["event"]) == (True, None)
    assert not (await audit.get("/v1/events", actor="ada"))["items"]
    assert not (await audit.get("/v1/events", text="lovelace"))["items"]
    assert len((await audit.get("/v1/events", actor="bob"))["items"]) == 2
    exported = await audit.http.get("/v1/export", headers=audit.headers("audit:read"))
    assert [json.loads(line)["id"] for line in exported.text.splitlines()] == ["event-2", "event-4"]
    keys = (await audit.http.get("/v1/log/keys")).json()["keys"]
    event = make_event(1, actor="ada", data={"message": "Parcel to Lovelace left"})
    check_receipt(before["event-1"], event, log_keys=keys, witness_keys=[])
    after = (await audit.receipts("event-1", "event-2"))["receipts"]
    assert "\nextra " not in after["event-1"]
    assert "\nextra " in after["event-2"]
    again = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    assert again.status_code == 404


async def test_event_that_was_shredded_comes_again_as_a_duplicate(audit: Harness) -> None:
    await fill(audit)
    await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    answer = await audit.send(make_event(1, actor="ada"))
    assert answer.json()["accepted"] == [{"id": "event-1", "seq": 0, "duplicate": True}]
    assert not (await audit.get("/v1/events", actor="ada"))["items"]


def containing(folder: Path, needle: bytes) -> list[str]:
    """Return the files in which bytes stand."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return [path.name for path in files if needle in path.read_bytes()]


@pytest.mark.skipif(bool(SERVER), reason="it reads the file of SQLite")
async def test_nothing_on_the_disk_names_a_person(start: Start, tmp_path: Path) -> None:
    canary = "canary-7f3a91"
    async with start() as audit:
        await audit.send(make_event(1, actor=canary, data={"message": f"for {canary}"}))
        await audit.sealed()
        assert (await audit.get("/v1/events", text=canary))["items"]
        assert containing(tmp_path, b"acme")
        assert containing(tmp_path, canary.encode()) == []


async def test_hold_on_a_person_blocks_their_shredding_until_it_is_released(
    audit: Harness,
) -> None:
    await fill(audit)
    order = {"name": "case-1", "subject": "ada", "reason": "litigation"}
    assert (await audit.post("/v1/holds", order, "audit:admin")).status_code == 201
    assert (await audit.post("/v1/holds", order, "audit:admin")).status_code == 409
    held = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    assert held.status_code == 409
    assert held.json()["type"] == "urn:slipway:audit:held"
    assert (await audit.get("/v1/events", actor="ada"))["items"]
    other = await audit.post("/v1/subjects/shred", {"subject": "bob"}, "audit:admin")
    assert other.status_code == 200
    listed = (await audit.get("/v1/holds", "audit:admin"))["items"]
    assert [(hold["name"], hold["placed_by"]) for hold in listed] == [("case-1", "orders")]
    headers = audit.headers("audit:admin")
    assert (await audit.http.delete("/v1/holds/case-1", headers=headers)).status_code == 204
    assert (await audit.http.delete("/v1/holds/case-1", headers=headers)).status_code == 404
    free = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    assert free.status_code == 200


async def test_hold_on_everything_covers_everybody_of_the_tenant_only(audit: Harness) -> None:
    await fill(audit)
    await audit.send(make_event(1, actor="ada"), org="globex")
    await audit.post("/v1/holds", {"name": "all"}, "audit:admin")
    shred = {"subject": "ada"}
    assert (await audit.post("/v1/subjects/shred", shred, "audit:admin")).status_code == 409
    other = await audit.post("/v1/subjects/shred", shred, "audit:admin", org="globex")
    assert other.status_code == 200


async def test_hold_covers_who_is_named_beside_somebody_else(audit: Harness) -> None:
    about = {"user": {"uid": "carol", "type_id": 1}}
    await audit.send(make_event(1, actor="ada", data=about))
    await audit.sealed()
    await audit.post("/v1/holds", {"name": "case", "subject": "carol"}, "audit:admin")
    held = await audit.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
    assert held.status_code == 409


async def test_content_goes_at_the_end_of_its_retention_unless_it_is_held(audit: Harness) -> None:
    short = {"metadata": {"labels": ["retention:short"]}}
    for_ever = {"metadata": {"labels": ["retention:permanent"]}}
    await audit.send(
        make_event(1, actor="ada", data=short),
        make_event(2, actor="bob", data=short),
        make_event(3, actor="ada"),
        make_event(4, actor="ada", data=for_ever),
    )
    await audit.sealed()
    await audit.post("/v1/holds", {"name": "case", "subject": "bob"}, "audit:admin")
    parts, trail = audit.parts, audit.app.state.audit
    assert await drop_and_record(parts.database, trail, datetime.now(UTC)) == 0
    later = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=120)
    assert await drop_and_record(parts.database, trail, later) == 1
    assert await drop_and_record(parts.database, trail, later) == 0
    items = (await audit.get("/v1/events"))["items"]
    assert {item["id"]: item["erased"] for item in items} == {
        "event-1": True,
        "event-2": False,
        "event-3": False,
        "event-4": False,
    }
    assert len((await audit.receipts("event-1"))["receipts"]) == 1
    much_later = later + timedelta(days=4000)
    assert await drop_and_record(parts.database, trail, much_later) == 1


async def test_row_that_the_service_did_not_store_is_not_sealed(audit: Harness) -> None:
    await audit.send(make_event(1))
    await audit.sealed()
    forged = """INSERT INTO trail_events (tenant_id, source, sender, event_id, time, received_at,
        action, outcome, retention, commitment, code, keys, words)
        SELECT tenant_id, source, sender, 'forged', time, received_at, action, outcome, retention,
        commitment, code, keys, words FROM trail_events"""
    async with audit.parts.database.engine.begin() as connection:
        await connection.exec_driver_sql(forged)
    await audit.sealed()
    assert [item["id"] for item in (await audit.get("/v1/events"))["items"]] == ["event-1"]


# --- commands ------------------------------------------------------------------------------------


def run(*arguments: str) -> Result:
    return CliRunner().invoke(audit_service_app, list(arguments))


@pytest.fixture
def stored(start: Start) -> None:
    """Events in the database, and no service that runs."""

    async def store() -> None:
        async with start() as audit:
            await fill(audit)

    asyncio.run(store())


def test_commands_verify_hold_shred_and_export(stored: None) -> None:
    verified = run("verify")
    assert verified.exit_code == 0, verified.output
    assert "acme: 4 events sealed under 1 checkpoints, 0 without content" in verified.stdout
    assert "Nothing was changed." in verified.stdout
    assert run("verify", "nobody").exit_code == 1
    assert run("hold", "place", "acme", "case", "--person", "ada", "--as", "eve").exit_code == 0
    assert "case\tsubject" not in run("hold", "list", "acme").stdout
    assert run("hold", "list", "acme").stdout.startswith("case\t")
    held = run("shred", "acme", "ada")
    assert held.exit_code == 1
    assert "the hold case is in force" in held.output.lower()
    assert run("hold", "release", "acme", "case").exit_code == 0
    assert "2 events lost" in run("shred", "acme", "ada", "--as", "eve").stdout
    lines = run("export", "acme", "--as", "eve").stdout.splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["event-2", "event-4"]
    assert run("drop-expired").stdout.startswith("Dropped 0 contents")
    assert "2 without content" in run("verify", "acme").stdout


def test_keys_that_are_printed_are_taken(
    stored: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for line in run("keygen").stdout.splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(f"CENTRAL_SERVICES_{name}", value)
    monkeypatch.setenv("CENTRAL_SERVICES_AUDIT_SERVICE__PATH", str(tmp_path / "new"))
    monkeypatch.delenv("CENTRAL_SERVICES_AUDIT_SERVICE__KEYS_URL", raising=False)
    found = run("verify")
    assert found.exit_code == 1
    assert "no trusted key has signed the checkpoint" in found.output


@pytest.mark.skipif(bool(SERVER), reason="it changes the file of SQLite")
@pytest.mark.parametrize(
    ("statement", "where"),
    [
        ("DELETE FROM trail_events WHERE seq = 1", "entry 1"),
        ("UPDATE trail_events SET commitment = zeroblob(32) WHERE seq = 2", "entry 2"),
        ("UPDATE trail_events SET box = zeroblob(100) WHERE seq = 2", "entry 2"),
        ("UPDATE trail_events SET outcome = 'success' WHERE seq = 3", "entry 3"),
        ("UPDATE trail_events SET event_id = 'x' WHERE seq = 0", "entry 0"),
        ("UPDATE trail_checkpoints SET note = replace(note, '4', '5')", "checkpoint 4"),
        ("DELETE FROM trail_checkpoints", "log"),
        ("UPDATE trail_logs SET size = 3", "log"),
        ("INSERT INTO trail_nodes VALUES ('acme', 1, 0, zeroblob(32))", "node 1/0"),
        ("DELETE FROM trail_words", "index"),
    ],
)
def test_verify_says_where_something_was_changed(
    stored: None, tmp_path: Path, statement: str, where: str
) -> None:
    connection = sqlite3.connect(tmp_path / "service.db")
    with connection:
        connection.execute(statement)
    connection.close()
    found = run("verify", "acme")
    assert found.exit_code == 1
    assert f"acme: {where}" in found.output
