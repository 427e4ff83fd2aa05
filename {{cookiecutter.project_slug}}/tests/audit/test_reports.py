# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Export and control evidence."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from {{ cookiecutter.project_slug }}.audit import Action, Actor, AuditLog, OcsfClass
from {{ cookiecutter.project_slug }}.audit.evidence import as_markdown, collect
from {{ cookiecutter.project_slug }}.audit.ocsf import cloud_event
from {{ cookiecutter.project_slug }}.audit.schema import connect
from {{ cookiecutter.project_slug }}.audit.trail import Trail
from {{ cookiecutter.project_slug }}.audit.verify import Report

pytestmark = pytest.mark.anyio
SHOWN: dict[str, Any] = {
    "id": "0-1",
    "time": "2026-01-01T12:00:00.000000Z",
    "action": "order.shipped",
    "outcome": "denied",
    "class": "operational",
    "retention": "standard",
    "actor": {"kind": "user", "key": "k1", "session": "s", "on_behalf_of": "eve"},
    "target": {"kind": "order", "id": "7"},
    "data": {"carrier": "DHL"},
}


@pytest.mark.parametrize(
    ("uid", "part"),
    [(6003, "api"), (3004, "entity"), (3002, "user"), (3001, "user"), (3005, "privileges")],
)
async def test_exported_event_has_what_its_ocsf_class_requires(uid: int, part: str) -> None:
    action = Action("order.shipped", "An order left", ocsf=OcsfClass(uid, 1))
    event = cloud_event(SHOWN, action, source="shop/audit", seq=4)
    assert {"specversion", "id", "source", "type"} <= event.keys()
    assert event["type"] == "audit.order.shipped"
    data = event["data"]
    assert data["type_uid"] == uid * 100 + 1
    assert data["category_uid"] == uid // 1000
    assert data["time"] == 1767268800000
    assert data["metadata"]["sequence"] == 4
    assert data["actor"]["user"]["uid"] == "k1"
    assert part in data
    assert data["unmapped"] == {"data": {"carrier": "DHL"}}


async def test_class_that_is_not_exported_is_refused_where_it_is_named() -> None:
    with pytest.raises(ValueError, match="choose from 3001"):
        OcsfClass(4001)


async def test_unregistered_action_is_exported_too() -> None:
    event = cloud_event(SHOWN, None, source="shop/audit", seq=None)
    assert event["data"]["type_uid"] == 600399


async def test_evidence_counts_what_was_recorded_and_names_the_gaps(
    audit: AuditLog, actions: Any, verify: Callable[..., Report]
) -> None:
    card = Action("card.read", "A card was read", controls=("PCI DSS 10.2.1.1", "House rule 1"))
    actions.register(card)
    await audit.record(card, target="card:1", actor=Actor("user", "ada"))
    audit.sealer.seal()
    with closing(connect(audit.file, read_only=True)) as connection:
        found = collect(Trail(connection), actions, audit.settings, verify())
    by_id = {row.control.id: row for row in found}
    assert by_id["PCI DSS 10.2.1.1"].status == "evidence"
    assert by_id["PCI DSS 10.2.1.1"].actions == {"card.read": 1}
    assert by_id["House rule 1"].events == 1
    assert by_id["PCI DSS 10.2.1.5"].status == "gap"
    assert by_id["PCI DSS 10.3.3"].status == "gap"
    assert by_id["PCI DSS 10.3.4"].status == "evidence"
    assert by_id["PCI DSS 10.5.1"].note.endswith("400 days")
    page = as_markdown(found, origin="shop/audit", period="2026")
    assert "| PCI DSS 10.2.1.1 |" in page
    assert f"{len(found)} controls" in page
