"""What `central up` keeps running: engines and services as units, from the settings and the table."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from string import Formatter
from urllib.parse import urlsplit

from ..core.config import ENV_PREFIX
from ..kit.databases import create_database, database_url
from ..kit.engines.catalogue import ENGINES
from ..kit.engines.engine import PROBE_LIMIT_S, Engine, Place
from ..kit.engines.errors import EngineError
from ..kit.engines.files import make_folder
from ..kit.engines.home import Home, engine_user, is_free
from ..kit.engines.installation import tool_folder
from ..kit.identity import settings_of
from ..kit.services import EngineName, Service
from ..kit.supervision.process import Program
from ..kit.supervision.unit import Unit, UnitError
from ..settings import Settings

SERVICE_STOP_S = 25.0
"""Seconds until a service that does not end is killed: its own limit for open requests is 20."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The units of one `central up`, with what they are addressed by.

    Attributes:
        settings: The settings.
        home: The folder of this machine.
        services: The services that run.
        engines: The engines that they, or projects, need.
    """

    settings: Settings
    home: Home
    services: Sequence[Service]
    engines: Sequence[EngineName]

    def units(self) -> list[Unit]:
        """Return the engines, then the services."""
        return [self._engine(name) for name in self.engines] + [
            self._service(service) for service in self.services
        ]

    def engine_url(self, name: EngineName) -> str:
        """Return the address of an engine, with credentials."""
        elsewhere = self.settings.engines.elsewhere(name)
        return elsewhere or ENGINES[name].url(self._place(ENGINES[name]))

    def service_url(self, service: Service) -> str:
        """Return the address of a service on this machine."""
        return f"http://127.0.0.1:{self._port(service.name, service.port)}"

    def _port(self, name: str, preferred: int) -> int:
        return self.home.port(name, preferred, free=self.settings.engines.ports == "free")

    def _place(self, engine: Engine) -> Place:
        return Place(
            tools=tool_folder(self.home.path),
            data=self.home.data / engine.name,
            port=self._port(engine.name, engine.port),
            password=self.home.credentials()[engine.name],
            user=engine_user(),
        )

    def _engine(self, name: EngineName) -> Unit:
        engine, url = ENGINES[name], self.engine_url(name)
        parts = urlsplit(url)
        here = self.settings.engines.elsewhere(name) is None
        return Unit(
            name=name,
            kind="engine",
            address=f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname),
            answers=partial(engine.answers, url),
            prepare=partial(self._prepare_engine, engine) if here else None,
        )

    async def _prepare_engine(self, engine: Engine) -> Program:
        place = self._place(engine)
        _require_free(engine.name, place.port)
        try:
            await asyncio.to_thread(engine.prepare, place)
            argv, environment = engine.command(place)
        except EngineError as error:
            raise UnitError(str(error)) from error
        return Program(
            argv=argv,
            environment=environment,
            folder=place.data,
            log=self.home.log(engine.name),
            stop=engine.stop,
            stop_limit_s=engine.stop_limit_s,
            user=place.user,
        )

    def _service(self, service: Service) -> Unit:
        url = self.service_url(service)
        return Unit(
            name=service.name,
            kind="service",
            address=url,
            answers=partial(is_ready, url),
            prepare=partial(self._prepare_service, service),
            after=service.engines,
        )

    async def _prepare_service(self, service: Service) -> Program:
        port = self._port(service.name, service.port)
        _require_free(service.name, port)
        folder = make_folder(self.home.data / service.name, None)
        environment = self.environment(service)
        if EngineName.POSTGRESQL in service.engines:
            server = self.engine_url(EngineName.POSTGRESQL)
            url = database_url(server, service.name)
            if environment[f"{ENV_PREFIX}DATABASE__URL"] == url:  # else it is the user's to make
                await asyncio.to_thread(create_database, server, url)
        given = ["serve", service.name, "--migrate", "--port", f"{service.name}={port}"]
        return Program(
            argv=[sys.executable, "-m", str(__package__), *given],
            environment=environment,
            folder=folder,
            log=self.home.log(service.name),
            stop_limit_s=SERVICE_STOP_S,
        )

    def environment(self, service: Service) -> dict[str, str]:
        """Return the variables of a service's process; what the user has set himself stays."""
        folder = self.home.data / service.name
        found = {"AUDIT__PATH": str(folder / "audit"), "JOBS__PATH": str(folder / "jobs.db")}
        found["DATABASE__URL"] = f"sqlite:///{folder / 'service.db'}"
        if EngineName.POSTGRESQL in service.engines:
            server = self.engine_url(EngineName.POSTGRESQL)
            found["DATABASE__URL"] = database_url(server, service.name)
        if EngineName.VALKEY in service.engines:
            found["RATE_LIMIT__URL"] = self.engine_url(EngineName.VALKEY)
        if EngineName.NATS in service.engines:
            found["JOBS__URL"] = self.engine_url(EngineName.NATS)
        url = self.service_url(service)
        urls = {other.name: self.service_url(other) for other in self.services} | {"url": url}
        found |= {
            name: text.format(**urls)
            for name, text in service.own
            if all(field in urls for _, field, _, _ in Formatter().parse(text) if field)
        }
        found |= settings_of(service, self.services, urls, self.home.service_keys())
        if not {"auth", "audit"} <= urls.keys():
            found["CENTRAL_AUDIT__ENABLED"] = "false"  # there is nobody to forward to
        given = {f"{ENV_PREFIX}{name}": value for name, value in found.items()}
        variables = {**given, **os.environ}
        if "PYTHONPATH" in variables:  # which may be relative, and the process runs elsewhere
            paths = variables["PYTHONPATH"].split(os.pathsep)
            variables["PYTHONPATH"] = os.pathsep.join(str(Path(path).absolute()) for path in paths)
        return variables


def stops(services: Sequence[Service]) -> Mapping[str, tuple[signal.Signals, float]]:
    """Return how each unit is ended when its supervisor is gone."""
    engines = {str(e.name): (e.stop, e.stop_limit_s) for e in ENGINES.values()}
    return engines | {s.name: (signal.SIGTERM, SERVICE_STOP_S) for s in services}


def _require_free(name: str, port: int) -> None:
    if not is_free(port):
        raise UnitError(
            f"port {port} of {name} is taken by another program: end that, or choose ports anew with"
            f" `central reset` and {ENV_PREFIX}ENGINES__PORTS=free"
        )


async def is_ready(url: str) -> bool:
    """Tell whether a service says that it is ready."""
    parts = urlsplit(url)
    request = f"GET /health/ready HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        async with asyncio.timeout(PROBE_LIMIT_S):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port or 80)
            try:
                writer.write(request.encode())
                words = (await reader.readline()).split()
                return len(words) > 1 and words[1] == b"200"
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False
