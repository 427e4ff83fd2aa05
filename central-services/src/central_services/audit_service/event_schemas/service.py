"""Schemas of one tenant: registered once, listed, and asked of each event."""

from __future__ import annotations

import json
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import jsonschema_rs
import orjson
from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession

from ...core.database import Database
from ...kit.tenancy import as_tenant
from ..errors import InvalidEventsError, UnknownThingError
from ..events import Event
from .checking import check_schema, compile_schema, errors_of
from .compatibility import incompatibilities
from .errors import IncompatibleSchemaError, SchemaExistsError
from .models import SchemaPolicyRow, SchemaRow

_CACHED = 500
_AT_ONCE = 200
_URN = "urn:slipway:schema:"
PLAIN_S = 1.0
"""Seconds for which a tenant that has no schemas is not asked again; another process may store one."""


def schema_name(action: str, version: int) -> str:
    """Return what an event names a schema by, in `dataschema`."""
    return f"{_URN}{action}:{version}"


@dataclass(slots=True)
class SchemaGuard:
    """Holds events to the schemas of their tenants.

    Attributes:
        database: Where schemas are.
    """

    database: Database
    _validators: OrderedDict[tuple[str, str, int], jsonschema_rs.Draft202012Validator] = field(
        default_factory=OrderedDict
    )
    _plain_until: dict[str, float] = field(default_factory=dict)
    _changes: int = 0

    def forget(self, tenant: str) -> None:
        """Look at a tenant's schemas again: they have just been changed here."""
        self._plain_until.pop(tenant, None)
        self._changes += 1

    async def check(self, tenant: str, events: Sequence[Event]) -> None:
        """Refuse a batch in which an event does not fit the schema of its action.

        Raises:
            InvalidEventsError: Some do not; `errors` says which, where, and which rule.
        """
        if self._plain_until.get(tenant, 0.0) > time.monotonic():
            return
        changes = self._changes
        with as_tenant(tenant):
            async with self.database.read() as session:
                versions = await _versions(session, {event.action for event in events})
                is_strict = await strictness(session)
                if not versions and not is_strict:
                    some = await session.scalars(select(SchemaRow.n).limit(1))
                    # What was read before a change here says nothing of the time after it.
                    if some.first() is None and changes == self._changes:
                        self._plain_until[tenant] = time.monotonic() + PLAIN_S
                    return
                wanted = {_wanted(event, versions) for event in events} - {None}
                found = await self._compiled(session, tenant, [key for key in wanted if key])
        errors = [
            {"index": index, "pointer": f"#/{index}{where}", "detail": detail}
            for index, event in enumerate(events)
            for where, detail in _judge(event, versions, found, is_strict=is_strict)
        ]
        if errors:
            raise InvalidEventsError("Some events are not valid; none was stored.", errors=errors)

    async def _compiled(
        self, session: AsyncSession, tenant: str, keys: Sequence[tuple[str, int]]
    ) -> Mapping[tuple[str, int], jsonschema_rs.Draft202012Validator]:
        missing = [key for key in keys if (tenant, *key) not in self._validators]
        columns = tuple_(SchemaRow.action, SchemaRow.version)
        for at in range(0, len(missing), _AT_ONCE):
            some = columns.in_(missing[at : at + _AT_ONCE])
            for row in await session.scalars(select(SchemaRow).where(some)):
                compiled = compile_schema(json.loads(row.text))
                self._validators[tenant, row.action, row.version] = compiled
        found = {key: self._validators[tenant, *key] for key in keys}
        for key in keys:
            self._validators.move_to_end((tenant, *key))
        while len(self._validators) > _CACHED:
            self._validators.popitem(last=False)
        return found


async def _versions(session: AsyncSession, actions: set[str]) -> dict[str, int]:
    """Return the newest version of the schema of each action that has one."""
    found: dict[str, int] = {}
    names = sorted(actions)
    for at in range(0, len(names), _AT_ONCE):
        query = select(SchemaRow.action, SchemaRow.version)
        query = query.where(SchemaRow.action.in_(names[at : at + _AT_ONCE]))
        for action, version in await session.execute(query):
            found[action] = max(version, found.get(action, 0))
    return found


async def strictness(session: AsyncSession) -> bool:
    """Return whether events of actions without a schema are refused."""
    return bool((await session.scalars(select(SchemaPolicyRow.strict))).first())


def _wanted(event: Event, versions: Mapping[str, int]) -> tuple[str, int] | None:
    """Return the schema that an event has to fit, or None for one that there is not."""
    newest = versions.get(event.action)
    if newest is None:
        return None
    if not event.dataschema:
        return event.action, newest
    action, _, version = event.dataschema.removeprefix(_URN).rpartition(":")
    is_ours = event.dataschema.startswith(_URN) and action == event.action
    if not is_ours or not version.isascii() or not version.isdecimal() or len(version) > 9:
        return None
    return (action, int(version)) if 1 <= int(version) <= newest else None


def _judge(
    event: Event,
    versions: Mapping[str, int],
    validators: Mapping[tuple[str, int], jsonschema_rs.Draft202012Validator],
    *,
    is_strict: bool,
) -> Iterator[tuple[str, str]]:
    if event.action not in versions:
        if is_strict:
            yield "", "its action has no schema, and this organisation takes no others"
        return
    wanted = _wanted(event, versions)
    if wanted is None:
        newest = schema_name(event.action, versions[event.action])
        yield "/dataschema", f"names no schema of the action; the newest is {newest}"
        return
    data = orjson.loads(event.canonical)["data"]
    for where, detail in errors_of(validators[wanted], data):
        yield f"/data{where}", detail


# --- administration ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Schemas:
    """The schemas of the tenant that the session works for."""

    session: AsyncSession

    async def store(self, action: str, version: int, schema: object, now: datetime) -> bool:
        """Store the next version of a schema, and return whether it is new.

        Raises:
            InvalidSchemaError: It is none that is taken here.
            SchemaExistsError: This version is there, and another one, or is not the next.
            IncompatibleSchemaError: It would refuse what the version before it takes.
        """
        text = check_schema(schema).decode()
        query = select(SchemaRow).where(SchemaRow.action == action).order_by(SchemaRow.version)
        rows = (await self.session.scalars(query)).all()
        if 1 <= version <= len(rows):
            if rows[version - 1].text != text:
                raise SchemaExistsError("This version is there with other content: send the next.")
            return False
        if version != len(rows) + 1:
            raise SchemaExistsError(f"The next version is {len(rows) + 1}.")
        if rows:
            wrong = list(incompatibilities(json.loads(rows[-1].text), json.loads(text)))
            if wrong:
                errors = [
                    {"pointer": f"#{where}", "detail": detail} for where, detail in wrong[:20]
                ]
                raise IncompatibleSchemaError(
                    "It may refuse events that the version before it takes: name a new action.",
                    errors=errors,
                )
        self.session.add(SchemaRow(action=action, version=version, text=text, created_at=now))
        await self.session.flush()
        return True

    async def find(self, action: str, version: int) -> dict[str, Any]:
        """Return a schema.

        Raises:
            UnknownThingError: There is none.
        """
        query = select(SchemaRow.text).where(
            SchemaRow.action == action, SchemaRow.version == version
        )
        text = (await self.session.scalars(query)).first()
        if text is None:
            raise UnknownThingError("There is no such schema.")
        found: dict[str, Any] = json.loads(text)
        return found

    async def page(self, *, after: int, limit: int) -> Sequence[SchemaRow]:
        """Return schemas in the order in which they came."""
        query = select(SchemaRow).where(SchemaRow.n > after).order_by(SchemaRow.n).limit(limit)
        return (await self.session.scalars(query)).all()

    async def set_strict(self, *, strict: bool) -> None:
        """Say whether events of actions without a schema are refused."""
        row = (await self.session.scalars(select(SchemaPolicyRow))).first()
        if row is None:
            self.session.add(SchemaPolicyRow(strict=strict))
        else:
            row.strict = strict
        await self.session.flush()
