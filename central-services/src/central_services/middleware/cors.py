# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Cross-origin requests from browsers (Fetch standard, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

from ..utils._lazy_pattern import LazyPattern
from .refusals import Fields, Pair, Refusal

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
REQUEST_HEADERS = (
    "Accept",
    "Accept-Language",
    "Authorization",
    "Content-Language",
    "Content-Type",
    "Idempotency-Key",
    "If-Match",
    "If-None-Match",
    "X-Request-ID",
    "baggage",
    "traceparent",
    "tracestate",
)
EXPOSED_HEADERS = (
    "ETag",
    "Link",
    "Location",
    "RateLimit",
    "RateLimit-Policy",
    "Retry-After",
    "X-Request-ID",
)

RESPONSE_NAMES = frozenset(
    (
        b"access-control-allow-credentials",
        b"access-control-allow-headers",
        b"access-control-allow-methods",
        b"access-control-allow-origin",
        b"access-control-expose-headers",
        b"access-control-max-age",
    )
)
_VARY = (b"vary", b"Origin")
_ORIGIN = LazyPattern(r"[a-z][a-z0-9+.-]*://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")


class CorsPolicy:
    """Decide which origins may read responses, and answer preflights.

    Args:
        origins: Exact origins (`https://app.example.com`), or `*` alone for any without credentials.
        allow_credentials: Let those origins send cookies and authorization headers.
        allow_methods: Methods that a preflight may ask for.
        allow_headers: Request headers that a preflight may ask for.
        expose_headers: Response headers that scripts may read.
        max_age_s: Seconds that a browser may keep the answer to a preflight.

    Raises:
        ValueError: For an origin that no browser sends, and for `*` with credentials or beside others.
    """

    __slots__ = ("_any", "_headers", "_methods", "_preflight", "_refused", "_shared")

    def __init__(
        self,
        origins: Sequence[str],
        *,
        allow_credentials: bool = False,
        allow_methods: Sequence[str] = METHODS,
        allow_headers: Sequence[str] = REQUEST_HEADERS,
        expose_headers: Sequence[str] = EXPOSED_HEADERS,
        max_age_s: int = 600,
    ) -> None:
        self._any = "*" in origins
        if self._any and (allow_credentials or len(origins) > 1):
            msg = 'allowed_origins: "*" goes with no credentials and no other origin; list them'
            raise ValueError(msg)
        self._methods = frozenset(method.encode() for method in allow_methods)
        self._headers = frozenset(name.lower().encode() for name in allow_headers)
        exposed = (b"access-control-expose-headers", ", ".join(expose_headers).encode())
        credentials = [(b"access-control-allow-credentials", b"true")] * allow_credentials
        self._shared: dict[bytes, tuple[Pair, ...]] = {}
        for origin in origins:
            value = "*" if self._any else _checked(origin)
            allowed = (b"access-control-allow-origin", value.encode())
            vary = () if self._any else (_VARY,)
            self._shared[value.encode()] = (allowed, *credentials, exposed, *vary)
        self._refused: tuple[Pair, ...] = () if self._any else (_VARY,)
        self._preflight: tuple[Pair, ...] = (
            (b"access-control-allow-methods", ", ".join(allow_methods).encode()),
            (b"access-control-allow-headers", ", ".join(allow_headers).encode()),
            (b"access-control-max-age", str(max_age_s).encode()),
            (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
        )

    def headers(self, origin: bytes | None) -> tuple[Pair, ...]:
        """Return what to add to a response; `Vary: Origin` even when no origin was sent.

        Without it a shared cache could give one origin's response to another.
        """
        if origin is None:
            return self._refused
        return self._shared.get(b"*" if self._any else origin, self._refused)

    def preflight(self, fields: Fields) -> Refusal:
        """Answer a preflight: 204 when everything asked for is allowed, else a 403 problem."""
        origin = b"*" if self._any else fields[b"origin"]
        asked = fields.get(b"access-control-request-headers", b"").lower().split(b",")
        if origin not in self._shared:
            return Refusal(403, "This origin may not call the service from a browser.")
        if fields[b"access-control-request-method"] not in self._methods:
            return Refusal(403, "This method is not allowed across origins.")
        if not {name.strip() for name in asked} <= self._headers | {b""}:
            return Refusal(403, "One of these request headers is not allowed across origins.")
        return Refusal(204, headers=self._preflight)


def is_preflight(method: str, fields: Fields) -> bool:
    """Whether a request is a CORS preflight rather than a plain OPTIONS."""
    if method != "OPTIONS":
        return False
    return b"origin" in fields and b"access-control-request-method" in fields


def _checked(origin: str) -> str:
    lower = origin.lower()
    if not _ORIGIN.compiled.fullmatch(lower):
        msg = f"allowed_origins: {origin!r} is no origin; write https://app.example.com, no path"
        raise ValueError(msg)
    return lower
