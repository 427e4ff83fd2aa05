# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `audit` for the central service: forward, look at receipts, verify one offline."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeVar

import typer

from ..clients.audit import AuditServiceUnavailableError, verify_receipt
from ..core.app import open_central_audit
from ..core.errors import ServiceError
from .checkpoint import CheckpointError, NoteVerifier
from .forwarder import Forwarder, open_forwarder
from .forwarding import Backlog, Forwarding
from .sessions import open_trail

if TYPE_CHECKING:
    from ..core.config import PlatformSettings

T = TypeVar("T")
Load = Callable[[], "PlatformSettings"]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def _errors() -> Generator[None]:
    """Turn what can go wrong into one line and exit code 1."""
    try:
        yield
    except (ServiceError, AuditServiceUnavailableError) as error:
        _fail(str(error))
    except CheckpointError as error:
        _fail(f"The receipt is not valid: {error}.")
    except (OSError, UnicodeDecodeError, sqlite3.Error) as error:
        _fail(f"A file can't be read: {error}.")


async def _forward(settings: PlatformSettings) -> Backlog:
    """Send all that waits and fetch the receipts that are there; return what is left."""
    from .. import main  # noqa: F401, PLC0415  # builds the application, whose domains register actions

    with open_trail() as session:
        async with (
            open_central_audit(settings) as client,
            open_forwarder(
                settings.central_audit, client, session.settings, session.codec
            ) as forwarder,
        ):
            await _drain(forwarder)
            return await forwarder.backlog()


async def _drain(forwarder: Forwarder) -> None:
    while await forwarder.step():
        pass


def add_forwarding_commands(app: typer.Typer, load: Load) -> None:
    """Add the commands.

    Args:
        app: The commands of `audit`.
        load: Returns the settings, or ends with what is wrong with them.
    """

    @app.command()
    def forward(
        *,
        again: Annotated[
            bool, typer.Option("--refused", help="Send what the service refused once more.")
        ] = False,
    ) -> None:
        """Send what waits to the central service now, and fetch receipts; safe beside the service."""
        settings = load()
        with _errors():
            if again:
                _with_forwarding(settings, lambda kept: kept.try_refused_again())
            left = asyncio.run(_forward(settings))
        typer.echo(_sentence(left))
        if left.waiting or left.refused:
            raise typer.Exit(1)

    @app.command()
    def forwarding(
        *, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False
    ) -> None:
        """Show how far forwarding is, and what the central service refused."""
        settings = load()
        with _errors(), open_trail() as session:
            size = session.trail.size()
            found = _with_forwarding(settings, lambda kept: kept.backlog(size))
            refused = _with_forwarding(settings, lambda kept: kept.faulty(100))
        if as_json:
            faults = [{"id": one.id, "reason": one.reason} for one in refused]
            typer.echo(json.dumps({**asdict(found), "faults": faults}, indent=2))
            return
        typer.echo(_sentence(found))
        for one in refused:
            typer.echo(f"{one.id}\t{one.reason}")

    @app.command()
    def receipt(event_id: str) -> None:
        """Print an event as it was sent, with its receipt; `verify-receipt` needs nothing else."""
        settings = load()
        with _errors():
            found = _with_forwarding(settings, lambda kept: kept.find(event_id))
        if found is None:
            _fail(f"Event {event_id} was not forwarded yet, or there is none.")
        if found.receipt is None:
            _fail(f"Event {event_id} has no receipt yet (it is {found.state}).")
        bundle = {"event": json.loads(found.event), "receipt": found.receipt}
        typer.echo(json.dumps(bundle, indent=2, ensure_ascii=False))

    @app.command("verify-receipt")
    def verify_receipt_command(
        bundle: Annotated[Path, typer.Argument(help="What `audit receipt` printed.")],
        *,
        keys: Annotated[
            Path | None, typer.Option(help="File with the verification keys of the service's log.")
        ] = None,
    ) -> None:
        """Check that an event is in the central service's log, without asking anybody."""
        settings = load()
        with _errors():
            known = settings.central_audit.keys if keys is None else keys.read_text("utf-8").split()
            event, text = _read(bundle)
            proven = verify_receipt(text, event, NoteVerifier(known))
        typer.echo(
            f"Event {event['id']} is entry {proven.seq} of {proven.checkpoint.origin}, "
            f"which had {proven.checkpoint.size} entries."
        )


def _with_forwarding(settings: PlatformSettings, work: Callable[[Forwarding], T]) -> T:
    kept = Forwarding(settings.audit.path)
    try:
        return work(kept)
    finally:
        kept.close()


def _read(path: Path) -> tuple[dict[str, Any], str]:
    try:
        bundle = json.loads(path.read_text("utf-8"))
        event, text = bundle["event"], bundle["receipt"]
        if isinstance(event, dict) and isinstance(text, str) and "id" in event:
            return event, text
    except (ValueError, KeyError, TypeError):
        pass
    raise CheckpointError("not what `audit receipt` printed")


def _sentence(found: Backlog) -> str:
    return (
        f"{found.sent} events sent, {found.waiting} waiting, {found.without_receipt} without a"
        f" receipt, {found.refused} refused."
    )
