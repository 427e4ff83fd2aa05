"""`central doctor`: what would keep `central up` from working here, and what to do about it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

import typer

from ..kit.engines.catalogue import ENGINES
from ..kit.engines.home import UNPRIVILEGED, Home, is_free
from ..kit.engines.installation import installer_name, is_installed, tool_folder
from ..services import SERVICES
from ..settings import Settings
from .context import JsonOption, home_of, load_settings, print_json, supervisor_of

FREE_BYTES = 1_000_000_000
"""What the tools (100 MB) and some data take, with air."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        check: What it was.
        fine: Whether it is as it should be.
        detail: What was found, and when it is not fine what to do.
    """

    check: str
    fine: bool
    detail: str


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def doctor(*, as_json: JsonOption = False) -> None:
        """Look at this machine, and say what keeps `central up` from working."""
        settings = load_settings()
        findings = list(examine(settings, home_of(settings)))
        if as_json:
            print_json([asdict(finding) for finding in findings])
        else:
            for finding in findings:
                typer.echo(
                    f"{'ok  ' if finding.fine else 'FAIL'} {finding.check}: {finding.detail}"
                )
        raise typer.Exit(0 if all(finding.fine for finding in findings) else 1)


def examine(settings: Settings, home: Home) -> Iterator[Finding]:
    """Yield everything that was looked at."""
    version = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", True, version)
    yield from _folder(home)
    yield _tools(home)
    up = supervisor_of(home).holder() is not None
    yield Finding("up", True, "yes" if up else "no")
    if not up:
        yield from _ports(home)
    for name, engine in ENGINES.items():
        url = settings.engines.elsewhere(name)
        if url:
            answers = asyncio.run(engine.answers(url))
            detail = "it answers" if answers else "it does not answer, or refuses these credentials"
            yield Finding(f"{name} elsewhere", answers, detail)


def _folder(home: Home) -> Iterator[Finding]:
    blocked = home.blocked_by()
    detail = str(home.path)
    if blocked:
        detail = f"user {UNPRIVILEGED} can't enter {blocked}: set CENTRAL_SERVICES_ENGINES__HOME"
    yield Finding("folder", blocked is None, detail)
    there = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(there).free
    yield Finding("disk", free > FREE_BYTES, f"{free // 1_000_000} MB are free")
    for name in ("credentials", "identities"):
        secret = home.path / f"{name}.json"
        if secret.is_file():
            mode = secret.stat().st_mode & 0o777
            detail = f"mode {mode:04o}" + ("" if mode == 0o600 else f": chmod 600 {secret}")
            yield Finding(name, mode == 0o600, detail)


def _tools(home: Home) -> Finding:
    if is_installed(home.path):
        return Finding("engines", True, f"installed in {tool_folder(home.path)}")
    installer = installer_name()
    if installer is None:
        return Finding("engines", False, "neither uv nor pip can install them: put uv on PATH")
    return Finding("engines", True, f"the first `central up` installs them with {installer}")


def _ports(home: Home) -> Iterator[Finding]:
    """Look at the ports that were chosen; before the first start any taken one is passed by."""
    chosen = home.ports()
    usual = {str(name): engine.port for name, engine in ENGINES.items()}
    usual |= {service.name: service.port for service in SERVICES}
    for name in usual:
        if name in chosen:
            free = is_free(chosen[name])
            detail = f"{chosen[name]} is free"
            if not free:
                detail = f"{chosen[name]} is taken by another program: end that, or `central reset`"
            yield Finding(f"port of {name}", free, detail)
