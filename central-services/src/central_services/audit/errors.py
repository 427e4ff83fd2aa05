# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What can go wrong with the audit trail."""

from __future__ import annotations

from ..core.errors import ConflictError, ServiceError


class AuditError(ServiceError):
    """Base of this package's errors; a caller who meets one learns no more than the status."""


class AuditUnavailableError(AuditError):
    """The event could not be stored, so the change that it tells of must not happen either."""

    status = 503
    title = "Audit trail unavailable"


class AuditConflictError(AuditError, ConflictError):
    """An idempotency key came before, with another event."""

    status = 409
    title = "Audit event differs from the one recorded"


class UnregisteredActionError(AuditError):
    """Nobody registered the action; see `audit/actions.py`."""


class InvalidEventError(AuditError):
    """The event does not fit the schema of its action, or can't be written down exactly."""


class AuditKeyError(AuditError, ValueError):
    """A key is missing, malformed or not the one that the trail was made with."""


class LegalHoldError(AuditError):
    """The data is under legal hold and must not be erased."""

    status = 409
    title = "Under legal hold"


class NotRecordedError(AuditError):
    """There is no such event."""

    status = 404
    title = "Audit event not found"
