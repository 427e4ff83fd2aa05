# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where jobs are written down, and what production asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from {{ cookiecutter.project_slug }}.jobs.celery.connecting import make_table
from {{ cookiecutter.project_slug }}.jobs.celery.settings import CeleryJobsSettings
from {{ cookiecutter.project_slug }}.jobs.celery.sqlite_table import SqliteTable
from {{ cookiecutter.project_slug }}.jobs.celery.valkey_table import ValkeyTable
from {{ cookiecutter.project_slug }}.jobs.errors import JobsUnavailableError

RABBITMQ = "amqp://u:p@mq:5672//"
VALKEY = "valkey://valkey:6379/0"


@pytest.mark.parametrize(
    ("given", "ledger"),
    [
        ({}, ""),
        ({"url": RABBITMQ}, ""),
        ({"url": VALKEY}, VALKEY),
        ({"url": RABBITMQ, "state_url": VALKEY}, VALKEY),
    ],
)
def test_jobs_are_written_down_where_the_settings_say(given: dict[str, Any], ledger: str) -> None:
    settings = CeleryJobsSettings.model_validate(given)
    assert settings.ledger_url == ledger
    assert isinstance(make_table(settings, "orders"), ValkeyTable if ledger else SqliteTable)


@pytest.mark.parametrize(
    ("given", "insecure"),
    [
        ({}, True),
        ({"path": "/var/lib/jobs.db"}, False),
        ({"url": RABBITMQ, "path": "/var/lib/jobs.db"}, True),
        ({"url": RABBITMQ, "state_url": VALKEY}, False),
        ({"url": VALKEY}, False),
    ],
)
def test_production_wants_a_place_that_every_machine_sees(
    given: dict[str, Any], insecure: bool
) -> None:
    (rule,) = CeleryJobsSettings.model_validate(given).insecure()
    assert rule[1] is insecure


@pytest.mark.parametrize("given", [{"url": "nats://h:4222"}, {"state_url": RABBITMQ}])
def test_url_that_nothing_can_open_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="JOBS__"):
        CeleryJobsSettings.model_validate(given)


def test_ledger_that_can_not_be_reached_is_unavailable(tmp_path: Path) -> None:
    table = ValkeyTable("valkey://127.0.0.1:1/0", "orders")
    with pytest.raises(JobsUnavailableError):
        table.open()
    with pytest.raises(JobsUnavailableError):
        table.read(["job:a"])
