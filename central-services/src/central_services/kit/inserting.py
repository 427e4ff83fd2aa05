"""An insert that leaves alone what is there, on both databases."""

from __future__ import annotations

from sqlalchemy import inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from ..core.database import Base


def insert_once(session: Session, row: type[Base], **values: object) -> bool:
    """Insert a row unless its primary key is there, and tell whether it was inserted.

    On PostgreSQL it waits for another transaction that is about to insert the same key, so the answer
    is final: false means that the other one was committed.
    """
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    key = inspect(row).primary_key
    statement = insert(row).values(**values).on_conflict_do_nothing().returning(*key)
    return session.execute(statement).first() is not None


async def insert_once_async(session: AsyncSession, row: type[Base], **values: object) -> bool:
    """Do the same in a session that is awaited."""
    return await session.run_sync(lambda sync: insert_once(sync, row, **values))
