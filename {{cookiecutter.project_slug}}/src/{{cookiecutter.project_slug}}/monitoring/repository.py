# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Scheduled tasks in the project's database, behind the same interface as in a file."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

from sqlalchemy import delete, func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession

from ..core.database import Database, DatabaseUnavailableError
from .errors import PresetsUnreadableError
from .models import MonitoringChangeRow, MonitoringRunRow, MonitoringTaskRow
from .schemas import Change, RunRecord
from .store import Document, Draft

T = TypeVar("T")


class DatabasePresets:
    """`PresetsStore` in tables; all processes that use the database share them.

    Args:
        database: Where they are.
        runs_kept: Runs of each task that are remembered.
    """

    def __init__(self, database: Database, *, runs_kept: int = 200) -> None:
        self._database = database
        self._runs_kept = runs_kept

    async def read(self) -> dict[str, Document]:
        """See `PresetsStore.read`."""
        async with self._reading() as session:
            return _documents((await session.scalars(select(MonitoringTaskRow))).all())

    async def change(self, work: Callable[[Draft], T], *, only: str | None = None) -> T:
        """See `PresetsStore.change`."""
        with_errors = _sentences("written")
        async with with_errors, self._database.transaction() as session:
            if session.get_bind().dialect.name == "postgresql":
                # SQLite lets one transaction write at a time by itself.
                await session.execute(
                    text("LOCK TABLE monitoring_tasks IN SHARE ROW EXCLUSIVE MODE")
                )
            query = select(MonitoringTaskRow)
            if only is not None:
                query = query.where(MonitoringTaskRow.id == only)
            before = _documents((await session.scalars(query)).all())
            counting = select(func.count()).select_from(MonitoringTaskRow)
            count = int((await session.scalars(counting)).one())
            draft = Draft(json.loads(json.dumps(before)), count)
            result = work(draft)
            await self._keep(session, before, draft)
            return result

    async def runs(self, task_id: str, limit: int) -> list[RunRecord]:
        """See `PresetsStore.runs`."""
        row = MonitoringRunRow
        query = select(row.document).where(row.task_id == task_id).order_by(row.n.desc())
        async with self._reading() as session:
            found = (await session.scalars(query.limit(limit))).all()
        return [RunRecord.model_validate_json(document) for document in found]

    async def run(self, task_id: str, run_id: str) -> RunRecord | None:
        """See `PresetsStore.run`."""
        row = MonitoringRunRow
        query = select(row.document).where(row.task_id == task_id, row.run_id == run_id)
        async with self._reading() as session:
            found = (await session.scalars(query)).first()
        return None if found is None else RunRecord.model_validate_json(found)

    async def changes(self, task_id: str | None, limit: int) -> list[Change]:
        """See `PresetsStore.changes`."""
        row = MonitoringChangeRow
        query = select(row.document).order_by(row.n.desc()).limit(limit)
        if task_id is not None:
            query = query.where(row.task_id == task_id)
        async with self._reading() as session:
            found = (await session.scalars(query)).all()
        return [Change.model_validate_json(document) for document in found]

    async def aclose(self) -> None:
        """See `PresetsStore.aclose`; the database is closed by whoever opened it."""

    async def _keep(self, session: AsyncSession, before: dict[str, Document], draft: Draft) -> None:
        """Write what a draft changed."""
        for task_id in before.keys() - draft.tasks.keys():
            await session.execute(delete(MonitoringTaskRow).where(MonitoringTaskRow.id == task_id))
        for task_id, document in draft.tasks.items():
            if before.get(task_id) != document:
                row = MonitoringTaskRow(id=task_id, document=_json(document))
                await session.merge(row)
        for change in draft.changes:
            document_of = change.model_dump_json()
            session.add(MonitoringChangeRow(task_id=change.task_id, document=document_of))
        for run in draft.runs:
            await self._keep_run(session, run)

    async def _keep_run(self, session: AsyncSession, run: RunRecord) -> None:
        """Write a run, in the place of an earlier one of its id, and drop the oldest."""
        row = MonitoringRunRow
        document = run.model_dump_json(exclude_defaults=True)
        same = select(row).where(row.task_id == run.task_id, row.run_id == run.run_id)
        known = (await session.scalars(same)).first()
        if known is not None:
            known.document = document
            return
        session.add(row(task_id=run.task_id, run_id=run.run_id, document=document))
        await session.flush()
        newest = select(row.n).where(row.task_id == run.task_id).order_by(row.n.desc())
        last = (await session.scalars(newest.offset(self._runs_kept).limit(1))).first()
        if last is not None:
            await session.execute(delete(row).where(row.task_id == run.task_id, row.n <= last))

    @asynccontextmanager
    async def _reading(self) -> AsyncGenerator[AsyncSession]:
        async with _sentences("read"), self._database.read() as session:
            yield session


@asynccontextmanager
async def _sentences(verb: str) -> AsyncGenerator[None]:
    """Turn what the database says into an error that says what to do."""
    try:
        yield
    except DatabaseUnavailableError as error:
        raise PresetsUnreadableError(
            f"the tasks can't be {verb}: the database is away or too busy"
        ) from error
    except SQLAlchemyError as error:
        said = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise PresetsUnreadableError(
            f"the tasks can't be {verb}: {said}; was `db upgrade` run?"
        ) from error


def _documents(rows: Sequence[MonitoringTaskRow]) -> dict[str, Document]:
    return {row.id: json.loads(row.document) for row in rows}


def _json(document: Document) -> str:
    return json.dumps(document, ensure_ascii=False, default=str)
