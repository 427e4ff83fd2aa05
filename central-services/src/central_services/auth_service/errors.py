"""What can go wrong; OAuth endpoints answer with RFC 6749 section 5.2 instead (see `oauth`)."""

from __future__ import annotations

from ..core.errors import ConflictError, NotFoundError, ServiceError


class AuthError(ServiceError):
    """Base of the service's own errors."""


class KeySealError(AuthError):
    """A signing key can't be unsealed: the encryption key is not the one that sealed it."""

    status = 503
    title = "Signing keys unavailable"


class UnknownError(NotFoundError):
    """There is no such user, client, organisation, role or session, or the caller may not see it."""

    title = "Not found"


class TakenError(ConflictError):
    """The name is in use."""

    title = "Name in use"


class PasswordPolicyError(AuthError):
    """The password is too easy to guess."""

    status = 422
    title = "Password refused"


class InvalidClientMetadataError(AuthError):
    """A client's registration contradicts itself, or asks for what is not allowed."""

    status = 422
    title = "Invalid client metadata"


class CredentialsError(AuthError):
    """The caller did not prove who they are; the text never says what was wrong."""

    status = 401
    title = "Not authenticated"


class RequestRefusedError(AuthError):
    """The authorization server refuses the request; `error` is its code (RFC 6749 section 5.2)."""

    status = 400
    title = "Request refused"


class ForbiddenError(AuthError):
    """The caller may not do this."""

    status = 403
    title = "Forbidden"


class TooManyAttemptsError(AuthError):
    """Too many attempts; `Retry-After` says when to try again."""

    status = 429
    title = "Too many attempts"


class FormError(AuthError):
    """The body is no form, is too large, or repeats a field."""

    status = 400
    title = "Malformed form"


class PageExpiredError(AuthError):
    """The page was open too long, or its form came from elsewhere."""

    status = 400
    title = "This page has expired"


class LinkError(AuthError):
    """A mailed link was used, is too old, or was never sent."""

    status = 400
    title = "This link does not work"
