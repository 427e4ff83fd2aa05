"""Background jobs under SIGKILL, with blocked loops and with transactions that are rolled back."""

import json
from pathlib import Path
from typing import Any

import pytest
from combinations import head_commit
from processes import run_in
from projects import prefix_of
from rendering import Renderer, copy_project, slug_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs")]

SCRIPT = Path(__file__).resolve().parent / "jobs_crashes.py"
LIMIT_S = 400.0


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    return copy_project(render("cookiecutter"), tmp_path / "project")


def crash(project: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run the driver on a project's own queue, and return what it saw.

    Args:
        project: A rendered project that may be written to.
        arguments: A command of `jobs_crashes.py`.
        variables: Settings, without the prefix; `JOBS__URL` names another store than the embedded.
    """
    prefix = prefix_of(project)
    folder = project / "data"
    folder.mkdir(exist_ok=True)
    settings: dict[str, Any] = {
        f"{prefix}{name}": value
        for name, value in {"JOBS__PATH": str(folder / "jobs.db"), **variables}.items()
    }
    done = run_in(
        project, "python", SCRIPT, slug_of(project), *arguments, timeout=LIMIT_S, **settings
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_fifty_killed_workers_lose_no_job_and_repeat_no_effect(
    project: Path, tmp_path: Path
) -> None:
    jobs, kills, seed = 10_000, 50, str(int(head_commit()[:8] or "0", 16))
    seen = crash(project, "crashes", str(tmp_path), str(jobs), str(kills), seed, JOBS__LEASE_S="1")
    assert seen["kills"] == kills, seen
    assert (seen["effects"], seen["distinct"]) == (jobs, jobs), seen
    assert (seen["left"], seen["dead"], seen["producer"], seen["stopped"]) == (0, 0, 0, [0, 0])
    assert seen["runs"] > jobs, "no worker was killed between an effect and the end of its job"


def test_job_that_blocks_the_loop_for_six_leases_runs_once(
    project: Path, pytestconfig: pytest.Config
) -> None:
    lease_s = 10.0 if pytestconfig.getoption("--all") else 1.0
    seen = crash(project, "blocked", str(6 * lease_s), JOBS__LEASE_S=str(lease_s))
    assert seen == {"runs": 1, "left": 0, "dead": 0}


def test_job_of_a_killed_worker_starts_again_within_its_lease_and_a_second(
    project: Path, tmp_path: Path
) -> None:
    lease_s = 2.0
    taken = []
    for attempt in range(5):
        path = str(tmp_path / f"{attempt}.db")
        seen = crash(project, "reclaimed", JOBS__LEASE_S=str(lease_s), JOBS__PATH=path)
        taken.append(seen["taken_s"])
        # A machine that is busy with something else can make any one of them late.
        if taken[-1] <= lease_s + 1:
            return
    raise AssertionError(f"seconds from the kill to the next start: {taken}")


def test_thousand_rolled_back_transactions_enqueue_nothing_and_a_committed_one_survives_a_kill(
    render: Renderer, tmp_path: Path
) -> None:
    rendered = render("cookiecutter", include_database=True)
    project = copy_project(rendered, tmp_path / "project")
    run_in(project, "python", "-m", slug_of(project), "db", "upgrade")
    seen = crash(project, "transactions", "1000")
    assert len(seen["committed"]) == 32
    assert seen["before"] == []
    assert seen["after"] == [seen["committed"]]
