"""The commands `audit-service ...`: keys, verification, shredding, holds, export."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

if TYPE_CHECKING:
    from ..audit import Action
    from .console import Console

T = TypeVar("T")

audit_service_app = typer.Typer(help="Administer the audit service.", no_args_is_help=True)
hold_app = typer.Typer(help="Legal holds: what may not be shredded.", no_args_is_help=True)
audit_service_app.add_typer(hold_app, name="hold")

Operator = Annotated[str, typer.Option("--as", help="Your user id, for the record.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


def _ended(work: Callable[[], T]) -> T:
    """Return what some work returns, or end with its error."""
    from ..audit.errors import AuditKeyError  # noqa: PLC0415  # heavy
    from ..core.errors import ServiceError  # noqa: PLC0415  # heavy

    try:
        return work()
    except ServiceError as error:
        _fail(error.detail or str(error))
    except AuditKeyError as error:
        _fail(str(error))


def _run(work: Callable[[Console], Awaitable[T]]) -> T:
    """Return what some work returns, or end with its error."""
    # Heavy imports, which no other command needs.
    from ..settings import Settings  # noqa: PLC0415  # see above
    from .console import open_console  # noqa: PLC0415  # see above

    async def main() -> T:
        async with open_console(Settings()) as console:
            return await work(console)

    return _ended(lambda: asyncio.run(main()))


def _record(
    action: Action, target: str, operator: str, data: dict[str, Any], reason: str = ""
) -> None:
    """Record what an operator did in the trail of the service itself."""
    from ..audit import Actor  # noqa: PLC0415  # heavy
    from ..audit.sessions import open_log  # noqa: PLC0415  # heavy

    actor = Actor("user", operator) if operator else None
    with open_log() as log:
        asyncio.run(
            log.record(action, target=target, actor=actor, data=data, reason=reason or None)
        )


@audit_service_app.command()
def keygen() -> None:
    """Print the two keys that a production service needs."""
    from ..settings import Settings  # noqa: PLC0415  # heavy
    from .keys import new_keys  # noqa: PLC0415  # heavy

    signing, master = new_keys(Settings().audit_service.origin)
    typer.echo(f"AUDIT_SERVICE__SIGNING_KEY={signing}")
    typer.echo(f"AUDIT_SERVICE__MASTER_KEY={master}")


@audit_service_app.command()
def move_keys() -> None:
    """Copy the keys of people's data from the file in PATH into KEYS_URL; stop the service before.

    Afterwards delete the file: it is a way back for who is shredded from then on.
    """
    from ..settings import Settings  # noqa: PLC0415  # heavy
    from .keys import move_to_database  # noqa: PLC0415  # heavy

    settings = Settings().audit_service
    count, file = _ended(lambda: move_to_database(settings))
    typer.echo(f"{count} keys are in the database. Delete {file} once you have seen that it works.")


@audit_service_app.command()
def verify(
    tenant: Annotated[str, typer.Argument(help="The tenant; by default every one.")] = "",
) -> None:
    """Recompute the logs from what is stored; exit code 1 when anything was changed."""

    async def work(console: Console) -> list[Any]:
        return await console.verify(tenant)

    reports = _run(work)
    for report in reports:
        typer.echo(
            f"{report.tenant}: {report.size} events sealed under {report.checkpoints} checkpoints,"
            f" {report.erased} without content, {report.unsealed} waiting;"
            f" {report.transfers} transfers."
        )
        for finding in report.findings:
            typer.echo(f"{report.tenant}: {finding.where}: {finding.what}", err=True)
    if tenant and not reports:
        _fail(f"There is no log of {tenant}.")
    if any(report.findings for report in reports):
        raise typer.Exit(1)
    typer.echo("Nothing was changed.")


@audit_service_app.command()
def shred(tenant: str, person: str, *, operator: Operator = "", reason: Reason = "") -> None:
    """Make all that events say about a person unreadable, for ever; proofs stay valid."""
    from .actions import SHREDDED  # noqa: PLC0415  # heavy

    async def work(console: Console) -> tuple[str, int]:
        return await console.trail(tenant).shred(person)

    key, events = _run(work)
    _record(SHREDDED, f"subject_key:{key}", operator, {"tenant": tenant, "key": key}, reason)
    typer.echo(f"Shredded; {events} events lost their content.")


@audit_service_app.command()
def export(
    tenant: str,
    *,
    since: Annotated[datetime | None, typer.Option(help="At or after it, UTC.")] = None,
    until: Annotated[datetime | None, typer.Option(help="Before it, UTC.")] = None,
    after: Annotated[int, typer.Option(help="Only after this index of the log.")] = -1,
    operator: Operator = "",
) -> None:
    """Print the events of a tenant in the order of the log: CloudEvents, one a line."""
    from .actions import EXPORTED  # noqa: PLC0415  # heavy
    from .console import as_utc  # noqa: PLC0415  # heavy

    _record(EXPORTED, f"trail:{tenant}", operator, {"tenant": tenant, "query": f"after={after}"})

    async def work(console: Console) -> None:
        lines = console.trail(tenant).export(after=after, since=as_utc(since), until=as_utc(until))
        async for line in lines:
            sys.stdout.buffer.write(line)
        sys.stdout.buffer.flush()

    _run(work)


@audit_service_app.command("drop-expired")
def drop_expired_command() -> None:
    """Drop contents whose retention has ended; a running service does so by itself."""
    from .actions import DROPPED  # noqa: PLC0415  # heavy

    async def work(console: Console) -> dict[str, tuple[int, int]]:
        return await console.drop_expired()

    counts = _run(work)
    for tenant, (dropped, held) in counts.items():
        if dropped:
            data = {"tenant": tenant, "dropped": dropped, "held": held}
            _record(DROPPED, f"trail:{tenant}", "", data)
    dropped, held = (sum(count[at] for count in counts.values()) for at in (0, 1))
    typer.echo(f"Dropped {dropped} contents; {held} stay under legal hold.")


def _held(tenant: str, hold: str, key: str) -> dict[str, Any]:
    """Return what is recorded of a hold."""
    return {"tenant": tenant, "hold": hold, "key": key}


@hold_app.command("place")
def place(
    tenant: str,
    name: str,
    *,
    person: Annotated[str | None, typer.Option(help="The person; without, everything.")] = None,
    operator: Operator = "",
    reason: Reason = "",
) -> None:
    """Forbid to shred or drop what is about a person, or anything of a tenant."""
    from .actions import HOLD_PLACED  # noqa: PLC0415  # heavy

    async def work(console: Console) -> str:
        return await console.place_hold(tenant, name, person, by=operator)

    key = _run(work)
    _record(HOLD_PLACED, f"hold:{name}", operator, _held(tenant, name, key), reason)
    typer.echo(f"{name} is in force.")


@hold_app.command("release")
def release(tenant: str, name: str, *, operator: Operator = "", reason: Reason = "") -> None:
    """Lift a hold."""
    from .actions import HOLD_RELEASED  # noqa: PLC0415  # heavy

    async def work(console: Console) -> str:
        return await console.release_hold(tenant, name, by=operator)

    key = _run(work)
    _record(HOLD_RELEASED, f"hold:{name}", operator, _held(tenant, name, key), reason)
    typer.echo(f"{name} is released.")


@hold_app.command("list")
def list_holds(tenant: str) -> None:
    """Show the holds in force."""

    async def work(console: Console) -> list[str]:
        return await console.holds(tenant)

    for line in _run(work):
        typer.echo(line)
