# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The commands of `audit`: look at the trail, verify it, prove it, export it, erase from it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from ..core.errors import ServiceError
from .actions import ACTIONS
from .catalogue import ACCESSED, DROPPED, ERASED, HOLD_PLACED, HOLD_RELEASED
from .checkpoint import Checkpoint, CheckpointError, NoteVerifier
from .events import Actor, Sensitivity, utc_now
from .evidence import as_markdown, collect
from .log import AuditLog
from .ocsf import cloud_event
from .proofs import check_proof, prove, publish
from .retention import count_expired, drop_expired, erase_subject, holds
from .sessions import Session, open_log, open_trail
from .trail import Row, Search

audit_app = typer.Typer(help="Look at the audit trail, verify it, prove it.", no_args_is_help=True)
hold_app = typer.Typer(help="Legal holds: what may not be erased.", no_args_is_help=True)
audit_app.add_typer(hold_app, name="hold")

Reveal = Annotated[
    Sensitivity, typer.Option(help="Show fields up to this level; above internal is recorded.")
]
Operator = Annotated[str, typer.Option("--as", help="Your user id, for the record.")]
Since = Annotated[str, typer.Option(help="From this time on (RFC 3339, UTC).")]
Until = Annotated[str, typer.Option(help="Up to this time.")]
KeyFile = Annotated[Path | None, typer.Option(help="File with the log's verification keys.")]


def _fail(message: str) -> NoReturn:
    typer.echo(message, err=True)
    raise typer.Exit(1)


@contextmanager
def _errors() -> Generator[None]:
    """Turn what can go wrong into one line and exit code 1."""
    try:
        yield
    except ServiceError as error:
        _fail(str(error))
    except CheckpointError as error:
        _fail(f"The proof or checkpoint is not valid: {error}.")
    except (OSError, UnicodeDecodeError) as error:
        _fail(f"A file can't be read: {error}.")


@audit_app.command()
def keygen() -> None:
    """Make the two keys that a production service needs."""
    from .keys import new_master_key  # noqa: PLC0415  # beside its only use
    from .sessions import new_signing_key  # noqa: PLC0415  # the same

    typer.echo(f"AUDIT__SIGNING_KEY={new_signing_key()}")
    typer.echo(f"AUDIT__MASTER_KEY={new_master_key()}")


@audit_app.command()
def checkpoint(
    *, key: Annotated[bool, typer.Option("--key", help="Show the verification key.")] = False
) -> None:
    """Print the newest signed checkpoint: keep it where the log's keeper can't change it."""
    with _errors(), open_trail() as session:
        if key:
            typer.echo(session.secrets.signer.verification_key)
            return
        note = session.trail.checkpoint()
        if note is None:
            _fail("Nothing was sealed yet.")
        typer.echo(note, nl=False)


@audit_app.command()
def verify(
    *,
    anchor: Annotated[
        Path | None, typer.Option(help="A checkpoint of this log that was kept elsewhere.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify the whole trail; exit code 1 when anything was changed."""
    with _errors(), open_trail() as session:
        report = session.verify(anchor.read_text("utf-8") if anchor else None)
    if as_json:
        findings = [{"where": f.where, "what": f.what} for f in report.findings]
        rest = {
            name: getattr(report, name) for name in ("size", "unsealed", "checkpoints", "dropped")
        }
        typer.echo(
            json.dumps({**rest, "anchored": report.anchored, "findings": findings}, indent=2)
        )
    else:
        typer.echo(
            f"{report.size} events sealed under {report.checkpoints} checkpoints, "
            f"{report.dropped} records past their retention, {report.unsealed} events waiting."
        )
        if report.anchored is not None:
            typer.echo(f"The log extends the anchor of {report.anchored} events.")
        elif anchor is None:
            typer.echo(
                "Rollback could not be checked: no --anchor, a checkpoint kept elsewhere.", err=True
            )
        for finding in report.findings:
            typer.echo(f"{finding.where}: {finding.what}", err=True)
    if report.findings:
        raise typer.Exit(1)
    if not as_json:
        typer.echo("Nothing was changed.")


@audit_app.command()
def tail(
    *,
    lines: Annotated[int, typer.Option("-n", help="How many events.")] = 20,
    reveal: Reveal = Sensitivity.INTERNAL,
    operator: Operator = "",
) -> None:
    """Show the newest events."""
    with _errors(), open_trail() as session:
        _record_access("tail", reveal, operator)
        for row in reversed(list(session.trail.search(Search(), limit=lines, newest=True))):
            typer.echo(_line(session, row, reveal))


@audit_app.command()
def search(
    *,
    action: Annotated[str, typer.Option(help="An action, or its beginning with a dot.")] = "",
    outcome: Annotated[str, typer.Option(help="success, failure or denied.")] = "",
    target: Annotated[str, typer.Option(help="kind:id")] = "",
    subject: Annotated[str, typer.Option(help="A person's id: all that is about them.")] = "",
    request_id: Annotated[str, typer.Option(help="A request.")] = "",
    since: Since = "",
    until: Until = "",
    limit: Annotated[int, typer.Option(help="How many at most.")] = 1000,
    reveal: Reveal = Sensitivity.INTERNAL,
    operator: Operator = "",
) -> None:
    """Find events."""
    with _errors(), open_trail() as session:
        key = ""
        if subject:
            key = session.keys.find(subject) or _fail("The trail holds nothing about this subject.")
        wanted = Search(action, outcome, target, key, since, until, request_id)
        _record_access("search", reveal, operator, query=f"{wanted}")
        for row in session.trail.search(wanted, limit=limit):
            typer.echo(_line(session, row, reveal))


@audit_app.command()
def export(
    *,
    since: Since = "",
    until: Until = "",
    after: Annotated[int, typer.Option(help="Only from the event after this number on.")] = -1,
    reveal: Reveal = Sensitivity.INTERNAL,
    operator: Operator = "",
) -> None:
    """Print events for a SIEM: OCSF in CloudEvents, one JSON object per line."""
    _register_actions()
    with _errors(), open_trail() as session:
        _record_access("export", reveal, operator)
        for row in session.trail.search(Search(since=since, until=until)):
            if row.seq is not None and row.seq > after:
                shown = session.codec.decode(row.record or "", reveal)
                action = ACTIONS.find(shown["action"])
                event = cloud_event(shown, action, source=session.settings.log_name, seq=row.seq)
                typer.echo(json.dumps(event, ensure_ascii=False, separators=(",", ":")))


@audit_app.command("prove")
def prove_command(event_id: str) -> None:
    """Print a proof that an event is in the log; `check` needs nothing else but the key."""
    with _errors(), open_trail() as session:
        typer.echo(prove(session.trail, event_id))


@audit_app.command()
def check(proof: Path, *, keys: KeyFile = None) -> None:
    """Check a proof, without the trail."""
    with _errors():
        if keys is None:
            with open_trail() as session:
                verifier = session.secrets.verifier
        else:
            verifier = NoteVerifier(keys.read_text("utf-8").split())
        proven = check_proof(proof.read_text("utf-8"), verifier)
    typer.echo(
        f"Event {proven.entry['id']} is entry {proven.seq} of {proven.checkpoint.origin}, "
        f"which had {proven.checkpoint.size} entries, sealed at {proven.entry['sealed']}."
    )


@audit_app.command("publish")
def publish_command(folder: Path) -> None:
    """Write the log as static files for any C2SP client; they name no person."""
    with _errors(), open_trail() as session:
        done: Checkpoint = publish(session.trail, folder)
    typer.echo(f"Wrote {done.size} entries into {folder}.")


@audit_app.command()
def evidence(
    *,
    since: Since = "",
    until: Until = "",
    anchor: Annotated[Path | None, typer.Option(help="A checkpoint kept elsewhere.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Report which controls the trail is evidence for, and the gaps."""
    _register_actions()
    with _errors(), open_trail() as session:
        report = session.verify(anchor.read_text("utf-8") if anchor else None)
        found = collect(session.trail, ACTIONS, session.settings, report, since=since, until=until)
        origin = session.settings.log_name
    if as_json:
        rows: list[dict[str, Any]] = [
            {
                "control": row.control.id,
                "title": row.control.title,
                "status": row.status,
                "events": row.events,
                "actions": row.actions,
                "note": row.note,
            }
            for row in found
        ]
        typer.echo(json.dumps(rows, indent=2))
    else:
        period = f"{since or 'the beginning'} to {until or 'now'}"
        typer.echo(as_markdown(found, origin=origin, period=period), nl=False)


@audit_app.command("erase-subject")
def erase_subject_command(subject: str, *, operator: Operator = "", reason: str = "") -> None:
    """Make all that the trail holds about a person unreadable, for ever; proofs stay valid."""
    with _errors(), open_trail() as session:
        key = erase_subject(session.trail, session.keys, subject)
    if key is None:
        _fail("The trail holds nothing about this subject.")
    _record(ERASED.name, f"subject_key:{key}", operator, {"key": key}, reason)
    typer.echo("Erased.")


@audit_app.command("drop-expired")
def drop_expired_command(*, operator: Operator = "") -> None:
    """Drop the records whose retention has ended; run it from a schedule."""
    now = utc_now()
    with _errors(), open_log() as log:
        dropped, held = count_expired(log.sealer.connection, now)
    # First: should this process die in between, less is gone than was recorded, never more.
    _record(DROPPED.name, "trail:records", operator, {"dropped": dropped, "held": held})
    with _errors(), open_log() as log:
        dropped, held = drop_expired(log.sealer.connection, now)
    typer.echo(f"Dropped {dropped} records; {held} stay under legal hold.")


@hold_app.command("place")
def place(
    name: str,
    *,
    subject: Annotated[str, typer.Option(help="The person; without one, everything.")] = "",
    operator: Operator = "",
    reason: str = "",
) -> None:
    """Forbid to erase or drop what is about a person, or anything at all."""
    with _errors(), open_trail() as session:
        if holds(session.trail).find(name):
            _fail(f"The hold {name} is in force already.")
        key = session.keys.find(subject) if subject else None
        if subject and key is None:
            _fail("The trail holds nothing about this subject.")
    _record(HOLD_PLACED.name, f"hold:{name}", operator, {"hold": name, "key": key}, reason)
    typer.echo(f"{name} is in force.")


@hold_app.command("release")
def release(name: str, *, operator: Operator = "", reason: str = "") -> None:
    """Lift a hold."""
    with _errors(), open_trail() as session:
        hold = holds(session.trail).find(name) or _fail(f"No hold {name} is in force.")
    _record(HOLD_RELEASED.name, f"hold:{name}", operator, {"hold": name, "key": hold.key}, reason)
    typer.echo(f"{name} is released.")


@hold_app.command("list")
def list_holds() -> None:
    """Show the holds in force."""
    with _errors(), open_trail() as session:
        for hold in holds(session.trail).in_force():
            typer.echo(f"{hold.name}\t{hold.key or 'everything'}\tsince {hold.since}")


def _register_actions() -> None:
    """Import the application, whose domains register their actions."""
    from .. import main  # noqa: F401, PLC0415  # builds the application


def _line(session: Session, row: Row, reveal: Sensitivity) -> str:
    shown = session.codec.decode(row.record or "", reveal)
    shown.pop("salt", None)
    return json.dumps({"seq": row.seq, **shown}, ensure_ascii=False)


def _record_access(command: str, reveal: Sensitivity, operator: str, *, query: str = "") -> None:
    """Record that sensitive fields are shown, before they are."""
    if reveal.encrypted:
        if not operator:
            _fail("Say who you are: --as USER. Looking at sensitive fields is recorded.")
        data = {"command": command, "level": reveal, "query": query}
        _record(ACCESSED.name, "trail:records", operator, data)


def _record(
    action: str, target: str, operator: str, data: dict[str, Any], reason: str = ""
) -> None:
    """Record what an operator did with the trail, and seal it."""
    actor = Actor("user", operator) if operator else None

    async def record(log: AuditLog) -> None:
        await log.record(action, target=target, actor=actor, data=data, reason=reason or None)

    with open_log() as log:
        asyncio.run(record(log))
