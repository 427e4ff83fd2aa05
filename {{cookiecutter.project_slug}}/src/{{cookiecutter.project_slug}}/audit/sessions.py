# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The trail as the commands open it: to read, or to record something."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from ..core.audit_settings import AuditSettings
from ..settings import Settings
from .actions import ACTIONS
from .checkpoint import NoteSigner
from .errors import AuditUnavailableError
from .events import Retention
from .key_file import KeyFile
from .keys import SubjectKeys
from .log import AuditLog, AuditSecrets
from .records import RecordCodec
from .schema import connect
from .store import FILE, KEYS
from .trail import Trail
from .verify import Report, Verification


@dataclass(frozen=True)
class Session:
    """A trail that is open to be read.

    Attributes:
        settings: Its settings.
        secrets: Its keys.
        keys: The keys of subjects.
        codec: Decodes records.
        trail: The trail.
    """

    settings: AuditSettings
    secrets: AuditSecrets
    keys: SubjectKeys
    codec: RecordCodec
    trail: Trail

    def verify(self, anchor: str | None) -> Report:
        """Verify the trail; see `Verification`."""
        return Verification(
            self.trail.connection,
            self.secrets.verifier,
            self.settings.log_name,
            master=self.secrets.master,
        ).run(anchor)


@contextmanager
def open_trail() -> Generator[Session]:
    """Open the trail that the settings name, to read it.

    Raises:
        AuditUnavailableError: When there is none.
    """
    settings = Settings().audit
    path = settings.path / FILE
    if not path.is_file():
        raise AuditUnavailableError(f"there is no audit trail in {settings.path}")
    opened = AuditSecrets.of(settings)
    keys = SubjectKeys(KeyFile(settings.path / KEYS), opened.master)
    connection = connect(path, read_only=True)
    days = {Retention(name): count for name, count in settings.retention_days.items()}
    codec = RecordCodec(ACTIONS, keys, opened.master, days)
    try:
        yield Session(settings, opened, keys, codec, Trail(connection))
    except sqlite3.Error as error:
        raise AuditUnavailableError(f"the audit trail can't be read: {error}") from error
    finally:
        connection.close()
        keys.close()


@contextmanager
def open_log() -> Generator[AuditLog]:
    """Open the trail to record in it; what was recorded is sealed at the end.

    Raises:
        AuditUnavailableError: When it can't be written.
    """
    settings = Settings()
    try:
        log = AuditLog(settings.audit, strict=not settings.is_production)
        try:
            yield log
        finally:
            log.close()
    except sqlite3.Error as error:
        raise AuditUnavailableError(f"the audit trail can't be written: {error}") from error


def new_signing_key() -> str:
    """Return a new signing key for the log that the settings name."""
    return NoteSigner(Settings().audit.origin, secrets.token_bytes(32)).secret
