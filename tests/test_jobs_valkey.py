"""Background jobs on a real Valkey server: the same promises, under SIGKILL of workers and server."""

from collections.abc import Iterator
from pathlib import Path

import jobs_servers
import pytest
from rendering import Renderer, copy_project
from valkey_server import Valkey

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("jobs-valkey")]


@pytest.fixture
def project(render: Renderer, tmp_path: Path) -> Path:
    return copy_project(render("cookiecutter"), tmp_path / "project")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Valkey]:
    folder = tmp_path / "server"
    folder.mkdir()
    made = Valkey(folder, durable=True)
    yield made
    made.stop()


@pytest.fixture
def run_all(pytestconfig: pytest.Config) -> bool:
    return bool(pytestconfig.getoption("--all"))


def test_what_holds_for_every_store_holds_here(project: Path, server: Valkey) -> None:
    jobs_servers.conforms(project, server.url)


def test_killed_workers_lose_no_job_and_repeat_no_effect(
    project: Path, tmp_path: Path, server: Valkey, run_all: bool
) -> None:
    jobs_servers.survives_kills(project, tmp_path, server, engine="valkey", run_all=run_all)


def test_killed_server_that_comes_back_has_every_job(
    project: Path, tmp_path: Path, server: Valkey
) -> None:
    jobs_servers.survives_outages(project, tmp_path, server)


def test_job_that_blocks_the_loop_for_six_leases_runs_once(
    project: Path, server: Valkey, run_all: bool
) -> None:
    jobs_servers.runs_once_though_blocked(project, server, run_all=run_all)


def test_job_of_a_killed_worker_starts_again_within_its_lease_and_a_second(
    project: Path, server: Valkey
) -> None:
    jobs_servers.reclaims_in_time(project, server)
