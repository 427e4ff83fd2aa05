"""The keys of people's data in PostgreSQL, shared by replicas; `TEST_DATABASE_URL` names a server."""

from __future__ import annotations

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from typer.testing import CliRunner

from central_services.audit.store import KEYS
from central_services.audit_service.commands import audit_service_app
from central_services.audit_service.key_database import LOOK_EVERY_S
from central_services.audit_service.repository import EventRepository
from central_services.kit.tenancy import as_tenant

from .conftest import SERVER, Harness, Start, make_event, new_database

pytestmark = [pytest.mark.anyio, pytest.mark.server("TEST_DATABASE_URL")]

KEYS_URL = "CENTRAL_SERVICES_AUDIT_SERVICE__KEYS_URL"


async def stored(audit: Harness, event_id: str) -> tuple[str, bytes]:
    """Return the ids of the keys of an event, and its box."""
    with as_tenant("acme"):
        async with audit.parts.database.read() as session:
            row = await EventRepository(session).by_id(event_id)
    assert row is not None
    assert row.box is not None
    return row.keys, row.box


def opened(audit: Harness, event_id: str, keys: str, box: bytes) -> bool:
    """Whether a replica can read what was stored."""
    source = make_event()["source"]
    return audit.parts.codec.open("acme", source, event_id, keys, box) is not None


async def test_every_replica_reads_what_one_stored_until_one_shreds_it(start: Start) -> None:
    async with start() as one, start() as other:
        assert (await one.send(make_event(1), make_event(2, actor="bob"))).status_code == 200
        shown = await other.get("/v1/events/event-1")
        assert shown["event"]["data"]["message"] == "Parcel 1 left the house"
        kept = await stored(other, "event-1")
        shredded = await one.post("/v1/subjects/shred", {"subject": "ada"}, "audit:admin")
        assert shredded.status_code == 200
        assert not opened(one, "event-1", *kept)
        await asyncio.sleep(2 * LOOK_EVERY_S)  # the other one looks that often
        assert not opened(other, "event-1", *kept)
        assert opened(other, "event-2", *await stored(one, "event-2"))
        assert (await other.send(make_event(3))).status_code == 200
        assert opened(one, "event-3", *await stored(one, "event-3"))


async def test_replicas_that_meet_people_at_once_agree_on_their_keys(start: Start) -> None:
    people = [f"person-{number}" for number in range(20)]
    async with start() as one, start() as other:
        sent = [
            replica.send(*(make_event(10 * at + n, actor=who) for n, who in enumerate(people)))
            for at, replica in ((100, one), (200, other))
        ]
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {200}
        for who in people:
            found = {r.parts.codec.find_person("acme", who) for r in (one, other)}
            assert len(found) == 1
            assert None not in found
        await one.sealed()
        for replica in (one, other):
            items = (await replica.get("/v1/events", limit=40))["items"]
            assert len(items) == 40
            assert not any(item["erased"] for item in items)
    verified = await asyncio.to_thread(CliRunner().invoke, audit_service_app, ["verify", "acme"])
    assert verified.exit_code == 0, verified.output
    assert "acme: 40 events sealed" in verified.output


async def test_lost_connection_is_made_anew_and_a_database_that_is_away_is_503(
    start: Start,
) -> None:
    def database(statement: str) -> None:
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE audit_keys {statement}".encode())
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'audit_keys'"
            )

    async with start() as audit:
        await audit.send(make_event(1))
        database("ALLOW_CONNECTIONS true")
        assert (await audit.send(make_event(2, actor="bob"))).status_code == 200
        database("ALLOW_CONNECTIONS false")
        refused = await audit.send(make_event(3, actor="cyd"))
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert (await audit.http.get("/health/ready")).status_code == 503
        database("ALLOW_CONNECTIONS true")
        assert (await audit.send(make_event(3, actor="cyd"))).status_code == 200
        await audit.sealed()
        assert len((await audit.get("/v1/events"))["items"]) == 3


def test_keys_move_from_the_file_of_one_host_to_the_database_of_many(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = urlsplit(SERVER)._replace(path="/audit_keys").geturl()
    monkeypatch.delenv(KEYS_URL)

    async def send() -> None:
        async with start() as audit:
            assert (await audit.send(make_event(1))).status_code == 200

    async def read() -> None:
        async with start() as audit:
            assert not (await audit.get("/v1/events/event-1"))["erased"]

    asyncio.run(send())
    refused = CliRunner().invoke(audit_service_app, ["move-keys"])
    assert (refused.exit_code, "KEYS_URL" in refused.output) == (1, True)
    monkeypatch.setenv(KEYS_URL, url)
    moved = CliRunner().invoke(audit_service_app, ["move-keys"])
    assert moved.exit_code == 0, moved.output
    assert moved.output.startswith("3 keys are in the database.")  # all's, the tenant's, ada's
    assert CliRunner().invoke(audit_service_app, ["move-keys"]).exit_code == 0
    (tmp_path / "keys" / KEYS).unlink()
    asyncio.run(read())
    gone = CliRunner().invoke(audit_service_app, ["move-keys"])
    assert (gone.exit_code, "there is no" in gone.output) == (1, True)


def test_keys_are_not_mixed_with_those_that_a_database_has(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def send(number: int) -> None:
        async with start() as audit:
            assert (await audit.send(make_event(number))).status_code == 200

    asyncio.run(send(1))
    monkeypatch.delenv(KEYS_URL)
    asyncio.run(send(2))
    monkeypatch.setenv(KEYS_URL, urlsplit(SERVER)._replace(path="/audit_keys").geturl())
    mixed = CliRunner().invoke(audit_service_app, ["move-keys"])
    assert (mixed.exit_code, "other keys already" in mixed.output) == (1, True)


def test_role_that_may_not_make_tables_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_database("audit_keys")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        connection.execute("DROP ROLE IF EXISTS reader")
        connection.execute("CREATE ROLE reader LOGIN PASSWORD 'only-here'")
    try:
        parts = urlsplit(url)
        own = parts._replace(netloc=f"reader:only-here@{parts.hostname}:{parts.port}").geturl()
        monkeypatch.setenv(KEYS_URL, own)
        found = CliRunner().invoke(audit_service_app, ["verify"])
        assert found.exit_code == 1
        assert "tables of people's keys can't be made" in found.output
    finally:
        with psycopg.connect(SERVER, autocommit=True) as connection:
            connection.execute("DROP ROLE reader")
