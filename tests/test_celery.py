"""Jobs on Celery with real brokers: RabbitMQ, and Valkey."""

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
from combinations import head_commit
from processes import run_in
from projects import prefix_of
from rabbitmq_server import RabbitMQ, is_installed
from rendering import Renderer, copy_project, slug_of
from valkey_server import Valkey

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("celery")]

SCRIPT = Path(__file__).resolve().parent / "jobs_crashes.py"
LIMIT_S = 400.0

Broker = Literal["rabbitmq", "valkey"]


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    server = Valkey(tmp_path_factory.mktemp("valkey"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RabbitMQ]:
    if not is_installed():
        assert not os.environ.get("CI"), "CI runs every test: install rabbitmq-server"
        pytest.skip("RabbitMQ is not installed: apt-get install rabbitmq-server")
    server = RabbitMQ(tmp_path_factory.mktemp("rabbitmq"))
    yield server
    server.stop()


@pytest.fixture(params=["rabbitmq", "valkey"])
def broker(request: pytest.FixtureRequest) -> Broker:
    chosen: Broker = request.param
    return chosen


_NUMBERS = itertools.count(1)


@pytest.fixture
def database(valkey: Valkey) -> str:
    """The URL of a database of the server that no other test uses; it has sixteen."""
    return valkey.url.removesuffix("/0") + f"/{next(_NUMBERS)}"


@pytest.fixture
def urls(broker: Broker, request: pytest.FixtureRequest, database: str) -> dict[str, str]:
    """Settings, without the prefix, of a broker; jobs are always written down in Valkey."""
    url = database if broker == "valkey" else request.getfixturevalue("rabbitmq").url
    return {"JOBS__URL": url, "JOBS__STATE_URL": database}


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    rendered = render("cookiecutter", job_engine="celery")
    return copy_project(rendered, tmp_path / "project")


def crash(project: Path, *arguments: str, **variables: str) -> dict[str, Any]:
    """Run a command of `jobs_crashes.py` with settings, and return what it saw."""
    prefix = prefix_of(project)
    settings: dict[str, Any] = {f"{prefix}{name}": value for name, value in variables.items()}
    settings[f"{prefix}JOBS__CONCURRENCY"] = "16"
    done = run_in(
        project, "python", SCRIPT, slug_of(project), *arguments, timeout=LIMIT_S, **settings
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_killed_workers_lose_no_job_and_repeat_no_effect(
    project: Path, tmp_path: Path, urls: dict[str, str], pytestconfig: pytest.Config
) -> None:
    jobs, kills = (10_000, 50) if pytestconfig.getoption("--all") else (300, 5)
    seed = str(int(head_commit()[:8] or "0", 16))
    seen = crash(
        project, "crashes", str(tmp_path), str(jobs), str(kills), seed, JOBS__LEASE_S="3", **urls
    )
    assert seen["kills"] == kills, seen
    assert (seen["effects"], seen["distinct"]) == (jobs, jobs), seen
    assert (seen["left"], seen["dead"], seen["producer"], seen["stopped"]) == (0, 0, 0, [0, 0])


def test_job_that_blocks_the_loop_for_six_leases_runs_once(
    project: Path, urls: dict[str, str], pytestconfig: pytest.Config
) -> None:
    lease_s = 10.0 if pytestconfig.getoption("--all") else 1.0
    seen = crash(project, "blocked", str(6 * lease_s), JOBS__LEASE_S=str(lease_s), **urls)
    assert seen == {"runs": 1, "left": 0, "dead": 0}


def test_rabbitmq_hands_on_the_job_of_a_dead_worker_long_before_its_lease_ends(
    project: Path, rabbitmq: RabbitMQ, database: str
) -> None:
    lease_s = 120.0
    urls = {"JOBS__URL": rabbitmq.url, "JOBS__STATE_URL": database}
    seen = crash(project, "reclaimed", JOBS__LEASE_S=str(lease_s), **urls)
    assert seen["taken_s"] < lease_s / 2


def test_on_valkey_the_job_of_a_dead_worker_starts_again_when_its_lease_has_ended(
    project: Path, database: str
) -> None:
    lease_s, taken = 2.0, list[float]()
    for _ in range(5):
        seen = crash(project, "reclaimed", JOBS__LEASE_S=str(lease_s), JOBS__URL=database)
        taken.append(seen["taken_s"])
        # A machine that is busy with something else can make any one of them late.
        if taken[-1] <= lease_s + 1:
            return
    raise AssertionError(f"seconds from the kill to the next start: {taken}")


def test_tasks_can_rely_on_the_same_as_on_every_engine(project: Path, rabbitmq: RabbitMQ) -> None:
    """Run the rendered tests of tasks, which are the same for every engine, on RabbitMQ.

    Each has a ledger of its own; on Valkey they would find each other's jobs.
    """
    arguments = ["tests/jobs/test_tasks.py", "-q", "--no-cov", "-p", "no:cacheprovider"]
    run_in(project, "python", "-m", "pytest", *arguments, TEST_JOBS_URL=rabbitmq.url)
