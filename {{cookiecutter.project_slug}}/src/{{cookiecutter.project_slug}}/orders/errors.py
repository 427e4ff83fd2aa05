"""What can go wrong with orders; each becomes a problem document (RFC 9457)."""

from ..core.errors import ConflictError, NotFoundError, ServiceError


class OrderNotFoundError(NotFoundError):
    """There is no order with this id."""

    title = "Order not found"


class OrderStateError(ConflictError):
    """The order is shipped or cancelled already, and stays so."""

    title = "Order can no longer change"


class IdempotencyKeyReusedError(ServiceError):
    """The idempotency key came before, with another order."""

    status = 422
    title = "Idempotency key reused"


class InvalidCursorError(ServiceError):
    """The cursor is not one that a list of orders gave."""

    status = 422
    title = "Invalid cursor"
