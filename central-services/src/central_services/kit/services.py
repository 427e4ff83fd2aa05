"""What a service is to the command line: a name, a port, the engines it needs, and a function that builds it.

A service is a package `<name>_service` with a module `app`, whose `build(settings)` returns the application
(made by `core.app.build_app`), and a module `settings`, whose section is a field of the project's `Settings`.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fastapi import FastAPI

    from ..settings import Settings

_PACKAGE = __name__.partition(".")[0]


class EngineName(StrEnum):
    """The engines that services run on."""

    POSTGRESQL = "postgresql"
    VALKEY = "valkey"
    NATS = "nats"


class _ServiceModule(Protocol):
    """The module `app` of a service."""

    def build(self, settings: Settings) -> FastAPI:
        """Return a new application; nothing is opened before its lifespan starts."""
        ...


class UnknownServiceError(ValueError):
    """There is no such service; the text lists those that there are."""


@dataclass(frozen=True, slots=True)
class Call:
    """That a service calls another.

    Attributes:
        service: The called one.
        permissions: What the caller needs there.
    """

    service: str
    permissions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pages:
    """Pages of a service that people sign in to at the auth service.

    Attributes:
        client_id: What that knows them as.
        name: What people see.
        callback: The path that people are sent back to.
    """

    client_id: str
    name: str
    callback: str


@dataclass(frozen=True, slots=True)
class Service:
    """One service, declared in the table of `central_services.services`. Nothing of it is imported yet.

    Attributes:
        name: What `central serve` takes, such as `auth`; its package is `auth_service`.
        summary: What it is for, in one line.
        port: Where it listens on this machine unless `central` is told otherwise.
        engines: What has to run before it.
        exports: Settings that a project connects to it with, without the project's prefix; `{url}` stands
            for its address, as in `("AUTH__ISSUER", "{url}")`.
        own: Settings of its own that hold its address, in the same form, for when its port is another;
            `{auth}` stands for the address of that service, and leaves the setting out where it does not run.
        calls: The services that it calls, as itself (`identity.py`).
        lets_projects: What a project that is connected to it may do there.
        pages: Its pages for people, if it has any.
    """

    name: str
    summary: str
    port: int
    engines: tuple[EngineName, ...] = ()
    exports: tuple[tuple[str, str], ...] = ()
    own: tuple[tuple[str, str], ...] = ()
    calls: tuple[Call, ...] = ()
    lets_projects: tuple[str, ...] = ()
    pages: Pages | None = None

    @property
    def package(self) -> str:
        """The full name of its package."""
        return f"{_PACKAGE}.{self.name}_service"

    def build(self, settings: Settings) -> FastAPI:
        """Import the service and return a new application."""
        module = cast("_ServiceModule", importlib.import_module(f"{self.package}.app"))
        return module.build(settings)


def choose(services: Sequence[Service], names: Iterable[str]) -> list[Service]:
    """Return the services with these names, each once, in the order of the table; `all` is every one.

    Raises:
        UnknownServiceError: When there is no service of a name.
    """
    wanted = set(names)
    unknown = sorted(wanted - {service.name for service in services} - {"all"})
    if unknown:
        known = ", ".join(["all", *(service.name for service in services)])
        message = f"there is no service {', '.join(unknown)}: choose from {known}"
        raise UnknownServiceError(message)
    return [service for service in services if "all" in wanted or service.name in wanted]


def engines_of(services: Iterable[Service]) -> list[EngineName]:
    """Return the engines that services need, in the order in which they start."""
    needed = {engine for service in services for engine in service.engines}
    return [engine for engine in EngineName if engine in needed]
