# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""When a task runs: cron expressions and intervals, in time zones with their clock changes.

What an expression means is what Debian's cron does, which most people have met:

- Five fields: minute, hour, day of month, month, day of week. Lists, ranges, steps and the English
  names of months and days; `L`, the last day of the month; `mon#2`, the second Monday.
- When neither day field begins with a star, a day that fits one of them fits; else it must fit both.
- Where the clock goes forward, a time that does not exist becomes the first that does. Where it
  goes back, a time that comes twice counts the first time. That is for fixed times; an expression
  whose minute or hour begins with a star goes by the hours that pass: left-out ones are left out,
  repeated ones are repeated.

croniter knows the days and minutes that fit; the clock changes are dealt with here, because
libraries differ there (docs/platform/monitoring.md names how).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import islice, pairwise
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import (  # type: ignore[import-untyped]  # its stubs are another package
    CroniterError,
    croniter,
)

from .errors import ScheduleError

MACROS: Final = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS: Final = ("minute", "hour", "day of month", "month", "day of week")
_BOUNDS: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final[tuple[str, ...]] = tuple(
    "jan feb mar apr may jun jul aug sep oct nov dec".split()  # reads better  # noqa: SIM905  # reads better than twelve quoted names
)
_DAYS: Final[tuple[str, ...]] = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_TERM: Final = re.compile(r"(?P<first>\*|[a-z0-9]+)(?:-(?P<last>[a-z0-9]+))?(?:/(?P<step>[0-9]+))?")
_ZONE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_+/-]{0,63}")
_NTH: Final = re.compile(r"(?P<day>[a-z0-9]+)#(?P<nth>[1-5])")
# Enough to meet the closest pair of any expression of minutes and hours, and both clock changes.
_LOOKED_AT: Final = 200


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression that was understood.

    Attributes:
        text: The expression, five fields with one space between.
        by_elapsed_time: Whether it goes by the hours that pass, not by fixed times.
        either_day: Whether one of the two day fields is enough.
    """

    text: str
    by_elapsed_time: bool
    either_day: bool


def zone(name: str) -> ZoneInfo:
    """Return a time zone.

    Raises:
        ScheduleError: When there is none of this name.
    """
    # A path would be read as one; the names of zones have no dots.
    if _ZONE.fullmatch(name):
        with contextlib.suppress(ZoneInfoNotFoundError, ValueError, OSError):
            return ZoneInfo(name)
    raise ScheduleError(f"there is no time zone {name!r}: write one like Europe/Berlin")


@lru_cache(maxsize=1024)
def parse_cron(expression: str) -> Cron:
    """Return a cron expression, understood.

    Raises:
        ScheduleError: Saying which field is wrong, and why.
    """
    text = " ".join(expression.split()).lower()
    text = MACROS.get(text, text)
    if text.startswith("@"):
        raise ScheduleError(f"{text} is not known: use one of {', '.join(MACROS)}")
    fields = text.split()
    if len(fields) != 5:
        raise ScheduleError(
            f"{len(fields)} fields instead of five: minute, hour, day of month, month, day of week"
        )
    for index, field in enumerate(fields):
        fields[index] = ",".join(_checked(index, term) for term in field.split(","))
    minute, hour, day, _, weekday = fields
    if "#" in weekday and not day.startswith("*"):
        raise ScheduleError("day of week: with # the day of month must be *")
    text = " ".join(fields)
    starred = day.startswith("*") or weekday.startswith("*")
    cron = Cron(text, minute.startswith("*") or hour.startswith("*"), not starred)
    try:
        _iterator(cron, datetime(2024, 1, 1)).get_next(datetime)  # wall-clock time  # noqa: DTZ001  # a time on the wall clock has no zone
    except CroniterError:
        raise ScheduleError(f"{text} never comes: there is no such day") from None
    return cron


def _checked(index: int, term: str) -> str:
    """Return one part of a field, unless it is wrong or programs read it differently.

    Raises:
        ScheduleError: Saying why.
    """
    name, (lowest, highest) = _FIELDS[index], _BOUNDS[index]
    if index == 2 and term == "l":
        return term
    nth = _NTH.fullmatch(term)
    if nth and index == 4:
        _number(index, nth["day"])
        return term
    parts = _TERM.fullmatch(term)
    if parts is None:
        raise ScheduleError(f"{name}: {term!r} is not a number, a range, a list or a step")
    first = None if parts["first"] == "*" else _number(index, parts["first"])
    last, step = parts["last"], parts["step"]
    if step is not None and not 1 <= int(step) <= highest - lowest + 1:
        raise ScheduleError(f"{name}: the step of {term} must be 1 to {highest - lowest + 1}")
    if last is not None:
        if first is None or _number(index, last) < first:
            raise ScheduleError(f"{name}: the range {term} must go up; write two with a comma")
        if _number(index, last) == first:
            return str(first)  # croniter reads 9-9 as any
    elif step is not None and first is not None:
        raise ScheduleError(f"{name}: write {first}-{highest}/{step} instead of {term}")
    return term


def _number(index: int, text: str) -> int:
    """Return the number that a part of a field means.

    Raises:
        ScheduleError: When it is none, or out of bounds.
    """
    name, (lowest, highest) = _FIELDS[index], _BOUNDS[index]
    names = {3: _MONTHS, 4: _DAYS}.get(index, ())
    if text in names:
        return names.index(text) + (1 if index == 3 else 0)
    if not (text.isascii() and text.isdigit() and lowest <= int(text) <= highest):
        raise ScheduleError(f"{name}: {text!r} is not {lowest} to {highest}")
    return int(text)


def _iterator(cron: Cron, start: datetime) -> croniter:
    return croniter(cron.text, start, day_or=cron.either_day)


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a task runs: a cron expression in a time zone, or an interval.

    Attributes:
        cron: The expression, or None.
        interval_s: Seconds between runs; they come at its multiples, counted from 1970.
        timezone: Whose clock the expression reads.
    """

    cron: str | None = None
    interval_s: int | None = None
    timezone: str = "UTC"

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time after a moment, in UTC.

        Raises:
            ScheduleError: When there is none.
        """
        return self.next_times(moment, 1)[0]

    def next_times(self, moment: datetime, count: int) -> list[datetime]:
        """Return the first times after a moment, in UTC; for both, seconds are the unit.

        Raises:
            ScheduleError: When there are not so many.
        """
        moment = moment.astimezone(UTC)
        if self.cron is None:
            step = self.interval_s or 1
            first = (int(moment.timestamp()) // step + 1) * step
            return [datetime.fromtimestamp(first + step * i, UTC) for i in range(count)]
        cron, local = parse_cron(self.cron), zone(self.timezone)
        times = _elapsed_times if cron.by_elapsed_time else _fixed_times
        try:
            return list(islice(times(cron, local, moment), count))
        except CroniterError as error:
            raise ScheduleError(f"{self.cron} does not come again") from error

    def shortest_gap_s(self, moment: datetime) -> float:
        """Return the fewest seconds between two of its next times."""
        if self.interval_s is not None:
            return float(self.interval_s)
        times = self.next_times(moment, _LOOKED_AT)
        return min((b - a).total_seconds() for a, b in pairwise(times))


def _fixed_times(cron: Cron, local: tzinfo, moment: datetime) -> Iterator[datetime]:
    """Yield the times after a moment at which the wall clock fits, each time once."""
    # What is pushed out of a gap may have come before the moment on the wall clock.
    wall = moment.astimezone(local).replace(tzinfo=None) - timedelta(hours=3)
    iterator = _iterator(cron, wall)
    while True:
        instant = _first_existing(iterator.get_next(datetime), local)
        if instant > moment:
            yield instant
            moment = instant


def _first_existing(wall: datetime, local: tzinfo) -> datetime:
    """Return the moment of a wall-clock time: the first of two, or the end of the gap it is in."""
    before = wall.replace(tzinfo=local, fold=0).astimezone(UTC)
    if before.astimezone(local).replace(tzinfo=None) == wall:
        return before
    # PEP 495: in a gap, fold=1 reads the clock after the change, which lies before it.
    early = wall.replace(tzinfo=local, fold=1).astimezone(UTC)
    return _change_between(local, early, before)


def _elapsed_times(cron: Cron, local: tzinfo, moment: datetime) -> Iterator[datetime]:
    """Yield the times after a moment at which the wall clock fits, hour after passing hour."""
    start, included = moment, False
    while True:
        offset = _offset(local, start)
        wall = (start + offset).replace(tzinfo=None)
        iterator = _iterator(cron, wall - timedelta(seconds=1) if included else wall)
        while True:
            instant = (iterator.get_next(datetime) - offset).replace(tzinfo=UTC)
            change = _first_change(local, start, instant)
            if change is not None and instant >= change:
                start, included = change, True  # from there on the clock shows something else
                break
            yield instant
            start = instant


def _offset(local: tzinfo, moment: datetime) -> timedelta:
    return moment.astimezone(local).utcoffset() or timedelta(0)


def _first_change(local: tzinfo, early: datetime, late: datetime) -> datetime | None:
    """Return the first moment after `early`, up to `late`, at which the clock was changed."""
    offset, step = _offset(local, early), timedelta(days=1)  # no zone changes twice in a day
    while early < late:
        later = min(early + step, late)
        if _offset(local, later) != offset:
            return _change_between(local, early, later)
        early = later
    return None


def _change_between(local: tzinfo, early: datetime, late: datetime) -> datetime:
    """Return the first moment, to the second, after `early` whose offset is not that of `early`.

    There must be one change in between.
    """
    offset = _offset(local, early)
    low, high = int(early.timestamp()), int(late.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(local, datetime.fromtimestamp(middle, UTC)) == offset:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)
