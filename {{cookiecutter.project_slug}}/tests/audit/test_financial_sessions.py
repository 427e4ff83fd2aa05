# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Financial transactions in the caller's own: both are committed, or neither."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Query

from {{ cookiecutter.project_slug }}.audit import Audit
from {{ cookiecutter.project_slug }}.audit.financial import (
    Authorization,
    audit_log_financial_transaction,
)
from {{ cookiecutter.project_slug }}.audit.transactional import (
    TransactionalAudit,
)
from {{ cookiecutter.project_slug }}.core.database import DbSession
from {{ cookiecutter.project_slug }}.core.errors import ConflictError

AUTHORIZATION = Authorization(authorized_by="u-2", reference="approval-7")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


async def pay(number: str, **how: Any) -> str:  # what records is passed on
    """Record a payment, and return the event's id and time."""
    event = await audit_log_financial_transaction(
        number, Decimal(10), "EUR", "cash", "rent", "January", "u-1", NOON, AUTHORIZATION, **how
    )
    return f"{event.id} {event.time}"


router = APIRouter()


@router.post("/dependency/{number}")
async def by_dependency(
    number: str, audit: TransactionalAudit, *, fail: Annotated[bool, Query()] = False
) -> str:
    paid = await pay(number, audit=audit)
    if fail:
        raise ConflictError
    return paid


@router.post("/session/{number}")
async def by_session(
    number: str, audit: Audit, session: DbSession, *, fail: Annotated[bool, Query()] = False
) -> str:
    paid = await pay(number, audit=audit, session=session)
    if fail:
        raise ConflictError
    return paid


@router.post("/default/{number}")
async def by_default(
    number: str, session: DbSession, *, fail: Annotated[bool, Query()] = False
) -> str:
    paid = await pay(number, session=session)
    if fail:
        raise ConflictError
    return paid


@pytest.mark.anyio
@pytest.mark.parametrize("way", ["dependency", "session", "default"])
async def test_payment_is_recorded_when_its_transaction_commits_and_only_then(
    serve: Any, own_database: str, tmp_path: Path, way: str
) -> None:
    trail = {"path": str(tmp_path / "trail")}
    async with serve(routers=[router], database={"url": own_database}, audit=trail) as client:
        assert (await client.post(f"/{way}/T-1?fail=true")).status_code == 409
        first = await client.post(f"/{way}/T-2")
        assert first.status_code == 200
        assert (await client.post(f"/{way}/T-2")).json() == first.json()
    connection = sqlite3.connect(tmp_path / "trail/trail.db")
    query = "SELECT id FROM entries JOIN records USING (seq) WHERE action LIKE 'financial.%'"
    assert connection.execute(query).fetchall() == [(first.json().partition(" ")[0],)]
    connection.close()
