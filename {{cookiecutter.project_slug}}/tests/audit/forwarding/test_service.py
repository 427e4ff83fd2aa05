# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The forwarder as a part of the service, and the commands."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from {{ cookiecutter.project_slug }}.audit.catalogue import STARTED
from {{ cookiecutter.project_slug }}.audit.sessions import open_log
from {{ cookiecutter.project_slug }}.cli import app
from {{ cookiecutter.project_slug }}.core.central_audit_settings import CentralAuditSettings
from {{ cookiecutter.project_slug }}.core.config import ENV_PREFIX

from .stand_in import StandIn


@pytest.fixture
def own_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, service: StandIn) -> Path:
    """A trail for this test alone, forwarded to the stand-in."""
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__PATH", str(tmp_path / "trail"))
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUDIT__URL", service.url)
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUDIT__TOKEN", "made-up")
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUDIT__KEYS", service.signer.verification_key)
    monkeypatch.setenv(f"{ENV_PREFIX}CENTRAL_AUDIT__INTERVAL_S", "0.02")
    return tmp_path


STARTED_TYPE = f"audit.{STARTED.name}"


def types(service: StandIn) -> set[str]:
    """Return the types of the events that the service has."""
    return {event["type"] for event in service.events.values()}


def run(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["audit", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.anyio
async def test_started_service_forwards_what_it_records(
    own_trail: Path, service: StandIn, serve: Callable[..., Any]
):
    async with serve() as client:
        await asyncio.to_thread(service.wait_until, lambda: STARTED_TYPE in types(service))
        ready = (await client.get("/health/ready")).json()
    assert ready["checks"]["central_audit"]["status"]
    assert set(service.authorizations) == {"Bearer made-up"}


@pytest.mark.anyio
async def test_service_that_is_told_not_to_forwards_nothing(
    own_trail: Path, service: StandIn, serve: Callable[..., Any]
):
    async with serve(central_audit={"enabled": False, "url": service.url}) as client:
        ready = (await client.get("/health/ready")).json()
    assert ready["checks"]["central_audit"]["status"]
    assert service.events == {}
    assert "0 events sent" in run("forwarding")


@pytest.mark.anyio
async def test_readiness_says_when_the_service_refuses_events(
    own_trail: Path, service: StandIn, serve: Callable[..., Any]
):
    service.answers = [(422, {"title": "Invalid events"})] * 50
    async with serve(health={"cache_s": 0}) as client, asyncio.timeout(20):
        while True:
            ready = (await client.get("/health/ready")).json()
            if "central_audit" in ready["degraded"]:
                break
            await asyncio.sleep(0.02)
    assert ready["status"] == "degraded"


def test_commands_forward_show_and_verify(own_trail: Path, service: StandIn):
    make_event()
    assert "0 events sent, 1 waiting" in run("forwarding")
    said = run("forward")
    assert "0 waiting, 0 without a receipt, 0 refused" in said
    state = json.loads(run("forwarding", "--json"))
    assert (state["waiting"], state["faults"]) == (0, [])
    (event_id, *_) = service.events
    bundle = own_trail / "receipt.json"
    bundle.write_text(run("receipt", event_id))
    assert f"Event {event_id} is entry 0 of central/acme" in run("verify-receipt", str(bundle))
    keys = own_trail / "keys"
    keys.write_text(service.signer.verification_key + "\n")
    run("verify-receipt", str(bundle), "--keys", str(keys))
    bundle.write_text(bundle.read_text().replace("audit.", "audit_", 1))
    done = CliRunner().invoke(app, ["audit", "verify-receipt", str(bundle)])
    assert done.exit_code == 1
    assert "not what the log has" in done.stderr


def make_event() -> None:
    """Record something, as an operator does."""

    async def record(log: Any) -> None:
        await log.record(STARTED, target="service:test", data={"version": "1"})

    with open_log() as log:
        asyncio.run(record(log))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["receipt", "unknown"], "was not forwarded yet"),
        (["verify-receipt", "BUNDLE"], "not what `audit receipt` printed"),
        (["verify-receipt", "missing.json"], "can't be read"),
    ],
)
def test_what_can_not_be_done_is_said_in_a_line(own_trail: Path, arguments: list[str], said: str):
    make_event()
    (own_trail / "bundle.json").write_text("{}")
    real = [str(own_trail / "bundle.json") if one == "BUNDLE" else one for one in arguments]
    done = CliRunner().invoke(app, ["audit", *real])
    assert done.exit_code == 1
    assert said in done.stderr
    assert "Traceback" not in done.output


def test_service_that_is_down_fails_the_command_and_keeps_the_events(
    own_trail: Path, service: StandIn
):
    make_event()
    service.answers = [(503, {"title": "Overloaded"})] * 5
    done = CliRunner().invoke(app, ["audit", "forward"])
    assert done.exit_code == 1
    assert "503 Overloaded" in done.stderr
    service.answers = []
    run("forward")
    assert len(service.events) == 1


def test_production_wants_https_and_an_address_for_tokens():
    rules = list(CentralAuditSettings().insecure())
    assert [bad for _, bad, _, _ in rules] == [True, False]
    known = CentralAuditSettings(url="https://audit.example.com", client_id="me")
    assert [bad for _, bad, _, _ in known.insecure()] == [False, True]
