# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tasks in the database, and the check that asks it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from {{ cookiecutter.project_slug }}.core.database import Database
from {{ cookiecutter.project_slug }}.core.database_settings import (
    DatabaseSettings,
)
from {{ cookiecutter.project_slug }}.monitoring import (
    CheckContext,
    PresetsManager,
)
from {{ cookiecutter.project_slug }}.monitoring.checks import (
    CheckResult,
    load_checks,
)
from {{ cookiecutter.project_slug }}.monitoring.errors import (
    PermanentCheckError,
    PresetsUnreadableError,
    TaskExistsError,
)
from {{ cookiecutter.project_slug }}.monitoring.repository import (
    DatabasePresets,
)
from {{ cookiecutter.project_slug }}.monitoring.schemas import (
    Outcome,
    RunRecord,
)

from .conftest import Clock

pytestmark = pytest.mark.anyio
WATCH = {"name": "Watch", "check": "script", "interval_s": 300}


@pytest.fixture
async def data(own_database: str) -> AsyncIterator[Database]:
    """A database of the test."""
    database = Database(DatabaseSettings.model_validate({"url": own_database}))
    yield database
    await database.aclose()


@pytest.fixture
def kept(data: Database, presets: PresetsManager, clock: Clock) -> PresetsManager:
    """Tasks in that database."""
    store = DatabasePresets(data, runs_kept=3)
    return PresetsManager(store, presets._rules, presets._settings, clock=clock)


async def test_task_its_runs_and_its_changes_are_kept(kept: PresetsManager, clock: Clock) -> None:
    await kept.add(WATCH, by="ann")
    with pytest.raises(TaskExistsError):
        await kept.add(WATCH)
    for number in range(5):
        run = RunRecord(
            task_id="watch",
            run_id=str(number),
            started=clock.now,
            outcome=Outcome.OK,
            summary="fine",
        )
        await kept.record("watch", lambda task: {"failures": task.failures + 1}, run)
    again = run.model_copy(update={"told": ("log",)})
    await kept.record("watch", lambda _: {}, again)
    assert [record.run_id for record in await kept.runs("watch")] == ["4", "3", "2"]
    assert await kept.store.run("watch", "4") == again
    assert await kept.store.run("watch", "0") is None
    assert (await kept.get("watch")).failures == 5
    await kept.edit("watch", {"name": "Other"}, by="bob")
    await kept.remove("watch", by="eve")
    assert await kept.all() == ([], [])
    assert [change.by for change in await kept.changes("watch")] == ["eve", "bob", "ann"]
    assert len(await kept.changes()) == 3


async def test_writers_at_the_same_time_lose_nothing(kept: PresetsManager) -> None:
    await kept.add(WATCH)

    async def count() -> None:
        await kept.record("watch", lambda task: {"failures": task.failures + 1})

    await asyncio.gather(*(count() for _ in range(10)))
    assert (await kept.get("watch")).failures == 10


async def test_missing_tables_are_said_in_a_sentence(
    tmp_path: Path, presets: PresetsManager
) -> None:
    (tmp_path / "empty.db").touch()
    url = f"sqlite:///{tmp_path / 'empty.db'}"
    database = Database(DatabaseSettings.model_validate({"url": url}))
    lost = PresetsManager(DatabasePresets(database), presets._rules, presets._settings)
    with pytest.raises(PresetsUnreadableError, match=r"no such table.*`db upgrade`"):
        await lost.add(WATCH)
    await database.aclose()


async def test_number_of_a_query_is_compared(context: CheckContext, data: Database) -> None:
    known = CheckContext(settings=context.settings, http=context.http, resources={Database: data})

    async def run(query: str, operator: str = "<=", threshold: str = "2.5") -> CheckResult:
        check = load_checks().find("sql_threshold")
        given = {"query": query, "operator": operator, "threshold": threshold}
        result: CheckResult = await check.run(check.parameters.model_validate(given), known)
        return result

    assert (await run("SELECT 2.5;")).ok
    assert (await run("SELECT 3")).summary == "3 is not <= 2.5"
    assert (await run("WITH x AS (SELECT 4 AS n) SELECT n FROM x", ">")).ok
    for query, said in (
        ("SELECT 1, 2", "one row with one number"),
        ("SELECT 'a'", "not a number"),
        ("SELECT nothing FROM nowhere", "the query is refused"),
        ("WITH x AS (SELECT 1) DELETE FROM monitoring_tasks", "the query is refused"),
    ):
        with pytest.raises(PermanentCheckError, match=said):
            await run(query)


@pytest.mark.parametrize("query", ["DELETE FROM orders", "SELECT 1; DROP TABLE orders", ""])
def test_anything_but_one_query_is_refused(query: str) -> None:
    problems = load_checks().problems("sql_threshold", {"query": query, "threshold": 1})
    assert "write one SELECT" in problems[0]
