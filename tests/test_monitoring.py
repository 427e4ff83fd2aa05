"""Scheduled tasks: schedules against another library, crashes, bad mail servers, certificates."""

import json
import random
import zoneinfo
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from combinations import head_commit
from cronsim import CronSim
from processes import run_in
from projects import prefix_of
from rendering import Renderer, copy_project, slug_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("monitoring")]

RUNS = Path(__file__).with_name("monitoring_runs.py")
MAIL = Path(__file__).with_name("monitoring_mail.py")
LIMIT_S = 400.0
SEED = int(head_commit()[:8] or "0", 16)

HALF_HOUR_ZONES = {"Australia/Lord_Howe", "Australia/LHI"}
"""Where clocks change by half an hour: cronsim goes in whole hours there, and misses half of one."""


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    return copy_project(render("cookiecutter", include_scheduled_tasks=True), tmp_path / "project")


def drive(
    project: Path, script: Path, *arguments: str, stdin: str | None = None, **variables: str
) -> dict[str, Any]:
    """Run a driver in a project and return what it saw; variables are settings without prefix."""
    prefix = prefix_of(project)
    given: dict[str, Any] = {f"{prefix}{name}": value for name, value in variables.items()}
    done = run_in(
        project,
        "python",
        script,
        slug_of(project),
        *arguments,
        stdin=stdin,
        timeout=LIMIT_S,
        **given,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- schedules -----------------------------------------------------------------------------------


def field(chance: random.Random, low: int, high: int) -> str:
    """Return one field of a cron expression."""
    kind = chance.random()
    if kind < 0.3:
        return "*"
    if kind < 0.45:
        return f"*/{chance.randint(1, high - low + 1)}"
    if kind < 0.75:
        return str(chance.randint(low, high))
    if kind < 0.9:
        first, last = sorted((chance.randint(low, high), chance.randint(low, high)))
        step = f"/{chance.randint(1, 5)}" if chance.random() < 0.4 and last > first else ""
        return f"{first}-{last}{step}"
    return ",".join(str(chance.randint(low, high)) for _ in range(chance.randint(2, 4)))


def expression(chance: random.Random) -> str:
    """Return a cron expression, most of them with days that come often."""
    day = month = weekday = "*"
    if chance.random() > 0.6:
        day = "L" if chance.random() < 0.1 else field(chance, 1, 31)
    if chance.random() > 0.6:
        month = field(chance, 1, 12)
    if chance.random() > 0.6:
        nth = f"{chance.randint(0, 6)}#{chance.randint(1, 5)}"
        weekday = nth if day == "*" and chance.random() < 0.1 else field(chance, 0, 7)
    return f"{field(chance, 0, 59)} {field(chance, 0, 23)} {day} {month} {weekday}"


def clock_changes(zone: str) -> Iterator[int]:
    """Yield the seconds since 1970 near which a zone's clock is changed in some years."""
    local = zoneinfo.ZoneInfo(zone)
    moment, end = datetime(2024, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
    offset = moment.astimezone(local).utcoffset()
    while moment < end:
        moment += timedelta(hours=6)
        now = moment.astimezone(local).utcoffset()
        if now != offset:
            yield int(moment.timestamp())
        offset = now


def cases(count: int) -> list[tuple[str, str, int]]:
    """Return expressions with zones and starts, most of those just before a clock change."""
    chance = random.Random(SEED)
    every = sorted(z for z in zoneinfo.available_timezones() if "/" in z and "Etc" not in z)
    zones = chance.sample(every, max(40, count // 40))
    known: dict[str, list[int]] = {}
    found: list[tuple[str, str, int]] = []
    while len(found) < count:
        zone = chance.choice(zones)
        changes = known.setdefault(zone, list(clock_changes(zone)))
        start = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()) + chance.randrange(
            3 * 366 * 86_400
        )
        if changes and chance.random() < 0.7:
            # Six hours for the step above: never inside an hour that comes twice.
            start = chance.choice(changes) - 6 * 3600 - chance.randrange(36 * 3600)
        found.append((expression(chance), zone, start))
    return found


def test_random_expressions_agree_with_another_library_on_their_next_times(
    project: Path, pytestconfig: pytest.Config
) -> None:
    every = cases(10_000 if pytestconfig.getoption("--all") else 1_000)
    found = drive(project, RUNS, "schedules", stdin=json.dumps(every))["found"]
    refused, explained, agreed = 0, 0, 0
    for (cron, zone, start), ours in zip(every, found, strict=True):
        if isinstance(ours, str):  # a day that never comes, or a step out of bounds
            assert "never comes" in ours or "write" in ours or "must" in ours, (cron, ours)
            refused += 1
            continue
        other = CronSim(cron, datetime.fromtimestamp(start, zoneinfo.ZoneInfo(zone)))
        theirs = [int(next(other).timestamp()) for _ in range(20)]
        agreed += ours == theirs
        if ours != theirs:
            assert zone in HALF_HOUR_ZONES, (cron, zone, start, ours, theirs)
            explained += 1
    assert agreed > 0.9 * len(every), (agreed, refused, explained)
    assert explained < 0.01 * len(every)


def test_the_three_ways_in_which_the_libraries_differ_are_as_documented(project: Path) -> None:
    berlin = zoneinfo.ZoneInfo("Europe/Berlin")
    inside = datetime(2026, 10, 25, 2, 10, tzinfo=berlin, fold=1)
    lord_howe = zoneinfo.ZoneInfo("Australia/Lord_Howe")
    spring = datetime(2025, 10, 4, 12, tzinfo=lord_howe)
    beirut = zoneinfo.ZoneInfo("Asia/Beirut")
    eve = datetime(2026, 3, 28, 12, tzinfo=beirut)  # 00:00 on the 29th becomes 01:00
    asked = [
        ("30 2 * * *", inside),
        ("0 3-9 * * *", spring.replace(hour=0)),
        ("*/30 0 29 3 *", eve),
    ]
    stdin = json.dumps([(cron, str(start.tzinfo), int(start.timestamp())) for cron, start in asked])
    ours = [times[0] for times in drive(project, RUNS, "schedules", stdin=stdin)["found"]]
    theirs = [int(next(CronSim(cron, start)).timestamp()) for cron, start in asked]
    assert theirs[0] < inside.timestamp() < ours[0], "it returns what has been"
    assert theirs[1] == ours[1], "fixed times are no different there"
    assert datetime.fromtimestamp(ours[2], beirut).year == 2027
    assert datetime.fromtimestamp(theirs[2], beirut).year == 2026, "it makes up an hour"


# --- crashes -------------------------------------------------------------------------------------


def test_twenty_writers_and_kills_lose_no_update_and_leave_a_valid_file(
    project: Path, tmp_path: Path
) -> None:
    seen = drive(project, RUNS, "writers", str(tmp_path), "20", "15", "30", str(SEED))
    assert (seen["unfinished"], seen["kills"]) == (0, 30), seen
    assert (seen["invalid"], seen["lost"], seen["invented"]) == (0, [], []), seen
    assert seen["acknowledged"] >= 20 * 15 * 2
    names = {"presets.json", "presets.lock", "presets.history.jsonl"}
    assert set(seen["left_over"]) >= names


def test_two_schedulers_that_restart_and_die_run_each_of_300_ticks_once(
    project: Path, tmp_path: Path
) -> None:
    ticks = 300
    seen = drive(
        project,
        RUNS,
        "schedulers",
        str(tmp_path),
        str(ticks),
        str(SEED),
        MONITORING__PRESETS_PATH=str(tmp_path / "presets.json"),
        MONITORING__SCHEDULER="false",
        JOBS__PATH=str(tmp_path / "jobs.db"),
        MAIL__RECORDS_PATH=str(tmp_path / "mail.db"),
        LOG_LEVEL="CRITICAL",
    )
    assert (seen["checks"], seen["jobs"], seen["distinct"]) == (ticks, ticks, ticks), seen
    assert seen["twice"] == 0
    assert seen["restarts"] > 10
    assert seen["crashes"] > 10


# --- mail ----------------------------------------------------------------------------------------


def test_every_change_reaches_people_over_a_server_that_fails(
    project: Path, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    runs = 1_000 if pytestconfig.getoption("--all") else 200
    seen = drive(project, MAIL, str(tmp_path), str(runs), str(SEED), LOG_LEVEL="CRITICAL")
    assert (seen["missing"], seen["invented"], seen["pending"]) == ([], [], 0), seen
    assert seen["in_order"]
    assert seen["changes"] > runs / 3
    assert (seen["ids_per_change"], seen["distinct_ids"]) == (1, seen["changes"]), "Message-IDs"
    assert seen["duplicates"] <= seen["lost_replies"], seen
    assert min(seen[kind] for kind in ("lost_replies", "hung_up", "deferred", "refused")) > 0
    said = ["works again" if "works again" in line else "fails" for line in seen["told"]]
    assert said == ["fails", "works again"] * seen["outages"], seen["told"]
    assert seen["markup"] == 0, "HTML of a task reached a message"
