"""What can go wrong; every one is a problem document with a type of its own (RFC 9457)."""

from __future__ import annotations

from ..core.errors import ConflictError, NotFoundError, ServiceError

_TYPE = "urn:slipway:audit:"


class AuditServiceError(ServiceError):
    """Base of the service's own errors."""


class MediaTypeError(AuditServiceError):
    """The body has another media type than this endpoint takes."""

    status = 415
    title = "Unsupported media type"
    type = _TYPE + "media-type"


class MalformedBatchError(AuditServiceError):
    """The body is no JSON array of 1 to 500 events."""

    status = 400
    title = "Malformed batch"
    type = _TYPE + "malformed-batch"


class InvalidEventsError(AuditServiceError):
    """Some events of the batch are not valid; nothing of it was stored."""

    status = 422
    title = "Invalid events"
    type = _TYPE + "invalid-events"


class EventConflictError(AuditServiceError, ConflictError):
    """Another event has this id; nothing of the batch was stored."""

    status = 409
    title = "Event differs from the one stored"
    type = _TYPE + "event-conflict"


class OverloadedError(AuditServiceError):
    """Too many batches wait for the disk."""

    status = 503
    title = "Overloaded"
    type = _TYPE + "overloaded"


class UnknownLogError(AuditServiceError, NotFoundError):
    """There is no such log, or it has no such tile."""

    status = 404
    title = "Not in the log"
    type = _TYPE + "unknown"


class UnknownThingError(AuditServiceError, NotFoundError):
    """The tenant has no such event, subject or hold."""

    status = 404
    title = "Unknown"
    type = _TYPE + "unknown"


class HeldError(AuditServiceError, ConflictError):
    """A legal hold protects it: release that first."""

    status = 409
    title = "Under legal hold"
    type = _TYPE + "held"


class HoldExistsError(AuditServiceError, ConflictError):
    """A hold of this name is in force."""

    status = 409
    title = "Hold exists"
    type = _TYPE + "hold-exists"
