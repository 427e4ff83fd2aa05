# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""What leaves for Sentry goes through the rules that log lines go through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..utils._plain import Limits
from ..utils.redaction import Redactor

Event = dict[str, object]

# An event is larger than a log line, and Sentry has limits of its own (1 MB) above these.
LIMITS: Final = Limits(depth=24, items=2_000, nodes=60_000, chars=8_192)
# What tells of a person is dropped unless asked for; the id and the name they chose stay.
_PERSONAL: Final = ("email", "ip_address", "geo")


def scrub(event: Event, redactor: Redactor, *, keep_personal: bool) -> Event:
    """Return an event without secrets: nested keys, headers, cookies, queries, text, spans.

    Args:
        event: As the SDK sends it: errors, messages and transactions.
        redactor: The rules.
        keep_personal: Whether e-mail and IP addresses of users stay.
    """
    for frame in _frames(event):
        frame.pop("vars", None)
    request = event.get("request")
    if isinstance(request, dict):
        event = {**event, "request": _request(request, redactor)}
    user = event.get("user")
    if isinstance(user, dict) and not keep_personal:
        event = {**event, "user": {k: v for k, v in user.items() if k not in _PERSONAL}}
    safe = redactor.value(event)
    return safe if isinstance(safe, dict) else {}


def _request(request: Event, redactor: Redactor) -> Event:
    """Return the request with its strings taken apart the way each of them is built."""
    safe = {k: v for k, v in request.items() if k != "env"}
    url, query, headers = safe.get("url"), safe.get("query_string"), safe.get("headers")
    if isinstance(url, str):
        safe["url"] = redactor.url(url)
    if isinstance(query, (str, bytes)):
        text = query if isinstance(query, str) else query.decode("latin-1")
        safe["query_string"] = redactor.query(text)
    if isinstance(headers, dict):
        safe["headers"] = redactor.headers({str(k): str(v) for k, v in headers.items()})
    return safe


def _frames(event: Event) -> Iterator[dict[str, object]]:
    """Yield the stack frames of exceptions and threads."""
    holders: list[object] = [event]
    for kind in ("exception", "threads"):
        group = event.get(kind)
        values = group.get("values") if isinstance(group, dict) else group
        holders += values if isinstance(values, list) else []
    for holder in holders:
        stack = holder.get("stacktrace") if isinstance(holder, dict) else None
        frames = stack.get("frames") if isinstance(stack, dict) else None
        yield from (f for f in frames or () if isinstance(f, dict))
