# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The embedded queue's writing thread: whose work fails hears of it, and nobody else does."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from central_services.jobs.errors import JobsUnavailableError
from central_services.jobs.identifiers import new_job_id
from central_services.jobs.records import NewJob
from central_services.jobs.stores import sqlite_operations
from central_services.jobs.stores.sqlite import SqliteJobStore

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from central_services.core.config import JobsSettings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def store(jobs_settings: JobsSettings) -> AsyncIterator[SqliteJobStore]:
    store = SqliteJobStore(jobs_settings.model_copy(update={"url": None}))
    await store.open()
    try:
        yield store
    finally:
        await store.aclose()


@pytest.mark.parametrize(
    ("raised", "heard"),
    [
        (sqlite3.OperationalError("disk I/O error"), JobsUnavailableError),
        (TypeError("no such column"), TypeError),
    ],
)
async def test_claim_that_fails_says_so_and_the_next_one_works(
    store: SqliteJobStore,
    monkeypatch: pytest.MonkeyPatch,
    raised: Exception,
    heard: type[Exception],
) -> None:
    def fail(*_: object) -> Any:
        raise raised

    with monkeypatch.context() as broken:
        broken.setattr(sqlite_operations, "claim", fail)
        with pytest.raises(heard):
            await store.claim(["default"], 1, lease_s=30.0, wait_s=20.0, worker="test")
    new = NewJob(id=new_job_id(), task="count", queue="default", payload=b"[[1],{}]")
    await store.enqueue_many([new])
    (got,) = await store.claim(["default"], 1, lease_s=30.0, wait_s=20.0, worker="test")
    assert got.lease.id == new.id
