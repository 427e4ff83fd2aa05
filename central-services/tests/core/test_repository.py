# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The base of repositories."""

from __future__ import annotations

import pytest
from sqlalchemy import MetaData
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from central_services.core.database import Base
from central_services.core.repository import Repository

pytestmark = pytest.mark.anyio


class Thing(Base):
    """A table of this test alone: what is in other metadata is no concern of migrations."""

    __tablename__ = "repository_test_things"
    metadata = MetaData()

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]


class Things(Repository[Thing]):
    row = Thing


@pytest.fixture
async def things(session: AsyncSession) -> Things:
    await session.run_sync(lambda sync: Thing.metadata.create_all(sync.connection()))
    return Things(session)


async def test_a_row_is_found_by_its_key(things: Things) -> None:
    await things.insert(Thing(id=1, kind="a"))
    found = await things.find(1)
    assert found is not None
    assert found.kind == "a"
    assert await things.find(2) is None


async def test_a_row_that_will_change_is_read_anew(things: Things) -> None:
    await things.insert(Thing(id=1, kind="a"))
    connection = await things.session.connection()
    await connection.exec_driver_sql("UPDATE repository_test_things SET kind = 'b'")
    found = await things.find(1, for_update=True)
    assert found is not None
    assert found.kind == "b"


async def test_a_broken_constraint_raises_at_once(things: Things) -> None:
    await things.insert(Thing(id=1, kind="a"))
    things.session.expunge_all()
    with pytest.raises(IntegrityError):
        await things.insert(Thing(id=1, kind="b"))
    await things.session.rollback()


async def test_pages_begin_behind_the_last_row_of_the_page_before(things: Things) -> None:
    for number in range(5):
        await things.insert(Thing(id=number, kind="even" if number % 2 == 0 else "odd"))
    first = await things.page_by([Thing.kind, Thing.id], after=None, limit=3)
    assert [(row.kind, row.id) for row in first] == [("odd", 3), ("odd", 1), ("even", 4)]
    rest = await things.page_by([Thing.kind, Thing.id], after=("even", 4), limit=3)
    assert [row.id for row in rest] == [2, 0]
    even = await things.page_by([Thing.id], after=None, limit=9, where=[Thing.kind == "even"])
    assert [row.id for row in even] == [4, 2, 0]
