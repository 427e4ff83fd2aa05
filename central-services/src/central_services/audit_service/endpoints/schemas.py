"""Schemas of actions: administrators store them, and each event of the action has to fit."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Query, Response
from pydantic import BaseModel, ConfigDict, StrictBool

from ...api.problems import problem_responses
from ...kit.cursors import InvalidCursorError
from ...kit.tenancy import as_tenant
from ..actions import POLICY_SET, SCHEMA_STORED
from ..dependencies import REFUSALS, Administrator, Audit, AuditParts, WriterOrReader
from ..errors import UnknownThingError
from ..event_schemas.errors import IncompatibleSchemaError, InvalidSchemaError, SchemaExistsError
from ..event_schemas.service import Schemas, schema_name, strictness

router = APIRouter(prefix="/v1", tags=["schemas"])

ActionName = Annotated[
    str, Path(max_length=200, pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*$")
]
Version = Annotated[int, Path(ge=1, le=1_000_000)]


class SchemaNamed(BaseModel):
    """A version of a schema, and what events name it by."""

    action: str
    version: int
    dataschema: str


class SchemaPage(BaseModel):
    """Some schemas, in the order in which they came."""

    items: list[SchemaNamed]
    next: str | None


class SchemaPolicy(BaseModel):
    """What becomes of events whose action has no schema."""

    model_config = ConfigDict(extra="forbid")
    strict: StrictBool


def _named(action: str, version: int) -> SchemaNamed:
    name = schema_name(action, version)
    return SchemaNamed(action=action, version=version, dataschema=name)


@router.put(
    "/schemas/{action}/{version}",
    summary="Store a schema",
    responses={
        **problem_responses(
            *REFUSALS, InvalidSchemaError, SchemaExistsError, IncompatibleSchemaError, 422
        ),
        201: {"model": SchemaNamed},
    },
)
async def store_schema(
    action: ActionName,
    version: Version,
    schema: Annotated[dict[str, Any], Body(description="JSON Schema, draft 2020-12.")],
    parts: AuditParts,
    caller: Administrator,
    audit: Audit,
    response: Response,
) -> SchemaNamed:
    """Store the next version of the schema that the data of an action's events has to fit.

    It never changes, and takes every event that the version before it takes.
    """
    with as_tenant(caller.tenant):
        async with parts.database.transaction() as session:
            is_new = await Schemas(session).store(action, version, schema, parts.clock())
            if is_new:
                await audit.within(session).record(
                    SCHEMA_STORED,
                    target=f"schema:{action}",
                    data={"tenant": caller.tenant, "action": action, "version": version},
                )
    parts.schemas.forget(caller.tenant)
    response.status_code = 201 if is_new else 200
    return _named(action, version)


@router.get(
    "/schemas",
    summary="List schemas",
    responses=problem_responses(*REFUSALS, InvalidCursorError, 422),
)
async def list_schemas(
    parts: AuditParts,
    caller: WriterOrReader,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
    cursor: Annotated[str | None, Query(max_length=1_000)] = None,
) -> SchemaPage:
    """Return the versions of all schemas, in the order in which they came."""
    scope = {"list": "schemas", "tenant": caller.tenant}
    after = int(parts.cursors.read(cursor, scope)[0]) if cursor else 0
    with as_tenant(caller.tenant):
        async with parts.database.read() as session:
            rows = await Schemas(session).page(after=after, limit=limit + 1)
    more = parts.cursors.write([rows[limit - 1].n], scope) if len(rows) > limit else None
    return SchemaPage(items=[_named(row.action, row.version) for row in rows[:limit]], next=more)


@router.get(
    "/schemas/{action}/{version}",
    summary="Get a schema",
    responses=problem_responses(*REFUSALS, UnknownThingError, 422),
)
async def get_schema(
    action: ActionName, version: Version, parts: AuditParts, caller: WriterOrReader
) -> dict[str, Any]:
    """Return a schema."""
    with as_tenant(caller.tenant):
        async with parts.database.read() as session:
            return await Schemas(session).find(action, version)


@router.get("/schema-policy", summary="Get the policy", responses=problem_responses(*REFUSALS))
async def get_policy(parts: AuditParts, caller: WriterOrReader) -> SchemaPolicy:
    """Return whether events whose action has no schema are refused."""
    with as_tenant(caller.tenant):
        async with parts.database.read() as session:
            return SchemaPolicy(strict=await strictness(session))


@router.put("/schema-policy", summary="Set the policy", responses=problem_responses(*REFUSALS, 422))
async def set_policy(
    policy: SchemaPolicy, parts: AuditParts, caller: Administrator, audit: Audit
) -> SchemaPolicy:
    """Say whether events whose action has no schema are refused."""
    with as_tenant(caller.tenant):
        async with parts.database.transaction() as session:
            await Schemas(session).set_strict(strict=policy.strict)
            await audit.within(session).record(
                POLICY_SET,
                target=f"schema_policy:{caller.tenant}",
                data={"tenant": caller.tenant, "strict": policy.strict},
            )
    parts.schemas.forget(caller.tenant)
    return policy
