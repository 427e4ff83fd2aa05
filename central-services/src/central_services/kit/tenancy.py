"""Tenancy: a query of tenants' rows sees those of one tenant, whoever wrote it.

A table of tenants' rows extends `TenantScoped`. Inside `as_tenant("t1")` every query of it is narrowed to
that tenant, every new row is given to it, and what can't be narrowed (text, a statement on the bare table)
is refused. Outside it is an error to ask at all. There is no condition to forget.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, ClassVar, cast

from sqlalchemy import Executable, String, Table, TextClause, event
from sqlalchemy.orm import Mapped, ORMExecuteState, Session, mapped_column, with_loader_criteria
from sqlalchemy.sql import visitors

from ..core.errors import ServiceError

if TYPE_CHECKING:
    from sqlalchemy import ClauseElement

_TENANT: ContextVar[str | None] = ContextVar("tenant", default=None)
_ALL = "*"
"""No tenant has this id: it is that of work over all of them."""


class TenancyError(ServiceError):
    """A query would cross the border between tenants; a mistake in the service, not of its caller."""

    status: ClassVar[int] = 500
    title: ClassVar[str] = "Internal Server Error"


class TenantScoped:
    """Mixin of tables whose rows belong to tenants.

    Attributes:
        tenant_id: Whose the row is; set when it is added, and never changed.
    """

    tenant_id: Mapped[str] = mapped_column(String(64), index=True)


def current_tenant() -> str:
    """Return the tenant that this code works for.

    Raises:
        TenancyError: It works for none, or for all.
    """
    tenant = _TENANT.get()
    if tenant is None or tenant == _ALL:
        raise TenancyError(f"works for {'no' if tenant is None else 'every'} tenant")
    return tenant


@contextmanager
def as_tenant(tenant: str) -> Generator[None]:
    """Work for one tenant inside the body, and in the tasks that it starts."""
    if not tenant or tenant == _ALL:
        raise TenancyError(f"{tenant!r} is no tenant")
    with _scope(tenant):
        yield


@contextmanager
def over_all_tenants() -> Generator[None]:
    """Work over all tenants inside the body: housekeeping, never a request."""
    with _scope(_ALL):
        yield


@contextmanager
def _scope(tenant: str) -> Generator[None]:
    token = _TENANT.set(tenant)
    try:
        yield
    finally:
        _TENANT.reset(token)


@event.listens_for(Session, "do_orm_execute")
def _narrow(state: ORMExecuteState) -> None:
    """Narrow a statement to the tenant, or refuse it."""
    tables = _scoped_tables()
    if not tables or not _touches(state.statement, set(tables)):
        return
    tenant = _tenant_of(state.session)
    if tenant == _ALL:
        return
    if not state.is_orm_statement or isinstance(state.statement, TextClause) or state.is_insert:
        raise TenancyError(
            "a statement on tenants' rows has to name their class, and rows are added"
        )
    state.statement = state.statement.options(
        with_loader_criteria(
            TenantScoped, lambda row: row.tenant_id == tenant, include_aliases=True
        )
    )


@event.listens_for(Session, "before_flush")
def _give(session: Session, _context: object, _instances: object) -> None:
    """Give new rows to the tenant; refuse to write those of others."""
    new = [row for row in session.new if isinstance(row, TenantScoped)]
    old = [row for row in (*session.dirty, *session.deleted) if isinstance(row, TenantScoped)]
    if not new and not old:
        return
    tenant = _tenant_of(session)
    for row in new:
        if tenant != _ALL and row.tenant_id is None:
            row.tenant_id = tenant
    if tenant != _ALL and any(row.tenant_id != tenant for row in (*new, *old)):
        raise TenancyError("a row of another tenant was to be written")


def _tenant_of(session: Session) -> str:
    """Return the tenant of a session: rows that it holds are not another tenant's to see."""
    tenant = _TENANT.get()
    if tenant is None:
        raise TenancyError("tenants' rows were asked for outside of as_tenant")
    if session.info.setdefault("tenant", tenant) != tenant:
        raise TenancyError("a session was used for two tenants")
    return tenant


def _scoped_tables() -> dict[Table, str]:
    """Return the tables of tenants' rows, with their names."""
    return {table: table.name for row in _subclasses(TenantScoped) for table in _tables(row)}


def _subclasses(parent: type[TenantScoped]) -> Iterator[type[TenantScoped]]:
    for child in parent.__subclasses__():
        yield child
        yield from _subclasses(child)


def _tables(row: type) -> Iterator[Table]:
    table = getattr(row, "__table__", None)
    if isinstance(table, Table):
        yield table


def _touches(statement: Executable, tables: set[Table]) -> bool:
    """Tell whether a statement reads or writes one of the tables, at any depth."""
    for part in visitors.iterate(cast("ClauseElement", statement)):
        if isinstance(part, TextClause):
            words = set(re.findall(r"\w+", part.text.lower()))
            if any(table.name.lower() in words for table in tables):
                return True
        if part in tables or getattr(part, "table", None) in tables:
            return True
    return False
