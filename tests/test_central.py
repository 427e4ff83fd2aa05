"""`central` with the real engines: up, down, crashes, and nothing left behind."""

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from central_home import (
    ENGINES,
    LIMIT_S,
    PROJECT,
    WITH,
    Central,
    alive,
    listens,
    user_of,
    wait_until,
)
from combinations import ROOT
from processes import find_uv, show
from rendering import tracked_files
from test_documentation import commands

# One installation for all: each test finds it down and leaves it down.
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("central")]


@pytest.fixture(scope="module")
def installation() -> Iterator[Central]:
    central = Central()
    try:
        central("engines", "install")
        yield central
    finally:
        central.close()


@pytest.fixture
def central(installation: Central) -> Iterator[Central]:
    yield installation
    if not installation.is_down():
        installation("down")


def up(
    central: Central, *arguments: str, code: int = 0, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Start engines, which is what these tests are about; the guide's starts the services, too."""
    return central("up", "--detach", "--engines-only", *arguments, code=code, **environment)


def test_up_starts_real_engines_and_down_leaves_nothing(central: Central) -> None:
    shown = up(central, *WITH).stdout
    units = central.units()
    assert list(units) == list(ENGINES)
    assert all(unit["state"] == "ready" for unit in units.values())
    assert all(name in shown for name in ENGINES)
    assert central.sql("SELECT 40 + 2") == "42"
    assert central.sql("SHOW data_checksums") == "on"
    processes = [unit["pid"] for unit in units.values()]
    supervisor = central.status()["pid"]
    central("down")
    wait_until(lambda: not any(map(alive, [*processes, supervisor])), "their end")
    assert not any(listens(port) for port in central.ports().values())
    assert central.status() == {"up": False, "pid": None, "ready": False, "units": []}


def test_secrets_are_nobody_elses(central: Central) -> None:
    up(central, *WITH)
    credentials = central.home / "credentials.json"
    assert stat.S_IMODE(credentials.stat().st_mode) == 0o600
    passwords = [word for word in credentials.read_text().split('"') if len(word) >= 32]
    assert len(passwords) == len(ENGINES)
    for unit in central.units().values():
        assert user_of(unit["pid"]) != 0
        command = Path(f"/proc/{unit['pid']}/cmdline").read_text()
        assert not any(password in command for password in passwords)
    logs = "".join(path.read_text() for path in central.home.glob("logs/*.log"))
    assert not any(password in logs for password in passwords)


def test_engines_listen_on_this_machine_only(central: Central) -> None:
    up(central, *WITH)
    mine = {f"{port:04X}" for port in central.ports().values()}
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    rows += [line.split() for line in Path("/proc/net/tcp6").read_text().splitlines()[1:]]
    listening = [row[1].split(":") for row in rows if row[3] == "0A"]
    assert {host for host, port in listening if port in mine} == {"0100007F"}


def test_up_twice_is_up_once(central: Central) -> None:
    up(central, "--with", "valkey")
    before = central.status()
    again = central("up", "--engines-only", "--with", "valkey")
    assert f"up already, as process {before['pid']}" in again.stderr
    assert central.status()["units"] == before["units"]


def test_start_after_the_first_needs_no_installer(central: Central) -> None:
    up(central, "--with", "valkey", UV="/bin/false", PATH="/usr/bin:/bin")
    assert central.status()["ready"]


def test_engine_that_dies_is_started_again(central: Central) -> None:
    up(central, "--with", "valkey")
    before = central.units()["valkey"]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: central.units()["valkey"]["restarts"] == 1, "a restart")
    wait_until(lambda: central.units()["valkey"]["state"] == "ready", "readiness")
    after = central.units()["valkey"]
    assert after["pid"] != before["pid"]
    assert after["address"] == before["address"]


def test_killed_supervisor_is_cleaned_up_by_the_next_start(central: Central) -> None:
    """Kill it with SIGKILL: what it ran goes on, is found by its locks, ended, and keeps its data."""
    up(central, *WITH)
    central.sql("CREATE TABLE kept AS SELECT 7 AS n")
    before = central.status()
    left = [unit["pid"] for unit in before["units"]]
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(before["pid"]), "its end")
    assert all(alive(process) for process in left)
    assert not central.status()["up"]

    up(central, *WITH)
    wait_until(lambda: not any(map(alive, left)), "their end")
    assert central.status()["ready"]
    assert central.sql("SELECT n FROM kept") == "7"
    central.sql("DROP TABLE kept")


def test_down_finds_what_a_killed_supervisor_left(central: Central) -> None:
    up(central, "--with", "valkey", "--with", "nats")
    before = central.status()
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: not alive(before["pid"]), "its end")
    assert "left behind: valkey, nats" in central("down").stderr
    wait_until(central.is_down, "their end")
    assert not any(listens(port) for port in central.ports().values())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_stops_everything_in_order(central: Central, number: signal.Signals) -> None:
    process = central.in_front("--engines-only", "--with", "valkey", "--with", "nats")
    units = central.units()
    process.send_signal(number)
    assert process.stdout
    said = process.stdout.read()
    assert process.wait(60) == 0
    assert "valkey: stopped" in said
    assert "nats: stopped" in said
    wait_until(lambda: not any(alive(u["pid"]) for u in units.values()), "their end")
    assert not any(listens(port) for port in central.ports().values())


def test_taken_port_is_named_and_nothing_is_left(central: Central) -> None:
    up(central, "--with", "valkey", "--with", "nats")
    central("down")
    port = central.ports()["valkey"]
    with socket.create_server(("127.0.0.1", port)):
        failed = central("up", "--engines-only", "--with", "valkey", "--with", "nats", code=1)
        assert f"error: valkey: port {port} of valkey is taken by another program" in failed.stderr
        assert "Traceback" not in failed.stderr + failed.stdout
        assert "FAIL port of valkey" in central("doctor", code=1).stdout
        assert "error: it did not start" in up(central, "--with", "valkey", code=1).stderr
    assert not listens(central.ports()["nats"])
    assert not central.status()["up"]


def test_engine_that_runs_elsewhere_is_used_and_not_started(central: Central) -> None:
    up(central, "--with", "valkey")
    url = central.url("valkey")
    other = Central()
    try:
        up(other, "--with", "valkey", CENTRAL_SERVICES_ENGINES__VALKEY=url)
        unit = other.units()["valkey"]
        assert (unit["external"], unit["pid"], unit["state"]) == (True, None, "ready")
        assert not (other.home / "tools").exists()
        other("down")
        assert central.status()["ready"]
    finally:
        other.close()


def test_guide_works_as_written_on_a_fresh_checkout(central: Central) -> None:
    """Install the project as its users do, with uv and its own console script, and follow the page."""
    page = commands(ROOT / "docs/how-to/run-the-central-services.md")
    checkout = central.folder / "checkout"
    for name in tracked_files(PROJECT):
        target = checkout / PROJECT.name / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, target)
    tools = {"PATH": f"{Path(find_uv()).parent}:{os.environ['PATH']}", "UV_PYTHON": sys.executable}
    environment = {k: v for k, v in central.environment.items() if k != "PYTHONPATH"} | tools
    said = {}
    for command in page:
        if command.startswith("cd "):
            checkout /= command.removeprefix("cd ")
            continue
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=checkout,
            env=environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, show(done)
        said[command.removeprefix("uv run ").split(" -")[0]] = done.stdout
    table = "from central_services.services import SERVICES; print(*(s.name for s in SERVICES))"
    for name in ["valkey", *central.python(table).split()]:
        assert re.search(rf"\b{name} .*\bready\b", said["central status"])
    assert "ACME_ORDERS_CACHE__URL=valkey://" in said["central env"]
    assert "Everything is down." in said["central down"]
    wait_until(central.is_down, "the end of everything")


def test_reset_deletes_data_and_passwords_and_keeps_the_tools(central: Central) -> None:
    up(central, "--with", "valkey")
    password = central.url("valkey")
    central("reset", "--yes")
    assert sorted(path.name for path in central.home.iterdir()) == ["tools"]
    up(central, "--with", "valkey", UV="/bin/false")
    assert central.url("valkey") != password
