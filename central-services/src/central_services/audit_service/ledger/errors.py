"""What can go wrong with an approval; what becomes of a transfer is a result, not an error."""

from __future__ import annotations

from ..errors import AuditServiceError

_TYPE = "urn:slipway:audit:ledger-"


class OwnTransferError(AuditServiceError):
    """Who asked for a transfer can't approve it, and who approves is a person."""

    status = 403
    title = "Not a second person"
    type = _TYPE + "not-a-second-person"


class DecidedError(AuditServiceError):
    """The proposal was decided, can't be decided any more, or can't be read any more."""

    status = 409
    title = "Not open"
    type = _TYPE + "not-open"
