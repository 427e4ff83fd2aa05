"""What the witness refuses, each as c2sp.org/tlog-witness wants it."""

from __future__ import annotations

from ..core.errors import ServiceError


class WitnessError(ServiceError):
    """Base of the witness's errors."""


class WitnessKeyError(WitnessError, ValueError):
    """The witness's own key is malformed."""


class MalformedRequestError(WitnessError):
    """The body is not what a log sends, or its old size is above that of its checkpoint."""

    status = 400
    title = "Malformed request"
    type = "urn:slipway:witness:malformed"


class UnknownLogError(WitnessError):
    """The witness does not watch this log."""

    status = 404
    title = "Unknown log"
    type = "urn:slipway:witness:unknown-log"


class UntrustedSignatureError(WitnessError):
    """No key of the log that is trusted has signed the checkpoint."""

    status = 403
    title = "Not signed by the log"
    type = "urn:slipway:witness:not-signed"


class SplitViewError(WitnessError):
    """The log showed another tree of the same size before: it has shown two people two things."""

    status = 409
    title = "Split view"
    type = "urn:slipway:witness:split-view"


class InconsistentError(WitnessError):
    """The proof does not show that the tree that was cosigned before is the beginning of this one."""

    status = 422
    title = "Not consistent"
    type = "urn:slipway:witness:inconsistent"


class StaleSizeError(Exception):
    """The proof starts from another size than the witness is at; it is told the right one.

    Attributes:
        size: The size that was cosigned last.
    """

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size
