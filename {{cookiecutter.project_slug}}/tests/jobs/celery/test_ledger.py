# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the ledger lets happen to a job, whatever messages come."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from {{ cookiecutter.project_slug }}.jobs.celery.entry import load, new_entry
from {{ cookiecutter.project_slug }}.jobs.celery.ledger import WORKER_LOST, Ledger
from {{ cookiecutter.project_slug }}.jobs.celery.sqlite_table import SqliteTable
from {{ cookiecutter.project_slug }}.jobs.errors import JobsUnavailableError
from {{ cookiecutter.project_slug }}.jobs.records import (
    Claim,
    JobFilter,
    JobState,
    NewJob,
    Outcome,
    Progress,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    made = Ledger(SqliteTable(tmp_path / "jobs.db"), first_hold_s=0.0, rate_limits={"slow": 0.001})
    made.table.open()
    yield made
    made.table.close()


def job(job_id: str, **more: Any) -> NewJob:
    made = NewJob(id=job_id, task="count", queue="default", payload=b"[[1],{}]")
    return replace(made, **more)


def start(
    ledger: Ledger, job_id: str, *, lease_s: float = 60.0, message: str = "m", again: bool = False
) -> Claim | None:
    return ledger.start(job_id, message=message, redelivered=again, lease_s=lease_s, worker="w")


def started(ledger: Ledger, job_id: str, **more: Any) -> Claim:
    claim = start(ledger, job_id, **more)
    assert claim is not None
    return claim


def state_of(ledger: Ledger, job_id: str) -> JobState:
    found = ledger.get(job_id)
    assert found is not None
    return found.state


def test_second_message_of_a_running_job_starts_nothing(ledger: Ledger) -> None:
    ledger.add([job("a")])
    assert started(ledger, "a").attempt == 1
    assert start(ledger, "a", message="another") is None
    assert start(ledger, "a", message="another", again=True) is None


def test_message_that_came_back_from_a_lost_connection_starts_the_job_and_fences_the_first_off(
    ledger: Ledger,
) -> None:
    ledger.add([job("a")])
    first = started(ledger, "a")
    second = started(ledger, "a", again=True)
    assert second.attempt == 2
    assert ledger.heartbeat([first.lease, second.lease], 60).lost == {"a"}
    assert not ledger.complete(Outcome(first.lease, JobState.SUCCEEDED, b"1", retain_s=60))
    assert not ledger.progress(first.lease, Progress(1))
    assert ledger.complete(Outcome(second.lease, JobState.SUCCEEDED, b"2", retain_s=60))
    found = ledger.get("a")
    assert found is not None
    assert found.result == b"2"


def test_job_whose_lease_has_ended_is_sent_again(ledger: Ledger) -> None:
    ledger.add([job("a")])
    assert [ticket.id for ticket in ledger.unsent(10)] == ["a"]
    started(ledger, "a", lease_s=0.0)
    assert ledger.reclaim() == []
    assert state_of(ledger, "a") is JobState.RETRYING
    assert [ticket.id for ticket in ledger.unsent(10)] == ["a"]


def test_job_whose_last_worker_died_is_a_dead_letter_and_is_told_once(ledger: Ledger) -> None:
    ledger.add([job("a", max_attempts=1)])
    started(ledger, "a")
    assert start(ledger, "a", again=True) is None
    assert [dead.error for dead in ledger.reclaim()] == [WORKER_LOST]
    assert ledger.reclaim() == []
    assert ledger.stats()[0].failed == 1


def test_job_is_sent_by_one_worker_and_not_again_soon(ledger: Ledger) -> None:
    ledger.add([job("a"), job("later", delay_s=60)])
    tickets = ledger.unsent(10)
    assert [ticket.id for ticket in tickets] == ["a"]
    ledger.sent(tickets)
    assert ledger.unsent(10) == []


def test_job_that_the_broker_lost_is_sent_again(ledger: Ledger) -> None:
    ledger.add([job("a"), job("later", delay_s=60)])
    ledger.sent(ledger.unsent(10))
    ledger.resend("default")
    assert ledger.unsent(10) == []  # it may still be on its way
    ledger.table.touch("send:normal", {"a": 800.0})  # as it is when a hundred seconds have passed
    ledger.resend("default")
    assert [ticket.id for ticket in ledger.unsent(10)] == ["a"]


def test_higher_priority_is_sent_first(ledger: Ledger) -> None:
    ledger.add([job("low", priority=-1), job("normal"), job("high", priority=1)])
    assert [ticket.id for ticket in ledger.unsent(2)] == ["high", "normal"]
    assert [ticket.id for ticket in ledger.unsent(2)] == ["low"]


def test_jobs_of_one_call_are_unique_among_each_other(ledger: Ledger) -> None:
    answers = ledger.add([job("a", unique="u"), job("b", unique="u"), job("a"), job("c")])
    assert [(one.id, one.created) for one in answers] == [
        ("a", True),
        ("a", False),
        ("a", False),
        ("c", True),
    ]


def test_unique_key_is_free_when_its_job_has_ended_and_taken_again_by_a_replay(
    ledger: Ledger,
) -> None:
    ledger.add([job("a", unique="u")])
    ledger.cancel("a")
    assert ledger.add([job("b", unique="u")])[0].created
    ledger.cancel("b")
    ledger.replay("a")
    assert not ledger.add([job("c", unique="u")])[0].created


def test_job_above_its_queues_rate_waits_for_its_turn(ledger: Ledger) -> None:
    ledger.add([job("a", queue="slow"), job("b", queue="slow")])
    started(ledger, "a")
    assert start(ledger, "b") is None
    assert ledger.stats()[0].delayed == 1


def test_job_that_was_cancelled_while_it_ran_is_not_retried(ledger: Ledger) -> None:
    ledger.add([job("a")])
    claim = started(ledger, "a")
    ledger.cancel("a")
    assert ledger.heartbeat([claim.lease], 60).cancelled == {"a"}
    assert ledger.complete(Outcome(claim.lease, JobState.RETRYING, delay_s=1))
    assert state_of(ledger, "a") is JobState.CANCELLED


def test_job_without_retention_leaves_nothing(ledger: Ledger) -> None:
    ledger.add([job("a")])
    ledger.complete(Outcome(started(ledger, "a").lease, JobState.SUCCEEDED))
    assert ledger.get("a") is None
    assert ledger.search(JobFilter()) == []
    assert start(ledger, "a") is None


def test_record_is_dropped_when_its_time_is_over(ledger: Ledger) -> None:
    ledger.add([job("a")])
    ledger.complete(Outcome(started(ledger, "a").lease, JobState.SUCCEEDED, retain_s=1e-6))
    ledger.reclaim()
    assert ledger.get("a") is None


def test_purge_takes_what_is_finished_and_fits(ledger: Ledger) -> None:
    ledger.add([job("a"), job("b"), job("c", task="other")])
    for job_id in ("a", "c"):
        ledger.cancel(job_id)
    assert ledger.purge(JobFilter(task="count", limit=10)) == 1
    assert ledger.purge(JobFilter(older_than_s=60, limit=10)) == 0
    assert [one.id for one in ledger.search(JobFilter(state=JobState.QUEUED))] == ["b"]


def test_one_of_many_threads_starts_a_job(ledger: Ledger) -> None:
    ledger.add([job("a")])
    claims: list[Claim | None] = []
    threads = [threading.Thread(target=lambda: claims.append(start(ledger, "a"))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert [claim.attempt for claim in claims if claim] == [1]


def test_field_of_a_newer_release_is_left_out() -> None:
    body = orjson.loads(new_entry(job("a"), 1.0, 0.0).dump())
    assert load(orjson.dumps(body | {"newer": True})).id == "a"


def test_closed_ledger_says_so(ledger: Ledger) -> None:
    ledger.table.close()
    with pytest.raises(JobsUnavailableError):
        ledger.get("a")
