"""The witness's decision: cosign a checkpoint, or say why not."""

from __future__ import annotations

import os
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from ..audit.checkpoint import CheckpointError, NoteVerifier
from ..audit.errors import AuditKeyError
from ..audit.merkle import EMPTY_ROOT, is_consistent
from ..core.database import Database
from ..kit.cosignatures import Cosigner
from ..kit.inserting import insert_once_async
from ..utils.logging import get_logger
from .errors import (
    InconsistentError,
    MalformedRequestError,
    SplitViewError,
    StaleSizeError,
    UnknownLogError,
    UntrustedSignatureError,
    WitnessKeyError,
)
from .models import WitnessedLogRow
from .requests import AddCheckpoint
from .settings import WitnessSettings

_log = get_logger(__name__)


class LogDirectory(Protocol):
    """Where the key of a log is looked up when its first checkpoint comes."""

    async def find(self, origin: str) -> list[str]:
        """Return the verification keys of a log; none when it is not known, or can't be asked."""
        ...


def new_key() -> str:
    """Return a new key as text."""
    return urlsafe_b64encode(secrets.token_bytes(32)).decode().rstrip("=")


def make_cosigner(settings: WitnessSettings) -> Cosigner:
    """Return the cosigner that the settings name; without a key, one for development.

    Raises:
        WitnessKeyError: The key is malformed.
    """
    text = settings.key.get_secret_value() if settings.key else None
    text = text or _development_key(settings.development_key_file)
    try:
        seed = urlsafe_b64decode(text.strip() + "=" * (-len(text.strip()) % 4))
        return Cosigner(settings.name, seed)
    except (Base64Error, ValueError):
        raise WitnessKeyError(
            "WITNESS__KEY: write 32 bytes in base64url, as `witness keygen` does"
        ) from None


def _development_key(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f"{path.name}.{os.getpid()}")
    made.touch(0o600)
    made.write_text(new_key())
    try:
        path.hardlink_to(made)
    except FileExistsError:
        pass  # another process was faster: its key it is
    finally:
        made.unlink()
    return path.read_text()


@dataclass(frozen=True, slots=True)
class Witness:
    """Cosigns checkpoints of logs that only grow.

    Attributes:
        database: Keeps what was cosigned.
        cosigner: Its key.
        log_keys: Verification keys of the logs that are configured, by origin.
        directory: Knows other logs.
        clock: Tells the time.
    """

    database: Database
    cosigner: Cosigner
    log_keys: dict[str, list[str]]
    directory: LogDirectory
    clock: Callable[[], datetime]

    async def add(self, request: AddCheckpoint) -> str:
        """Return the cosignature line for a checkpoint; it is remembered before it is returned.

        Raises:
            UnknownLogError: The witness does not watch the log.
            UntrustedSignatureError: The log did not sign it.
            MalformedRequestError: The old size is above the new one.
            StaleSizeError: The old size is not the one that was cosigned last.
            SplitViewError: It is another tree of the same size.
            InconsistentError: It does not extend what was cosigned.
        """
        origin = request.checkpoint.origin
        await self._know(origin)
        try:
            async with self.database.transaction() as session:
                row = await self._locked(session, origin)
                _check_signature(request, row.keys.split("\n"))
                _check_growth(request, row)
                now = self.clock()
                row.size, row.root = request.checkpoint.size, request.checkpoint.root
                row.note, row.cosigned_at = request.note, now
                return self.cosigner.cosign(request.text, int(now.timestamp()))
        except (SplitViewError, InconsistentError):
            # The log has signed it: with what was cosigned before this is proof against the log.
            _log.critical("log_inconsistent", origin=origin, note=request.note)
            raise

    async def _know(self, origin: str) -> None:
        """Make a row for a log that is new.

        Raises:
            UnknownLogError: Nobody knows the log.
        """
        async with self.database.read() as session:
            if await session.get(WitnessedLogRow, origin) is not None:
                return
        keys = self.log_keys.get(origin) or await self.directory.find(origin)
        if not keys:
            raise UnknownLogError("This witness does not watch that log.")
        values = {"keys": "\n".join(keys), "size": 0, "root": EMPTY_ROOT, "note": ""}
        async with self.database.transaction() as session:
            await insert_once_async(session, WitnessedLogRow, origin=origin, **values)

    async def _locked(self, session: AsyncSession, origin: str) -> WitnessedLogRow:
        query = select(WitnessedLogRow).where(WitnessedLogRow.origin == origin).with_for_update()
        return (await session.scalars(query)).one()


def keys_by_origin(keys: Iterable[str]) -> dict[str, list[str]]:
    """Return verification keys by the log that they are of."""
    found: dict[str, list[str]] = {}
    for key in keys:
        found.setdefault(key.partition("+")[0], []).append(key)
    return found


def _check_signature(request: AddCheckpoint, keys: list[str]) -> None:
    try:
        NoteVerifier(keys).open(request.note)
    except (CheckpointError, AuditKeyError):
        raise UntrustedSignatureError("No key of the log has signed the checkpoint.") from None


def _check_growth(request: AddCheckpoint, row: WitnessedLogRow) -> None:
    new = request.checkpoint
    if request.old_size > new.size:
        raise MalformedRequestError("The old size is above that of the checkpoint.")
    if request.old_size != row.size:
        raise StaleSizeError(row.size)
    if row.size == 0:
        if request.proof or (new.size == 0 and new.root != EMPTY_ROOT):
            raise InconsistentError("Nothing was cosigned before: there is nothing to prove.")
        return
    if new.size == row.size and new.root != row.root:
        raise SplitViewError("Another tree of this size was cosigned before.")
    if not is_consistent(row.size, row.root, new.size, new.root, request.proof):
        raise InconsistentError("The proof does not hold.")
