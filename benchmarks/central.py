"""Seconds until the central services and their engines are ready: the first time, again, after a crash.

Whole commands as a person types them, `central up --detach` and `central down`, with every engine and every
service, in a folder of their own on free ports. The first start installs the engines from wheels that this
machine has: their download is the network's. A start after that has no installer, so it can't use the network.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

import central_auth
from rows import Row
from services import ROOT, BenchmarkError, service_python

FIRST_S, AGAIN_S = 60.0, 10.0
EVENTS_PER_S, ACKNOWLEDGED_MS, RECEIPT_S = 1_000.0, 150.0, 2.0
ENGINES = ("postgresql", "valkey", "nats")


class _Central:
    """One installation in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment = {
            k: v for k, v in os.environ.items() if "CENTRAL_SERVICES_" not in k
        } | {
            "PYTHONPATH": str(ROOT / "central-services/src"),
            "CENTRAL_SERVICES_ENGINES__HOME": str(folder / "home"),
            "CENTRAL_SERVICES_ENGINES__PORTS": "free",
        }

    def run(self, *arguments: str, **environment: str) -> tuple[float, str]:
        """Run a command, and return how long it took and what it printed.

        Raises:
            BenchmarkError: When it fails.
        """
        begun = time.perf_counter()
        done = subprocess.run(
            [service_python(), "-m", "central_services.command_line", *arguments],
            cwd=self._folder,
            env=self._environment | environment,
            capture_output=True,
            text=True,
        )
        taken = time.perf_counter() - begun
        if done.returncode:
            raise BenchmarkError(f"central {' '.join(arguments)}:\n{done.stdout}{done.stderr}")
        return taken, done.stdout

    def up(self, **environment: str) -> float:
        """Start everything."""
        more = [word for engine in ENGINES for word in ("--with", engine)]
        return self.run("up", "--detach", *more, **environment)[0]

    def kill(self) -> None:
        """End the supervisor as a crash does, and leave what it ran."""
        process = int(json.loads(self.run("status", "--json")[1])["pid"])
        os.kill(process, signal.SIGKILL)


def measure(project: Path, *, quick: bool) -> list[Row]:
    """Return the seconds that each kind of start takes.

    Args:
        project: Not looked at: `central-services/` is.
        quick: One round, for a first signal.

    Raises:
        BenchmarkError: When a command fails.
    """
    del project
    first, again, crashed, down = [], [], [], []
    for _ in range(1 if quick else 3):
        # Not in TMPDIR: the user that the engines run as, where this one is root, has to pass.
        folder = Path(tempfile.mkdtemp(prefix="slipway-central-", dir="/tmp"))
        folder.chmod(0o755)
        central = _Central(folder)
        try:
            first.append(central.up())
            central.run("down")
            again.append(central.up(UV="/bin/false"))
            central.kill()
            crashed.append(central.up(UV="/bin/false"))
            down.append(central.run("down")[0])
        finally:
            central.run("down")
            shutil.rmtree(folder)
    bars = {"first": f"at most {FIRST_S:.0f}", "again": f"at most {AGAIN_S:.0f}"}
    return [
        Row(
            "central up, first, wheels on this machine", _middle(first), "s", FIRST_S, bars["first"]
        ),
        Row("central up, again, without a network", _middle(again), "s", AGAIN_S, bars["again"]),
        Row("central up after kill -9 of itself", _middle(crashed), "s"),
        Row("central down", _middle(down), "s"),
        *_audit_rows(2 if quick else 10),
        *central_auth.rows(2 if quick else 20),
    ]


def _audit_rows(seconds: int) -> list[Row]:
    """Return what the audit service acknowledges, fsync on, SQLite, without the network's part."""
    most, paced = _acknowledged(seconds, 0), _acknowledged(seconds, int(EVENTS_PER_S))
    proven = _acknowledged(seconds, int(EVENTS_PER_S), "receipts")
    bars = (
        f"at least {EVENTS_PER_S:,.0f}",
        f"at most {ACKNOWLEDGED_MS:.0f}",
        f"at most {RECEIPT_S:.0f}",
    )
    return [
        Row("audit events acknowledged a second", most["events_per_s"], "", EVENTS_PER_S, bars[0]),
        Row("audit batch at 1,000/s, p99", paced["p99_ms"], "ms", ACKNOWLEDGED_MS, bars[1]),
        Row("audit receipt at 1,000/s, slowest", proven["receipt_s"], "s", RECEIPT_S, bars[2]),
    ]


def _acknowledged(seconds: int, rate: int, *more: str) -> dict[str, float]:
    """Return what the driver of the audit service's tests measures on a new database."""
    with tempfile.TemporaryDirectory(prefix="slipway-audit-") as name:
        folder, prefix = Path(name), "CENTRAL_SERVICES_"
        environment = {k: v for k, v in os.environ.items() if prefix not in k} | {
            "PYTHONPATH": str(ROOT / "central-services/src"),
            f"{prefix}LOG_LEVEL": "CRITICAL",
            f"{prefix}DATABASE__URL": f"sqlite:///{folder / 'service.db'}",
            f"{prefix}AUDIT__PATH": str(folder / "own-trail"),
            f"{prefix}JOBS__PATH": str(folder / "jobs.db"),
            f"{prefix}AUDIT_SERVICE__PATH": str(folder / "keys"),
        }
        said = ""
        driver = str(ROOT / "tests/audit_service_driver.py")
        for command in (
            ["-m", "central_services", "db", "upgrade"],
            [driver, "load", str(seconds), str(rate), *more],
        ):
            done = subprocess.run(
                [service_python(), *command],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
            )
            if done.returncode:
                raise BenchmarkError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")
            said = done.stdout.splitlines()[-1]
    found: dict[str, float] = json.loads(said)
    return found


def _middle(taken: list[float]) -> float:
    return statistics.median(taken)
