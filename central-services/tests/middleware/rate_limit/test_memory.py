# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The algorithms that count in this process."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from central_services.middleware.rate_limit.memory import (
    FixedWindow,
    PackedTable,
    SlidingWindow,
    TokenBucket,
)
from central_services.middleware.rate_limit.quota import Quota

LIMITS = st.integers(1, 20)
STEPS = st.lists(
    st.one_of(st.just(0.0), st.floats(0, 3), st.floats(0, 200)), min_size=1, max_size=150
)
START = st.floats(0, 1e8)


def allowed(algorithm, quota: Quota, start: float, steps: list[float]) -> list[float]:
    """Return the times of the requests that were allowed."""
    now, times = start, []
    for step in steps:
        now += step
        if algorithm.hit("client", quota, now) >= 0:
            times.append(now)
    return times


@settings(max_examples=60, deadline=None)
@given(LIMITS, LIMITS, START, STEPS)
def test_a_token_bucket_never_lets_more_through_than_it_promises(
    limit, burst, start, steps
) -> None:
    quota = Quota("q", limit, burst=burst)
    times = allowed(TokenBucket(1_000), quota, start, steps)
    for i, first in enumerate(times):
        for j in range(i, len(times)):
            assert j - i + 1 <= burst + (times[j] - first) / quota.period + 0.001


@settings(max_examples=60, deadline=None)
@given(LIMITS, START, STEPS, st.sampled_from([FixedWindow, SlidingWindow]))
def test_no_window_of_the_clock_has_more_than_the_limit(limit, start, steps, kind) -> None:
    times = allowed(kind(1_000), Quota("q", limit), start, steps)
    windows = [time // 60 for time in times]
    assert all(windows.count(window) <= limit for window in windows)


@settings(max_examples=60, deadline=None)
@given(LIMITS, START, STEPS)
def test_a_sliding_window_never_exceeds_its_weighted_count(limit, start, steps) -> None:
    times = allowed(SlidingWindow(1_000), Quota("q", limit), start, steps)
    for at, time in enumerate(times):
        window = time // 60
        before = sum(t // 60 == window - 1 for t in times[:at])
        current = sum(t // 60 == window for t in times[: at + 1])
        assert before * (1 - time % 60 / 60) + current <= limit + 0.001


@settings(max_examples=60, deadline=None)
@given(LIMITS, START, STEPS, st.sampled_from([TokenBucket, FixedWindow, SlidingWindow]))
def test_whoever_waits_is_let_through_and_nobody_before(limit, start, steps, kind) -> None:
    quota, algorithm, now = Quota("q", limit), kind(1_000), start
    for step in steps:
        now += step
        level = algorithm.hit("client", quota, now)
        if level < 0:
            assert algorithm.hit("client", quota, now - level - 0.01) < 0 or level > -0.011
            now = now - level + 1e-5
            assert algorithm.hit("client", quota, now) >= 0


@pytest.mark.parametrize("kind", [TokenBucket, FixedWindow, SlidingWindow])
def test_200_000_addresses_stay_under_the_cap(kind) -> None:
    algorithm, quota = kind(100_000), Quota("q", 60)
    for number in range(200_000):
        algorithm.hit(f"2001:db8:{number:x}::/64", quota, 1_000.0)
    assert len(algorithm.table) <= 100_000
    assert algorithm.table.nbytes < 80 * 100_000


@pytest.mark.parametrize("kind", [TokenBucket, FixedWindow, SlidingWindow])
def test_a_new_key_takes_no_memory_of_its_own(kind) -> None:
    algorithm, quota = kind(2_000), Quota("q", 60)
    tracemalloc.start()
    try:
        for number in range(1_000):
            algorithm.hit(str(number), quota, 1_000.0)
        assert tracemalloc.get_traced_memory()[0] < 2_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("max_keys", [1, 2, 3, 1_000])
def test_the_cap_holds_at_any_size(max_keys) -> None:
    table = PackedTable(max_keys)
    for number in range(3 * max_keys):
        table.find(str(number))
        assert len(table) <= max(2, max_keys)


def test_a_client_is_remembered_while_half_the_cap_of_others_comes_by() -> None:
    algorithm, quota = TokenBucket(1_000), Quota("q", 1)
    for round_ in range(10):
        refused = algorithm.hit("client", quota, 1.0) < 0
        assert refused == (round_ > 0)
        for number in range(499):
            algorithm.hit(f"{round_} {number}", quota, 1.0)


def test_a_client_that_is_refused_is_remembered_too() -> None:
    algorithm, quota = TokenBucket(1_000), Quota("q", 1)
    assert algorithm.hit("client", quota, 1.0) >= 0
    for number in range(5_000):
        algorithm.hit(str(number), quota, 1.0)
        if number % 100 == 0:
            assert algorithm.hit("client", quota, 1.0) < 0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 99), max_size=100))
def test_the_table_maps_like_a_dictionary(numbers) -> None:
    table, expected = PackedTable(200, 2), {}
    for number, key in enumerate(map(str, numbers), 1):
        index = table.find(key)
        assert table.cells[index] == expected.get(key, 0)
        table.cells[index] = expected[key] = number
    for key, number in expected.items():
        assert table.cells[table.find(key)] == number


def test_different_keys_do_not_share_a_quota() -> None:
    algorithm, quota = TokenBucket(100_000), Quota("q", 1)
    assert all(algorithm.hit(str(n), quota, 1.0) >= 0 for n in range(20_000))
    assert all(algorithm.hit(str(n), quota, 1.0) < 0 for n in range(20_000))


@pytest.mark.parametrize("bad", [{"limit": 0}, {"limit": 2**26}, {"limit": 1, "window": 0}])
def test_a_quota_has_to_allow_something(bad) -> None:
    with pytest.raises(ValueError, match="must allow 1 to"):
        Quota("q", **bad)


@pytest.mark.parametrize("name", ["a\nb", 'a"b', "\u00e9"])
def test_a_quota_needs_a_name_that_can_be_sent(name) -> None:
    with pytest.raises(ValueError, match="printable ASCII"):
        Quota(name, 1)
