"""NATS with JetStream: streams in files, one user."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from ..services import EngineName
from .engine import PROBE_LIMIT_S, Place
from .files import make_folder, write_secret

USER = "central"


class Nats:
    """One server whose streams are kept in files."""

    name: EngineName = EngineName.NATS
    port: int = 14_222
    stop: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0

    def prepare(self, place: Place) -> None:
        """Write its configuration, which holds the password and the port of this start."""
        make_folder(place.data, place.user)
        settings = {
            "listen": f"127.0.0.1:{place.port}",
            "server_name": "central",
            # Each publish is on the disk before it is acknowledged; the default waits two minutes.
            "jetstream": {"store_dir": str(place.data / "streams"), "sync_interval": "always"},
            "authorization": {"users": [{"user": USER, "password": place.password}]},
        }
        write_secret(place.data / "nats.json", json.dumps(settings, indent=2), place.user)

    def command(self, place: Place) -> tuple[list[str], Mapping[str, str]]:
        """Return the server with its configuration file."""
        program = place.tools / "bin/nats-server"
        return [str(program), "-c", str(place.data / "nats.json")], {"PATH": "/usr/bin:/bin"}

    def url(self, place: Place) -> str:
        """Return the address for its user."""
        return f"nats://{USER}:{quote(place.password)}@127.0.0.1:{place.port}"

    async def answers(self, url: str) -> bool:
        """Tell whether it takes these credentials and has JetStream."""
        parts = urlsplit(url)
        login: dict[str, object] = {"verbose": False, "pedantic": False, "lang": "python"}
        if parts.username:
            login |= {"user": unquote(parts.username), "pass": unquote(parts.password or "")}
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 4222)
                try:
                    greeting = await reader.readline()
                    writer.write(f"CONNECT {json.dumps(login)}\r\nPING\r\n".encode())
                    answer = await reader.readline()
                    info = json.loads(greeting.removeprefix(b"INFO "))
                    return answer == b"PONG\r\n" and bool(info.get("jetstream"))
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError):
            return False
