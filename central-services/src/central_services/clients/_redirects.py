# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Where a redirect may lead, and what may go along."""

from __future__ import annotations

import httpx2

from .errors import RedirectError

# What may follow a redirect to another origin. Everything else may be a credential: who knows what
# X-Acme-Key is.
_HARMLESS_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "cache-control",
        "connection",
        "content-encoding",
        "content-language",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "range",
        "traceparent",
        "transfer-encoding",
        "user-agent",
        "x-request-id",
    }
)


def redirected(request: httpx2.Request, response: httpx2.Response) -> tuple[httpx2.Request, bool]:
    """Return the request that a redirect asks for, without what is not meant for its origin.

    Returns:
        The request, and whether the client's authentication may go along.

    Raises:
        RedirectError: It is not to be followed.
    """
    following = response.next_request
    if following is None:
        reason = "the Location of a redirect is malformed"
        raise RedirectError(reason)
    if following.url.scheme not in {"http", "https"}:
        reason = f"a redirect leads to a {following.url.scheme[:20]}: URL"
        raise RedirectError(reason)
    if request.url.scheme == "https" and following.url.scheme == "http":
        reason = "a redirect leads from https to http"
        raise RedirectError(reason)
    if following.stream is request.stream and not isinstance(request.stream, httpx2.ByteStream):
        reason = "a redirect asks for the body again, which was sent already and can't be repeated"
        raise RedirectError(reason)
    old, new = request.url.origin, following.url.origin
    upgrade = old.host == new.host and (old.port, new.port) == (80, 443)
    foreign = old != new and not upgrade
    if foreign:
        for name in set(following.headers) - _HARMLESS_HEADERS:
            del following.headers[name]
    return following, not foreign
