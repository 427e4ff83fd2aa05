# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""How jobs are spelt on servers."""

from __future__ import annotations

from dataclasses import replace

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_services.jobs.records import (
    JobState,
    Lease,
    NewJob,
    Outcome,
)
from central_services.jobs.stores import (
    _nats_records,
    _valkey_records,
)
from central_services.jobs.stores._nats_names import (
    Names,
    token,
)
from central_services.jobs.stores._nats_search import (
    moment,
)
from central_services.jobs.stores.promises import (
    burst_of,
)

NEW = NewJob(id="1", task="count", queue="mail", payload=b'[["a\nb"],{}]', trace="r t s")


@given(st.text(max_size=60), st.text(max_size=60))
def test_ids_are_subjects_that_no_two_share(one: str, other: str) -> None:
    subject = token(one)
    assert not set(subject) & set(" .*>\t\r\n")
    assert subject or not one
    assert (subject == token(other)) == (one == other)


def test_subjects_lead_back_to_queue_and_record() -> None:
    names = Names("acme")
    ready = names.ready("mail", 1, "a.b")
    assert names.queue_of(ready) == "mail"
    assert names.record_of(ready) == names.record("a.b")


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_record_is_read_as_it_was_written(payload: bytes, result: bytes) -> None:
    new = replace(NEW, payload=payload, unique="count:1", delay_s=1.5)
    record = _nats_records.new_record(new, "n1", 5_000, enqueued_us=5_000_000)
    record.result, record.progress = result, (1, None, "page")
    read = _nats_records.load(record.dump())
    assert read.dump() == record.dump()
    assert (read.payload, read.result, read.due) == (payload, result, 6_500)


@pytest.mark.parametrize(
    ("state", "attempt", "becomes"),
    [
        (JobState.RETRYING, 2, JobState.RETRYING),
        (JobState.QUEUED, 1, JobState.QUEUED),
        (JobState.QUEUED, 2, JobState.RETRYING),
        (JobState.FAILED, 2, JobState.FAILED),
    ],
)
def test_outcome_changes_the_record(state: JobState, attempt: int, becomes: JobState) -> None:
    record = _nats_records.new_record(NEW, "n1", 0, enqueued_us=0)
    record.state, record.attempt = JobState.RUNNING.value, attempt
    outcome = Outcome(Lease("1", 1), state, error="no", retain_s=2.0)
    after, headers = _nats_records.apply(outcome, record, now=10, retention_s=9.0)
    assert after.state == becomes
    assert headers == ({"Nats-TTL": "2s"} if state is JobState.FAILED else {})
    assert record.state == JobState.RUNNING, "the record that was read is not changed"


def test_job_that_was_cancelled_while_it_ran_is_not_retried() -> None:
    record = _nats_records.new_record(NEW, "n1", 0, enqueued_us=0)
    record.state, record.cancelled = JobState.RUNNING.value, True
    outcome = Outcome(Lease("1", 1), JobState.RETRYING, delay_s=5.0)
    after, headers = _nats_records.apply(outcome, record, now=10, retention_s=9.0)
    assert (after.state, headers) == (JobState.CANCELLED, {"Nats-TTL": "9s"})


def test_payload_is_stored_as_it_is_and_delays_are_not_cut_short() -> None:
    arguments = _valkey_records.enqueue_arguments(replace(NEW, delay_s=0.0001), "n1")
    assert arguments[5] == 1
    body = arguments[-1]
    assert isinstance(body, bytes)
    head, _, payload = body.partition(b"\n")
    assert orjson.loads(head)[0] == "count"
    assert payload == NEW.payload


def test_times_with_nanoseconds_are_understood() -> None:
    assert moment("2026-11-22T08:47:19.865013645Z").microsecond == 865_013
    assert moment("2026-11-22T08:47:19Z").microsecond == 0


@pytest.mark.parametrize(("rate", "burst"), [(0.5, 1), (10, 1), (1_000, 100)])
def test_burst_is_a_tenth_of_a_second_and_at_least_one(rate: float, burst: int) -> None:
    assert burst_of(rate) == burst
