"""What can go wrong with a schema."""

from __future__ import annotations

from ..errors import AuditServiceError

_TYPE = "urn:slipway:audit:"


class InvalidSchemaError(AuditServiceError):
    """It is no JSON Schema, or one that is not taken here."""

    status = 422
    title = "Invalid schema"
    type = _TYPE + "invalid-schema"


class SchemaExistsError(AuditServiceError):
    """This version is there with other content, or is not the next one."""

    status = 409
    title = "Version is taken"
    type = _TYPE + "schema-exists"


class IncompatibleSchemaError(AuditServiceError):
    """It would refuse events that the version before it takes."""

    status = 409
    title = "Incompatible schema"
    type = _TYPE + "incompatible-schema"
