"""What is shown of jobs on each kind of server: the same, with other names."""

import json
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol

from combinations import head_commit
from jobs_driver import LIMIT_S, crash
from processes import run_in

ENGINES = ("valkey", "nats")
RECLAIM_TRIES = 5
PATIENT = {"JOBS__SERVER_WAIT_S": "60"}


class Server(Protocol):
    """A server that can be killed, and started again with what it had."""

    url: str

    def start(self) -> None:
        """Start it."""

    def kill(self) -> None:
        """End it as a crash does."""


def conforms(project: Path, url: str) -> None:
    """What holds for every store, and what tasks may rely on: the project's own tests."""
    tests = ("tests/jobs/test_stores.py", "tests/jobs/test_tasks.py")
    options = ("-q", "--no-cov", "-p", "no:cacheprovider")
    run_in(project, "python", "-m", "pytest", *tests, *options, timeout=LIMIT_S, TEST_JOBS_URL=url)


def survives_kills(
    project: Path, folder: Path, server: Server, *, engine: str, run_all: bool
) -> None:
    """No job is lost and no effect repeated when workers are killed with jobs in flight.

    The whole number is killed on one engine a commit, in turn, and on both with `--all`.
    """
    seed = int(head_commit()[:8] or "0", 16)
    whole = run_all or ENGINES[seed % len(ENGINES)] == engine
    jobs, kills = (10_000, 50) if whole else (1_000, 5)
    variables = PATIENT | {"JOBS__URL": server.url, "JOBS__LEASE_S": "1"}
    seen = crash(project, "crashes", str(folder), str(jobs), str(kills), str(seed), **variables)
    assert seen["kills"] == kills, seen
    assert (seen["effects"], seen["distinct"]) == (jobs, jobs), seen
    assert (seen["left"], seen["dead"], seen["producer"], seen["stopped"]) == (0, 0, 0, [0, 0])


def survives_outages(project: Path, folder: Path, server: Server) -> None:
    """No job is lost when the server itself is killed, twice, and started again while it is used."""
    variables = PATIENT | {"JOBS__URL": server.url, "JOBS__LEASE_S": "1"}
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(crash, project, "crashes", str(folder), "1500", "0", "1", **variables)
        for effects in (200, 700):
            wait_for_effects(folder / "effects.db", effects)
            server.kill()
            server.start()
        seen = running.result()
    assert (seen["effects"], seen["distinct"]) == (1500, 1500), json.dumps(seen)
    assert (seen["left"], seen["dead"], seen["producer"], seen["stopped"]) == (0, 0, 0, [0, 0])


def wait_for_effects(file: Path, count: int) -> None:
    """Wait until tasks have had so many effects."""
    until = time.monotonic() + LIMIT_S
    while time.monotonic() < until:
        try:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20) as effects:
                found = effects.execute("SELECT count(*) FROM effects").fetchone()[0]
        except sqlite3.OperationalError:  # the driver has not made it yet
            found = 0
        if found >= count:
            return
        time.sleep(0.02)
    raise AssertionError(f"fewer than {count} effects in {LIMIT_S} s")


def runs_once_though_blocked(project: Path, server: Server, *, run_all: bool) -> None:
    """A job that blocks its worker's loop for six leases has no second run."""
    lease_s = 10.0 if run_all else 1.0
    variables = {"JOBS__URL": server.url, "JOBS__LEASE_S": str(lease_s)}
    seen = crash(project, "blocked", str(6 * lease_s), **variables)
    assert seen == {"runs": 1, "left": 0, "dead": 0}


def reclaims_in_time(project: Path, server: Server) -> None:
    """What a dead worker had starts again within its lease and a second."""
    lease_s, taken = 2.0, []
    for attempt in range(RECLAIM_TRIES):
        variables = {
            "JOBS__URL": server.url,
            "JOBS__LEASE_S": str(lease_s),
            "JOBS__NAMESPACE": f"reclaim-{attempt}",
        }
        taken.append(crash(project, "reclaimed", **variables)["taken_s"])
        # A machine that is busy with something else can make any one of them late.
        if taken[-1] <= lease_s + 1:
            return
    raise AssertionError(f"seconds from the kill to the next start: {taken}")
