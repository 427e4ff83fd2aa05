# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which engine keeps the jobs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from central_services.jobs.connecting import (
    make_store,
)
from central_services.jobs.errors import (
    JobsUnavailableError,
)
from central_services.jobs.records import NewJob
from central_services.jobs.stores.settings import (
    ServerJobsSettings,
)


@pytest.mark.parametrize(
    ("url", "store"),
    [
        ("", "SqliteJobStore"),
        ("valkey://localhost:6379/0", "ValkeyStore"),
        ("rediss://user:pw@localhost", "ValkeyStore"),
        ("nats://localhost", "NatsStore"),
        ("tls://localhost:4222", "NatsStore"),
    ],
)
def test_url_selects_the_engine(url: str, store: str) -> None:
    assert type(make_store(ServerJobsSettings.model_validate({"url": url}))).__name__ == store


def test_url_of_no_engine_is_refused_without_repeating_its_password() -> None:
    with pytest.raises(ValidationError, match="write valkey://") as refused:
        ServerJobsSettings.model_validate({"url": "amqp://user:secret-1@localhost"})
    assert "secret-1" not in str(refused.value.errors()[0]["msg"])


@pytest.mark.parametrize("url", ["valkey://localhost:6379/0", "nats://localhost"])
@pytest.mark.anyio
async def test_store_that_was_not_opened_says_so_at_once(url: str) -> None:
    settings = ServerJobsSettings.model_validate({"url": url, "server_wait_s": 0})
    new = NewJob(id="1", task="count", queue="default", payload=b"[[],{}]")
    with pytest.raises(JobsUnavailableError, match="closed"):
        await make_store(settings).enqueue_many([new])
