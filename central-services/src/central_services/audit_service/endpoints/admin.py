"""What administrators of a tenant do: shred a person's data, and place and lift legal holds."""

from __future__ import annotations

from fastapi import APIRouter, Response

from ...api.problems import problem_responses
from ...kit.tenancy import as_tenant
from .. import schemas
from ..actions import HOLD_PLACED, HOLD_RELEASED, SHREDDED
from ..dependencies import REFUSALS, Administrator, Audit, AuditParts
from ..errors import (
    HeldError,
    HoldExistsError,
    UnknownThingError,
)
from ..models import HoldRow
from ..repository import EventRepository

router = APIRouter(prefix="/v1", tags=["administration"])


@router.post(
    "/subjects/shred",
    summary="Shred a person's data",
    responses=problem_responses(*REFUSALS, UnknownThingError, HeldError, 422),
)
async def shred(
    order: schemas.ShredOrder, parts: AuditParts, caller: Administrator, audit: Audit
) -> schemas.Shredded:
    """Destroy a person's key: what events about them said can't be read any more, by anybody.

    Every proof stays valid.
    """
    key, events = await parts.trail(caller.tenant).shred(order.subject)
    await audit.record(
        SHREDDED,
        target=f"subject_key:{key}",
        reason=order.reason or None,
        data={"tenant": caller.tenant, "key": key},
    )
    return schemas.Shredded(key=key, events=events)


def _shown(row: HoldRow) -> schemas.Hold:
    return schemas.Hold(
        name=row.name, key=row.key, placed_at=row.placed_at, placed_by=row.placed_by
    )


@router.get("/holds", summary="List holds", responses=problem_responses(*REFUSALS))
async def list_holds(parts: AuditParts, caller: Administrator) -> schemas.Holds:
    """Return the legal holds in force."""
    with as_tenant(caller.tenant):
        async with parts.database.read() as session:
            rows = await EventRepository(session).holds()
    return schemas.Holds(items=[_shown(row) for row in rows])


@router.post(
    "/holds",
    summary="Place a hold",
    status_code=201,
    responses=problem_responses(*REFUSALS, UnknownThingError, HoldExistsError, 422),
)
async def place_hold(
    order: schemas.HoldOrder, parts: AuditParts, caller: Administrator, audit: Audit
) -> schemas.Hold:
    """Forbid to shred or drop what is about a person, or anything of the tenant."""
    trail = parts.trail(caller.tenant)
    with as_tenant(caller.tenant):
        async with parts.database.transaction() as session:
            row = await trail.place_hold(
                session, order.name, order.subject, by=caller.subject, now=parts.clock()
            )
            await audit.within(session).record(
                HOLD_PLACED,
                target=f"hold:{row.name}",
                reason=order.reason or None,
                data={"tenant": caller.tenant, "hold": row.name, "key": row.key},
            )
    return _shown(row)


@router.delete(
    "/holds/{name}",
    summary="Release a hold",
    status_code=204,
    responses=problem_responses(*REFUSALS, UnknownThingError, 422),
)
async def release_hold(
    name: schemas.Name, parts: AuditParts, caller: Administrator, audit: Audit
) -> Response:
    """Lift a hold."""
    trail = parts.trail(caller.tenant)
    with as_tenant(caller.tenant):
        async with parts.database.transaction() as session:
            row = await trail.release_hold(session, name, by=caller.subject, now=parts.clock())
            await audit.within(session).record(
                HOLD_RELEASED,
                target=f"hold:{row.name}",
                data={"tenant": caller.tenant, "hold": row.name, "key": row.key},
            )
    return Response(status_code=204)
