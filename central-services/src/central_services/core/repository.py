# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A base for repositories: a table's rows, by key and page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, Generic, TypeVar

from sqlalchemy import ColumnElement, Select, select, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from .database import Base

Row = TypeVar("Row", bound=Base)


class Repository(Generic[Row]):
    """The rows of one table, in the transaction of a session. It never commits.

    A domain's repository extends it, names its `row` class, and speaks to the rest of the domain in
    values, not rows.
    """

    row: ClassVar[type[Any]]

    def __init__(self, session: AsyncSession) -> None:
        """Use a session, such as that of the request."""
        self.session = session

    async def find(self, key: object, *, for_update: bool = False) -> Row | None:
        """Return the row with this primary key.

        Args:
            key: A value, or a tuple for a key of several columns.
            for_update: Let nobody else change it before this transaction ends. What is read, then
                written back, needs it: two requests that do so at once would lose one change.
        """
        found: Row | None = await self.session.get(
            self.row, key, with_for_update=for_update or None, populate_existing=for_update
        )
        return found

    async def insert(self, row: Row) -> None:
        """Add a row now, so that a constraint that it breaks raises here."""
        self.session.add(row)
        await self.session.flush()

    async def page_by(
        self,
        columns: Sequence[InstrumentedAttribute[Any]],
        *,
        after: Sequence[object] | None,
        limit: int,
        where: Sequence[ColumnElement[bool]] = (),
    ) -> Sequence[Row]:
        """Return up to `limit` rows, the highest values of the columns first.

        The database goes to `after` by the index on the columns, in the same time for any page.

        Args:
            columns: Together unique, with an index in this order.
            after: The columns' values in the last row of the page before; None for the first page.
            limit: Most rows to return.
            where: What else must hold of a row.
        """
        query: Select[Row] = select(self.row).where(*where)
        if after is not None:
            query = query.where(tuple_(*columns) < tuple_(*after))
        query = query.order_by(*(column.desc() for column in columns)).limit(limit)
        return (await self.session.scalars(query)).all()
