"""The folder of `central` on this machine: tools, data, logs, credentials, who runs."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from ..identity import ServiceKeys
from .errors import EngineError
from .files import write_secret

UNPRIVILEGED = 65_534
"""The user that engines run as when `central` is root: nobody. PostgreSQL refuses to be root."""


def default_home() -> Path:
    """Return where everything is kept unless the settings say otherwise."""
    if os.geteuid() == 0:
        return Path("/var/lib/central-services")
    data = os.environ.get("XDG_DATA_HOME")
    return Path(data or Path.home() / ".local/share") / "central-services"


def engine_user() -> int | None:
    """Return the user that engines run as, or None for this process's own."""
    return UNPRIVILEGED if os.geteuid() == 0 else None


@dataclass(frozen=True, slots=True)
class Home:
    """The folder and what is in it.

    Attributes:
        path: The folder.
    """

    path: Path

    @property
    def run(self) -> Path:
        """Who runs."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """What everything prints."""
        return self.path / "logs"

    @property
    def data(self) -> Path:
        """What everything keeps."""
        return self.path / "data"

    @property
    def status(self) -> Path:
        """What the supervisor last said."""
        return self.run / "status.json"

    def log(self, name: str) -> Path:
        """Return the log of an engine or a service."""
        return self.logs / f"{name}.log"

    def make(self) -> None:
        """Make the folder; other users can pass through it when one of them runs the engines.

        Raises:
            EngineError: That user can't reach it.
        """
        mode = 0o700 if engine_user() is None else 0o711
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            for folder in (self.path, self.run, self.logs, self.data):
                folder.mkdir(exist_ok=True)
                folder.chmod(mode)
        except OSError as error:
            raise EngineError(f"{self.path} can't be made: {error}") from error
        blocked = self.blocked_by()
        if blocked:
            raise EngineError(
                f"the engines run as user {UNPRIVILEGED}, who can't enter {blocked}: choose another"
                " folder with CENTRAL_SERVICES_ENGINES__HOME, or start `central` as another user than root"
            )

    def blocked_by(self) -> Path | None:
        """Return the folder on the way that the user of the engines can't enter, or None."""
        if engine_user() is None:
            return None
        way = [*reversed(self.path.absolute().parents), self.path]
        return next((p for p in way if p.is_dir() and not p.stat().st_mode & 0o001), None)

    def credentials(self) -> dict[str, str]:
        """Return the passwords, made when one is first asked for; the file's mode is 0600."""
        return _Passwords(self)

    def service_keys(self) -> ServiceKeys:
        """Return the keys that services call each other with; the file's mode is 0600."""
        return ServiceKeys(self.path / "identities.json")

    def port(self, name: str, preferred: int, *, free: bool) -> int:
        """Return where something listens: once chosen it stays, so that addresses hold.

        Args:
            name: Of the engine or service.
            preferred: Its usual port.
            free: Choose any free port instead of the usual one.
        """
        ports = self.ports()
        if name not in ports:
            usable = not free and preferred not in ports.values() and is_free(preferred)
            ports[name] = preferred if usable else free_port()
            write_secret(self._ports_path, json.dumps(ports, indent=2) + "\n")
        return ports[name]

    def ports(self) -> dict[str, int]:
        """Return the ports that were chosen."""
        path = self._ports_path
        ports: dict[str, int] = json.loads(path.read_text("utf-8")) if path.is_file() else {}
        return ports

    @property
    def _ports_path(self) -> Path:
        return self.path / "ports.json"

    def clear(self) -> None:
        """Delete everything but the tools; nothing may run."""
        for path in sorted(self.path.iterdir()):
            if path.name == "tools":
                continue
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


class _Passwords(dict[str, str]):
    """Passwords by name; a missing one is made and stored."""

    def __init__(self, home: Home) -> None:
        self._path = home.path / "credentials.json"
        stored = json.loads(self._path.read_text("utf-8")) if self._path.is_file() else {}
        super().__init__(stored)

    def __missing__(self, name: str) -> str:
        self[name] = secrets.token_urlsafe(24)
        write_secret(self._path, json.dumps(self, indent=2) + "\n")
        return self[name]


def is_free(port: int) -> bool:
    """Tell whether nobody listens on a port of 127.0.0.1."""
    with socket.socket() as probe:
        # As servers do: a port that was just left is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """Return a port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
