# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Back-off, Retry-After, the circuit breaker and the retry budget, without a network."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from central_services.clients import resilience
from central_services.clients.errors import CircuitOpenError
from central_services.clients.resilience import HostRegistry

NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)


@pytest.fixture
def now() -> list[float]:
    """The clock of the registry, to be moved by hand."""
    return [1_000.0]


@pytest.fixture
def host(now):
    registry = HostRegistry(failures=3, reset_s=30.0, budget=0.5, clock=lambda: now[0])
    return registry.get(b"example.com:8443")


@pytest.mark.parametrize(
    ("attempt", "ceiling"), [(1, 0.1), (2, 0.2), (3, 0.4), (7, 5.0), (2_000, 5.0)]
)
def test_backoff_doubles_up_to_a_ceiling_and_may_be_nothing(attempt, ceiling):
    assert resilience.backoff_s(attempt, fraction=lambda: 1.0) == pytest.approx(ceiling)
    assert resilience.backoff_s(attempt, fraction=lambda: 0.0) == 0


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        (" 0 ", 0.0),
        ("Thu, 01 Jan 2026 12:00:30 GMT", 30.0),
        ("Thu, 01 Jan 2026 12:00:30 -0000", 30.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("9" * 5_000, 999_999_999.0),
        ("-1", None),
        ("soon", None),
        ("\u0663", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_seconds_or_a_date(header, seconds):
    assert resilience.parse_retry_after(header, now=NOW) == seconds


def test_breaker_opens_after_failures_in_a_row(host):
    for outcome in (host.failed, host.failed, host.succeeded, host.failed, host.failed):
        outcome()
    assert host.is_closed
    host.failed()
    assert not host.is_closed


def test_open_breaker_says_for_how_long(host, now):
    for _ in range(3):
        host.failed()
    now[0] += 10
    with pytest.raises(CircuitOpenError, match=r"example\.com:8443") as caught:
        host.admit()
    assert caught.value.retry_after_s == 20


def test_probe_that_fails_opens_the_breaker_again(host, now):
    for _ in range(3):
        host.failed()
    now[0] += 31
    host.admit()
    host.failed()
    now[0] += 29
    with pytest.raises(CircuitOpenError):
        host.admit()


def test_stragglers_do_not_keep_a_breaker_open(host, now):
    for _ in range(3):
        host.failed()
    now[0] += 29
    host.failed()
    now[0] += 2
    host.admit()


def test_probe_that_succeeds_closes_the_breaker(host, now):
    for _ in range(3):
        host.failed()
    now[0] += 31
    host.admit()
    host.succeeded()
    host.failed()
    assert host.is_closed


def test_abandoned_probe_leaves_room_for_another(host, now):
    for _ in range(3):
        host.failed()
    now[0] += 31
    host.admit()
    with pytest.raises(CircuitOpenError):
        host.admit()
    host.abandoned()
    host.admit()


def test_answered_calls_earn_retries(host):
    while host.take_retry():
        pass
    host.succeeded()
    assert not host.take_retry()
    host.succeeded()
    assert host.take_retry()


def test_budget_of_nothing_allows_no_retry():
    assert not HostRegistry(failures=3, reset_s=1, budget=0).get(b"a").take_retry()


def test_registry_is_bounded_and_forgets_healthy_hosts_first():
    registry = HostRegistry(failures=1, reset_s=30.0, budget=0.2)
    broken = registry.get(b"broken")
    broken.failed()
    for number in range(2 * resilience.MAX_HOSTS):
        registry.get(b"host-%d" % number)
    assert len(registry) == resilience.MAX_HOSTS
    assert registry.get(b"broken") is broken
