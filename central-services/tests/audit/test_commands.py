# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of audit."""

from __future__ import annotations

import asyncio
import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from central_services.audit import Actor, AuditLog
from central_services.cli import app
from central_services.core.audit_settings import AuditSettings
from central_services.core.config import ENV_PREFIX

REFUSAL = {"method": "GET", "route": "/x", "status": 403}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", *arguments])


def output(*arguments: str) -> str:
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """A trail of three events, and their ids."""
    folder = tmp_path_factory.mktemp("commands") / "trail"
    log = AuditLog(AuditSettings(path=folder))

    async def record() -> list[str]:
        found = []
        for person in ("ada", "eve", "ada"):
            event = await log.record(
                "access.denied", target="door:1", actor=Actor("user", person), data=REFUSAL
            )
            found.append(event.id)
        return found

    made = asyncio.run(record())
    log.close()
    return folder, made


@pytest.fixture
def ids(
    recorded: tuple[Path, list[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> list[str]:
    """The ids of the events in a copy of that trail, which the settings name."""
    shutil.copytree(recorded[0], tmp_path / "trail")
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__PATH", str(tmp_path / "trail"))
    for name in ("SIGNING_KEY", "MASTER_KEY"):
        monkeypatch.delenv(f"{ENV_PREFIX}AUDIT__{name}")
    return recorded[1]


@pytest.fixture
def anchor(ids: list[str], tmp_path: Path) -> str:
    path = tmp_path / "anchor"
    path.write_text(output("checkpoint"), "utf-8")
    return str(path)


def events(*arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output(*arguments).splitlines()]


def test_verify_says_what_it_could_not_check(ids: list[str], anchor: str) -> None:
    result = run("verify")
    assert result.exit_code == 0
    assert "3 events sealed" in result.stdout
    assert "Rollback could not be checked" in result.stderr
    assert "extends the anchor of 3 events" in output("verify", "--anchor", anchor)
    assert json.loads(output("verify", "--json", "--anchor", anchor))["anchored"] == 3


def test_verify_fails_for_a_changed_trail(ids: list[str], tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "trail/trail.db")
    connection.execute("DROP TRIGGER records_update")
    connection.execute("UPDATE records SET record = '{}' WHERE seq = 1")
    connection.commit()
    connection.close()
    result = run("verify")
    assert result.exit_code == 1
    assert f"entry 1: the record of event {ids[1]} was changed" in result.stderr
    assert run("verify", "--json").exit_code == 1


def test_tail_shows_the_newest_events_in_order(ids: list[str]) -> None:
    assert [event["id"] for event in events("tail", "-n", "2")] == ids[1:]


def test_search_finds_all_that_is_about_a_person(ids: list[str]) -> None:
    assert [event["id"] for event in events("search", "--subject", "ada")] == [ids[0], ids[2]]
    assert len(events("search", "--action", "access.", "--outcome", "success")) == 3
    assert events("search", "--target", "door:2") == []
    assert run("search", "--subject", "nobody").exit_code == 1


def test_looking_at_sensitive_fields_is_recorded(ids: list[str]) -> None:
    assert "--as" in run("tail", "--reveal", "confidential").stderr
    shown = events("tail", "--reveal", "confidential", "--as", "auditor")
    assert shown[0]["actor"]["id"] == "ada"
    (access,) = events("search", "--action", "audit.accessed")
    assert access["data"] == {"command": "tail", "level": "confidential"}
    assert "auditor" not in str(access)


def test_proof_is_checked_with_a_file_of_keys(ids: list[str], tmp_path: Path) -> None:
    proof, keys = tmp_path / "proof", tmp_path / "keys"
    proof.write_text(output("prove", ids[1]), "utf-8")
    keys.write_text(output("checkpoint", "--key"), "utf-8")
    assert "is entry 1 of" in output("check", str(proof), "--keys", str(keys))
    assert "is entry 1 of" in output("check", str(proof))
    proof.write_text("{}", "utf-8")
    assert "not valid" in run("check", str(proof)).stderr
    assert "can't be read" in run("check", str(tmp_path / "none")).stderr
    assert "no event" in run("prove", "nowhere").stderr


def test_export_is_one_cloud_event_per_line(ids: list[str]) -> None:
    assert [event["id"] for event in events("export", "--after", "0")] == ids[1:]


def test_log_is_published(ids: list[str], tmp_path: Path) -> None:
    assert "Wrote 3 entries" in output("publish", str(tmp_path / "public"))
    assert (tmp_path / "public/tile/0/000.p/3").stat().st_size == 96


def test_evidence_is_a_page_or_json(ids: list[str], anchor: str) -> None:
    assert "| PCI DSS 10.2.1.4 |" in output("evidence")
    rows = {r["control"]: r for r in json.loads(output("evidence", "--json", "--anchor", anchor))}
    assert rows["PCI DSS 10.2.1.4"]["events"] == 3
    assert rows["PCI DSS 10.3.3"]["status"] == "evidence"


def test_hold_comes_before_erasure(ids: list[str], anchor: str) -> None:
    output("hold", "place", "case", "--subject", "ada", "--as", "lawyer", "--reason", "suit")
    assert "case\t" in output("hold", "list")
    assert run("hold", "place", "case").exit_code == 1
    assert run("hold", "place", "other", "--subject", "nobody").exit_code == 1
    assert "release it first" in run("erase-subject", "ada").stderr
    output("hold", "release", "case", "--as", "lawyer")
    assert run("hold", "release", "case").exit_code == 1
    assert output("erase-subject", "ada", "--as", "officer") == "Erased.\n"
    assert run("erase-subject", "ada").exit_code == 1
    assert "Dropped 0 records" in output("drop-expired")
    assert "Nothing was changed" in output("verify", "--anchor", anchor)


def test_keys_fit_a_production_service(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for line in output("keygen").splitlines():
        name, _, value = line.partition("=")
        monkeypatch.setenv(ENV_PREFIX + name, value)
    # Another key than the trail's: everything that it signed is not trusted any more.
    assert "master key" in run("verify").stderr


def test_folder_without_a_trail_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__PATH", str(tmp_path / "none"))
    assert "there is no audit trail in" in run("tail").stderr


def test_malformed_key_is_named_by_config_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__MASTER_KEY", "short")
    result = CliRunner().invoke(app, ["config", "check"])
    assert result.exit_code == 1
    assert "the master key is not 32 bytes" in result.stderr
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__ORIGIN", "another/log")
    assert "the signing key is that of" in CliRunner().invoke(app, ["config", "check"]).stderr
