# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The trail knows who called, and who was refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends

from central_services.audit import Audit, AuditLog, Sensitivity
from central_services.audit.catalogue import CONFIGURATION_CHANGED
from central_services.audit.schema import connect
from central_services.audit.trail import Search, Trail
from central_services.clients.auth import require
from tests.auth_fixtures import Issuer

pytestmark = pytest.mark.anyio

router = APIRouter()


@router.post("/things", dependencies=[Depends(require("things:write"))])
async def change(audit: Audit) -> str:
    event = await audit.record(
        CONFIGURATION_CHANGED, target="thing:1", after={"settings": {"a": "b"}}
    )
    return event.id


def recorded(log: AuditLog, action: str) -> list[dict[str, Any]]:
    """Return the sealed events of an action, newest first, all in clear."""
    log.sealer.seal()
    connection = connect(log.file, read_only=True)
    try:
        rows = list(Trail(connection).search(Search(action=action), newest=True))
        return [log.codec.decode(row.record or "{}", Sensitivity.RESTRICTED) for row in rows]
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("claims", "kind", "subject"),
    [({"sub": "ada"}, "user", "ada"), ({"sub": "shop", "client_id": "shop"}, "service", "shop")],
)
async def test_caller_is_the_actor_of_what_is_recorded(
    issuer: Issuer, serve: Callable[..., Any], claims: dict[str, str], kind: str, subject: str
):
    token = issuer.token("things:write", sid="session-1", **claims)
    async with serve(routers=[router]) as client:
        headers = {"authorization": f"Bearer {token}"}
        answer = await client.post("/things", headers=headers)
        found = recorded(client._transport.app.state.audit, CONFIGURATION_CHANGED.name)[0]
    assert found["id"] == answer.json()
    actor = found["actor"]
    assert (actor["kind"], actor["id"], actor["session"]) == (kind, subject, "session-1")


async def test_refusals_are_recorded_and_say_who_was_denied(
    issuer: Issuer, serve: Callable[..., Any]
):
    async with serve(routers=[router]) as client:
        await client.post("/things")
        await client.post("/things", headers={"authorization": f"Bearer {issuer.token(sub='eve')}"})
        log = client._transport.app.state.audit
        (login,) = recorded(log, "auth.login_failed")[:1]
        (denied,) = recorded(log, "access.denied")[:1]
    assert login["actor"]["kind"] == "anonymous"
    assert denied["actor"]["id"] == "eve"
    assert denied["data"]["route"] == "/things"
