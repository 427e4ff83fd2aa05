"""The keys of the service: they sign the logs, wrap the keys of people, and mark what travels."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass
from pathlib import Path

from ..audit.checkpoint import NoteSigner
from ..audit.errors import AuditKeyError
from ..audit.key_file import KeyFile
from ..audit.keys import MasterKey, SubjectKeys, new_master_key
from ..audit.log import AuditSecrets
from ..audit.store import KEYS
from .settings import AuditServiceSettings


@dataclass(frozen=True, slots=True)
class LogKeys:
    """The service's keys.

    Attributes:
        origin: What the name of every log begins with.
        master: Wraps the keys of people, and authenticates rows.
    """

    origin: str
    master: MasterKey
    _signer: NoteSigner

    @classmethod
    def of(cls, settings: AuditServiceSettings) -> LogKeys:
        """Return the keys that the settings name; without any, keys for development.

        Raises:
            AuditKeyError: One is malformed, or signs for another origin.
        """
        opened = AuditSecrets.of(settings.key_settings)
        return cls(settings.origin, opened.master, opened.signer)

    def log_name(self, tenant: str) -> str:
        """Return the name of a tenant's log."""
        return f"{self.origin}/{tenant}"

    def signer(self, tenant: str) -> NoteSigner:
        """Return the signer of a tenant's log: one secret makes all of them, each its own key."""
        return self._signer.of_replica(self.log_name(tenant))

    def derived(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose of this service."""
        return hmac.digest(self.master.naming, f"audit service {purpose}".encode(), "sha256")


def open_subject_keys(settings: AuditServiceSettings, master: MasterKey) -> SubjectKeys:
    """Open the keys of people's data where the settings have them; it waits for the store.

    Raises:
        AuditKeyError: Another master key wrapped them, or their tables can't be made.
        DatabaseUnavailableError: Their database can't be reached.
    """
    if settings.keys_url is None:
        return SubjectKeys(KeyFile(settings.path / KEYS), master)
    from .key_database import KeyDatabase  # noqa: PLC0415  # the driver of PostgreSQL

    return SubjectKeys(KeyDatabase(settings.keys_url.get_secret_value()), master)


def move_to_database(settings: AuditServiceSettings) -> tuple[int, Path]:
    """Copy the keys of people's data from their file into their database.

    Returns:
        How many keys, and the file.

    Raises:
        AuditKeyError: There is no file or no database, they are not of this master key, or the database
            has keys of its own, which these would contradict.
        DatabaseUnavailableError: The database can't be reached.
    """
    path = settings.path / KEYS
    if settings.keys_url is None:
        raise AuditKeyError("set AUDIT_SERVICE__KEYS_URL: it says where to")
    if not path.is_file():
        raise AuditKeyError(f"there is no {path}")
    from .key_database import KeyDatabase  # noqa: PLC0415  # the driver of PostgreSQL

    file, database = KeyFile(path), KeyDatabase(settings.keys_url.get_secret_value())
    try:
        keys = list(file.all())
        SubjectKeys(file, LogKeys.of(settings).master)
        there = {key.name: key for key in database.named([key.name for key in keys])}
        if any(there.get(key.name, key) != key for key in keys):
            raise AuditKeyError("the database has other keys already: it must be an empty one")
        database.add(keys)
    finally:
        file.close()
        database.close()
    return len(keys), path


def new_keys(origin: str) -> tuple[str, str]:
    """Return a new signing key and a new master key, as the settings take them."""
    return NoteSigner(origin, secrets.token_bytes(32)).secret, new_master_key()
