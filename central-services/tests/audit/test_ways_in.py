# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The ways in: the dependency, the decorator, and what the platform records by itself."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import orjson
import pytest
from fastapi import APIRouter, FastAPI, HTTPException, Request

from central_services.audit import Actor, Audit, AuditLog, audited
from central_services.audit.dependencies import request_audit
from central_services.audit.schema import connect
from central_services.audit.trail import Search, Trail
from central_services.core.config import ENV_PREFIX
from central_services.core.errors import ServiceError

pytestmark = pytest.mark.anyio


class ForbiddenError(ServiceError):
    status = 403
    title = "Not yours"


router = APIRouter(prefix="/vault")


@router.get("/closed")
async def closed() -> None:
    raise ForbiddenError("the door is locked")


@router.get("/unknown")
async def unknown() -> None:
    raise HTTPException(401)


@router.get("/mine")
async def mine(request: Request, audit: Audit) -> dict[str, Any]:
    anonymous = audit.actor
    request.state.actor = Actor("user", "ada")
    event = await audit.record("access.denied", target="door:1", data=dict.fromkeys(
        ("method", "route"), "x") | {"status": 1})  # fmt: skip
    return {"before": anonymous.kind, "now": event.actor.id, "address": event.actor.address,
            "request": event.request_id}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT__PATH", str(tmp_path))
    return tmp_path


def recorded(folder: Path, action: str = "") -> list[dict[str, Any]]:
    with closing(connect(folder / "trail.db", read_only=True)) as connection:
        rows = Trail(connection).search(Search(action=action))
        return [orjson.loads(row.record or "") for row in rows]


async def test_refusals_are_recorded_with_their_route(serve: Any, folder: Path) -> None:
    async with serve(routers=[router]) as client:
        assert (await client.get("/vault/closed")).status_code == 403
        assert (await client.get("/vault/unknown")).status_code == 401
        assert (await client.get("/vault/nothing")).status_code == 404
    (denied,) = recorded(folder, "access.denied")
    (failed,) = recorded(folder, "auth.login_failed")
    assert denied["data"] == {
        "method": "GET", "route": "/vault/closed", "status": 403, "problem": "Not yours",
    }  # fmt: skip
    assert denied["request_id"]
    assert denied["outcome"] == failed["outcome"] == "denied"
    assert "the door is locked" not in str(denied)


async def test_endpoint_knows_who_calls(serve: Any, folder: Path) -> None:
    async with serve(routers=[router]) as client:
        said = (await client.get("/vault/mine", headers={"x-request-id": "r-1"})).json()
    assert said == {"before": "anonymous", "now": "ada", "address": "127.0.0.1", "request": "r-1"}


async def test_changed_settings_are_recorded_at_the_next_start(serve: Any, folder: Path) -> None:
    for level in ("INFO", "INFO", "WARNING"):
        async with serve(log_level=level):
            pass
    first, second = recorded(folder, "configuration.changed")
    variable = f"{ENV_PREFIX}LOG_LEVEL"
    assert first["after"]["settings"][variable] == "INFO"
    assert second["before"]["settings"] == {variable: "INFO"}
    assert second["after"]["settings"][variable] == "WARNING"
    assert len(recorded(folder, "audit.started")) == len(recorded(folder, "audit.stopped")) == 3


async def test_new_secret_is_a_changed_setting_that_shows_nothing(serve: Any, folder: Path) -> None:
    for token in ("first-value", "first-value", "second-value"):
        async with serve(sentry={"dsn": f"http://{token}@127.0.0.1:9/1"}):
            pass
    events = recorded(folder, "configuration.changed")
    variable = f"{ENV_PREFIX}SENTRY__DSN"
    marks = [event["after"]["settings"][variable] for event in events]
    assert len(set(marks)) == 2
    assert "value" not in str(events)


async def test_readiness_covers_the_trail(serve: Any, folder: Path) -> None:
    async with serve() as client:
        body = (await client.get("/health/ready")).json()
    assert "audit" in str(body)


async def test_service_without_a_trail_says_so() -> None:
    app = FastAPI()
    request = Request({"type": "http", "app": app})
    with pytest.raises(RuntimeError, match="no audit log"):
        request_audit(request)


@dataclass
class Shop:
    audit: AuditLog

    @audited(
        "order.shipped",
        target="order:{number}",
        data=lambda call: {"carrier": call["carrier"]},
        subjects=lambda call: (call["customer"],),
    )
    async def ship(self, number: int, carrier: str = "DHL", *, customer: str = "ada") -> int:
        assert carrier
        assert customer
        if number == 0:
            raise ValueError(number)
        if number == 1:
            raise ForbiddenError
        return number


async def test_decorated_function_records_how_it_ended(
    audit: AuditLog, folder: Callable[..., None]
) -> None:
    shop = Shop(audit)
    assert await shop.ship(7) == 7
    with pytest.raises(ValueError, match="0"):
        await shop.ship(0)
    with pytest.raises(ForbiddenError):
        await shop.ship(1, carrier="UPS")
    audit.sealer.seal()
    events = recorded(audit.settings.path)
    assert [event["outcome"] for event in events] == ["success", "failure", "denied"]
    assert [event["target"]["id"] for event in events] == ["7", "0", "1"]
    assert events[2]["data"] == {"carrier": "UPS"}


async def test_decorator_refuses_what_it_can_not_record() -> None:
    with pytest.raises(TypeError, match="not async"):
        audited("order.shipped", target="order:1")(cast("Any", len))

    @audited("order.shipped", target="order:1")
    async def orphan() -> None:
        return

    with pytest.raises(TypeError, match="called audit"):
        await orphan()
