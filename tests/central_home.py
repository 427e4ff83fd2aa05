"""`central` as a person runs it, with a folder and ports of its own, in the rendered environment."""

import json
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from combinations import ROOT
from processes import clean_environment, rendered_python, show

PROJECT = ROOT / "central-services"
PREFIX = "CENTRAL_SERVICES_"
ENGINES = ("postgresql", "valkey", "nats")
WITH = [word for engine in ENGINES for word in ("--with", engine)]
LIMIT_S = 120


class Central:
    """One installation; what runs in it ends with `close`.

    Attributes:
        home: Its folder.
    """

    def __init__(self) -> None:
        # Not in TMPDIR: the user that the engines run as could not enter.
        self.folder = Path(tempfile.mkdtemp(prefix="slipway-central-", dir="/tmp"))
        self.folder.chmod(0o755)
        self.home = self.folder / "home"
        self.environment = clean_environment(
            online=True,
            PYTHONPATH=str(PROJECT / "src"),
            CENTRAL_SERVICES_ENGINES__HOME=str(self.home),
            CENTRAL_SERVICES_ENGINES__PORTS="free",
            PYTHONDONTWRITEBYTECODE="1",
        )
        self._in_front: list[subprocess.Popen[str]] = []

    def __call__(
        self, *arguments: str, code: int = 0, **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        done = subprocess.run(
            self._command(*arguments),
            cwd=self.folder,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == code, show(done)
        return done

    def in_front(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `central up` as in a terminal, and return it when everything is ready."""
        process = subprocess.Popen(
            self._command("up", *arguments),
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._in_front.append(process)
        assert process.stdout
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith("Ready after"):
                return process
        raise AssertionError("".join(said))

    def status(self) -> dict[str, Any]:
        """Return what `central status` says, whether ready or not."""
        done = subprocess.run(
            self._command("status", "--json"),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        said: dict[str, Any] = json.loads(done.stdout)
        assert (done.returncode == 0) is said["ready"], show(done)
        return said

    def units(self) -> dict[str, dict[str, Any]]:
        """Return how each unit stands, by name, from what `central status` reads."""
        said = json.loads((self.home / "run/status.json").read_text())
        return {unit["name"]: unit for unit in said}

    def is_down(self) -> bool:
        """Tell whether nothing of it runs."""
        written = [path.read_text().strip() for path in self.home.glob("run/*.pid")]
        return not any(alive(int(process)) for process in written if process)

    def ports(self) -> dict[str, int]:
        """Return the ports that were chosen."""
        ports: dict[str, int] = json.loads((self.home / "ports.json").read_text())
        return ports

    def url(self, engine: str) -> str:
        """Return the address of an engine, with credentials."""
        code = (
            "import sys\n"
            "from central_services.command_line.context import home_of, load_settings\n"
            "from central_services.command_line.plan import Plan\n"
            "settings = load_settings()\n"
            "plan = Plan(settings, home_of(settings), (), ())\n"
            "print(plan.engine_url(sys.argv[1]))\n"
        )
        return self.python(code, engine).strip()

    def python(self, code: str, *arguments: str) -> str:
        """Run code in the rendered environment and return what it prints."""
        done = subprocess.run(
            [rendered_python(), "-c", code, *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
        )
        assert done.returncode == 0, show(done)
        return done.stdout

    def sql(self, statement: str) -> str:
        """Run a statement on PostgreSQL and return its first value."""
        code = (
            "import sys, psycopg\n"
            "with psycopg.connect(sys.argv[1]) as connection:\n"
            "    cursor = connection.execute(sys.argv[2])\n"
            "    print(cursor.fetchone()[0] if cursor.description else '')\n"
        )
        return self.python(code, self.url("postgresql"), statement).strip()

    def close(self) -> None:
        """End everything and delete the folder."""
        for process in self._in_front:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(LIMIT_S)
            assert process.stdout
            process.stdout.close()
        if not self.is_down():
            self("down")
        shutil.rmtree(self.folder)

    def _command(self, *arguments: str) -> list[str]:
        return [rendered_python(), "-m", "central_services.command_line", *arguments]


def alive(process: int) -> bool:
    """Tell whether a process runs; one that ended and waits for its parent does not."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text()
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def listens(port: int) -> bool:
    """Tell whether anybody takes connections on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds: Any, what: str, limit_s: float = 60, *, every_s: float = 0.05) -> None:
    """Wait until a function returns something true; it is asked again and again."""
    deadline = time.monotonic() + limit_s
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not happen within {limit_s} s"
        time.sleep(every_s)  # between two looks


def user_of(process: int) -> int:
    """Return the id of the user that a process runs as."""
    return Path(f"/proc/{process}").stat().st_uid
