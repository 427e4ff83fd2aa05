# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""When tasks run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from {{ cookiecutter.project_slug }}.monitoring.errors import ScheduleError
from {{ cookiecutter.project_slug }}.monitoring.schedule import (
    Schedule,
    parse_cron,
    zone,
)


def local_times(cron: str, zone_name: str, after: datetime, count: int) -> list[str]:
    """Return the next times as clocks there show them."""
    times = Schedule(cron=cron, timezone=zone_name).next_times(after, count)
    return [moment.astimezone(zone(zone_name)).strftime("%d %H:%M %z") for moment in times]


def test_time_that_the_clock_leaves_out_becomes_the_first_that_is_there() -> None:
    before = datetime(2026, 3, 28, 12, tzinfo=UTC)  # Berlin: 02:00 on the 29th becomes 03:00
    assert local_times("30 2 * * *", "Europe/Berlin", before, 2) == [
        "29 03:00 +0200",
        "30 02:30 +0200",
    ]


def test_time_that_comes_twice_counts_once() -> None:
    before = datetime(2026, 10, 24, 12, tzinfo=UTC)  # Berlin: 03:00 on the 25th becomes 02:00
    assert local_times("30 2 * * *", "Europe/Berlin", before, 2) == [
        "25 02:30 +0200",
        "26 02:30 +0100",
    ]


def test_what_runs_all_the_time_goes_by_the_hours_that_pass() -> None:
    spring = datetime(2026, 3, 29, 0, 45, tzinfo=UTC)
    assert local_times("*/30 * * * *", "Europe/Berlin", spring, 2) == [
        "29 03:00 +0200",
        "29 03:30 +0200",
    ]
    autumn = datetime(2026, 10, 25, 0, 15, tzinfo=UTC)
    assert local_times("*/30 * * * *", "Europe/Berlin", autumn, 3) == [
        "25 02:30 +0200",
        "25 02:00 +0100",
        "25 02:30 +0100",
    ]


def test_both_times_of_a_yearly_hour_that_comes_twice_are_found() -> None:
    before = datetime(2026, 10, 25, 0, 59, tzinfo=UTC)  # within the first of the two hours
    assert local_times("*/30 2 25 10 *", "Europe/Berlin", before, 2) == [
        "25 02:00 +0100",
        "25 02:30 +0100",
    ]


def test_a_day_that_fits_either_field_is_enough_when_neither_begins_with_a_star() -> None:
    after = datetime(2026, 6, 1, tzinfo=UTC)
    assert local_times("0 0 13 * fri", "UTC", after, 3) == [
        "05 00:00 +0000",
        "12 00:00 +0000",
        "13 00:00 +0000",
    ]
    assert local_times("0 0 */2 * fri", "UTC", after, 2) == ["05 00:00 +0000", "19 00:00 +0000"]


@pytest.mark.parametrize(
    ("cron", "said"),
    [
        ("* * * *", "4 fields instead of five"),
        ("61 * * * *", "minute: '61' is not 0 to 59"),
        ("* * * * fri-mon", "must go up"),
        ("5/10 * * * *", "write 5-59/10"),
        ("*/0 * * * *", "step"),
        ("0 0 30 2 *", "never comes"),
        ("0 0 1 * mon#1", "with # the day of month must be *"),
        ("@reboot", "use one of @hourly"),
        ("0 0 * * * ; rm", "7 fields"),
        ("0 0 * * <b>", "'<b>' is not a number"),
    ],
)
def test_bad_expression_is_refused_with_the_reason(cron: str, said: str) -> None:
    with pytest.raises(ScheduleError, match=said.replace("*", r"\*").replace("[", r"\[")):
        parse_cron(cron)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "../etc/passwd", "/etc/localtime", "", "UTC "])
def test_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(ScheduleError, match="there is no time zone"):
        zone(name)


def test_range_of_one_value_means_that_value() -> None:
    assert parse_cron("0 9-9 * * *").text == "0 9 * * *"


def test_intervals_come_at_the_same_times_for_everybody() -> None:
    schedule = Schedule(interval_s=300)
    for second in (0, 1, 299):
        after = datetime(2026, 3, 2, 12, 0, tzinfo=UTC).timestamp() + second
        found = schedule.next_after(datetime.fromtimestamp(after, UTC))
        assert found == datetime(2026, 3, 2, 12, 5, tzinfo=UTC)


def test_shortest_gap_is_that_of_the_closest_two_runs() -> None:
    schedule = Schedule(cron="0,59 23,0 * * *")
    assert schedule.shortest_gap_s(datetime(2026, 1, 1, tzinfo=UTC)) == 60
