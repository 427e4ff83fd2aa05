# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What the deliveries over HTTP share: how an answer, or none, is judged."""

from __future__ import annotations

import time
from collections.abc import Mapping

import httpx2

from ..clients.errors import (
    BlockedAddressError,
    CircuitOpenError,
    HttpClientError,
    InvalidUrlError,
)
from ..clients.http import HttpClient
from ..clients.resilience import parse_retry_after
from .errors import MailConfigurationError, PermanentMailError, TransientMailError

# The front of a service answers these when what is behind it may have done the work.
_UNCLEAR = frozenset({500, 502, 504})
_UNSENT = (httpx2.ConnectError, httpx2.ConnectTimeout)


async def call(
    http: HttpClient,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    timeout_s: float,
    content: bytes = b"",
) -> httpx2.Response:
    """Send one request and return its answer whatever its status.

    Without an Idempotency-Key the client repeats a POST only when no byte of it was sent, which is
    what a message needs.

    Raises:
        MailConfigurationError: The URL may not be called.
        TransientMailError: There was no answer.
    """
    try:
        return await http.request(
            method,
            url,
            content=content,
            headers=headers,
            timeout_s=timeout_s,
            follow_redirects=False,
            max_response_bytes=1_048_576,
        )
    except CircuitOpenError as error:
        raise TransientMailError(str(error), retry_after_s=error.retry_after_s) from error
    except (BlockedAddressError, InvalidUrlError) as error:
        raise MailConfigurationError(str(error)) from error
    except HttpClientError as error:
        unsent = isinstance(error.__cause__, _UNSENT) or error.attempts == 0
        raise TransientMailError(str(error), in_doubt=not unsent) from error


def refuse(response: httpx2.Response, said: str, *, retried: bool = False) -> None:
    """Raise the error that an answer stands for; return when it says that all went well.

    Args:
        response: The answer.
        said: The kind of error it names; never its text, which may repeat the message.
        retried: Whether that kind goes away by itself.

    Raises:
        MailConfigurationError: 401, 403.
        TransientMailError: 408, 429 and 5xx.
        PermanentMailError: Any other.
    """
    status = response.status_code
    if status < 300:
        return
    reason = f"HTTP {status} {said}".strip()[:200]
    if status in {408, 429} or status >= 500 or retried:
        raise TransientMailError(
            reason, retry_after_s=_retry_after_s(response), in_doubt=status in _UNCLEAR
        )
    if status in {401, 403}:
        raise MailConfigurationError(f"{reason}: the credentials were refused")
    raise PermanentMailError(reason)


def _retry_after_s(response: httpx2.Response) -> float | None:
    """Return the seconds that an answer asks to wait, by either of the two headers in use."""
    asked = parse_retry_after(response.headers.get("retry-after"))
    reset = response.headers.get("x-ratelimit-reset", "")
    if asked is None and reset.isdigit():
        asked = max(0.0, float(reset) - time.time())
    return None if asked is None else min(asked, 86_400.0)
