"""Trails of a rendered project, for the commands of audit_trails.py and audit_tampering.py."""

import importlib
import random
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

PACKAGE = sys.argv[1]
REFUSAL = {"method": "GET", "route": "/orders/{order_id}", "status": 403}


def part(name: str) -> Any:
    """Return a module of the rendered project's audit package."""
    return importlib.import_module(f"{PACKAGE}.audit.{name}")


def settings(folder: Path) -> Any:
    """Return the settings of a trail in a folder."""
    return importlib.import_module(f"{PACKAGE}.core.audit_settings").AuditSettings(path=folder)


def open_log(folder: Path, *, durable: bool = True) -> Any:
    """Open a trail; without fsync where nobody pulls the plug and there are a thousand of them."""
    log = part("log").AuditLog(settings(folder))
    if not durable:
        for connection in (log.sealer.connection, log.keys._store._file, log._inbox._connection):
            connection.execute("PRAGMA synchronous = OFF")
    return log


def user(name: str) -> Any:
    """Return a person who acts."""
    return part("events").Actor("user", name, address="192.0.2.1")


async def fill(log: Any, count: int, chance: random.Random) -> list[str]:
    """Record events of a few people, sealing after some of them, and return the ids."""
    ids = []
    for number in range(count):
        event = await log.record(
            "access.denied" if chance.random() < 0.7 else "auth.login_failed",
            target=f"route:{chance.randrange(9)}",
            actor=user(f"person-{chance.randrange(6)}"),
            outcome="denied",
            data=REFUSAL,
            reason=f"reason {number}",
        )
        ids.append(event.id)
        if chance.random() < 0.2:
            log.sealer.seal()
    log.sealer.seal()
    return ids


def verified(folder: Path, log_secrets: Any, anchor: str | None) -> list[str]:
    """Return where the verification of a trail finds something."""
    options = settings(folder)
    connect = part("schema").connect
    with closing(connect(folder / "trail.db", read_only=True)) as connection:
        report = (
            part("verify")
            .Verification(
                connection, log_secrets.verifier, options.origin, master=log_secrets.master
            )
            .run(anchor)
        )
    return [f"{finding.where}: {finding.what}" for finding in report.findings]


def checkpoints(folder: Path) -> list[str]:
    """Return the checkpoints of a trail, in order."""
    with closing(sqlite3.connect(folder / "trail.db")) as connection:
        rows = connection.execute("SELECT note FROM checkpoints ORDER BY size")
        return [note for (note,) in rows]
