"""The keys of the service: they sign the logs, wrap the keys of people, and mark what travels."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass

from ..audit.checkpoint import NoteSigner
from ..audit.keys import MasterKey, new_master_key
from ..audit.log import AuditSecrets
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


def new_keys(origin: str) -> tuple[str, str]:
    """Return a new signing key and a new master key, as the settings take them."""
    return NoteSigner(origin, secrets.token_bytes(32)).secret, new_master_key()
