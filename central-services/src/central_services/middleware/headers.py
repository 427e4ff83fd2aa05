# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The security headers that every response carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

from .refusals import Pair

API_CSP = "default-src 'none'; frame-ancestors 'none'"
"""For what is not a page: nothing may be loaded, nobody may frame it."""

DOCS_CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""For the documentation pages: own files only, no inline script.

Swagger UI writes inline style attributes, and its icons are data: images.
"""

PERMISSIONS_POLICY = "camera=(), geolocation=(), microphone=()"


class HeaderOptions(TypedDict, total=False):
    """The arguments of `HeaderPolicy`."""

    content_security_policy: str
    docs_content_security_policy: str
    docs_paths: Sequence[str]
    hsts_max_age_s: int
    hsts_include_subdomains: bool
    hsts_preload: bool
    hsts_always: bool


class HeaderPolicy:
    """Decide which security headers a response gets; all of them encoded once, here.

    X-XSS-Protection is left out on purpose: browsers removed the filter it switched on, and where it
    still exists it can be used to read a page across origins (OWASP Secure Headers). The policy that
    took its place is Content-Security-Policy.

    Args:
        content_security_policy: Policy of every path but the documentation.
        docs_content_security_policy: Policy of the documentation pages.
        docs_paths: Paths of documentation pages; each covers what lies below it.
        hsts_max_age_s: Strict-Transport-Security in seconds; 0 leaves the header out.
        hsts_include_subdomains: Extend it to subdomains.
        hsts_preload: Ask browsers to build it in.
        hsts_always: Send it although the request came in plain HTTP, for a service behind a proxy
            that ends TLS and is not told which. Browsers ignore it on plain HTTP (RFC 6797
            section 8.1); otherwise it is sent on https only, as section 7.2 asks.

    Raises:
        ValueError: If a policy cannot be a header value.
    """

    __slots__ = ("_docs", "_plain", "docs_prefixes", "ignores_scheme", "names")

    def __init__(
        self,
        *,
        content_security_policy: str = API_CSP,
        docs_content_security_policy: str = DOCS_CSP,
        docs_paths: Sequence[str] = ("/docs", "/redoc"),
        hsts_max_age_s: int = 63_072_000,
        hsts_include_subdomains: bool = True,
        hsts_preload: bool = False,
        hsts_always: bool = False,
    ) -> None:
        fixed = {
            "x-content-type-options": "nosniff",
            "x-frame-options": "DENY",
            "referrer-policy": "no-referrer",
            "permissions-policy": PERMISSIONS_POLICY,
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }
        hsts = f"max-age={hsts_max_age_s}"
        hsts += "; includeSubDomains" if hsts_include_subdomains else ""
        hsts += "; preload" if hsts_preload else ""
        secure = {"strict-transport-security": hsts} if hsts_max_age_s else {}
        plain = secure if hsts_always else {}
        api = {"content-security-policy": content_security_policy, **fixed}
        docs = {"content-security-policy": docs_content_security_policy, **fixed}
        self.ignores_scheme = hsts_always or not hsts_max_age_s
        self.docs_prefixes = tuple(path.rstrip("/") for path in docs_paths)
        # Indexed by whether the request came over https.
        self._plain = (_encode({**api, **plain}), _encode({**api, **secure}))
        self._docs = (_encode({**docs, **plain}), _encode({**docs, **secure}))
        self.names = frozenset(name for name, _ in self._docs[1])

    def headers(self, path: str, *, https: bool) -> tuple[Pair, ...]:
        """Return the headers of a response to a path, asked for over https or not."""
        if self.docs_prefixes and path.startswith(self.docs_prefixes) and self._is_docs(path):
            return self._docs[https]
        return self._plain[https]

    def _is_docs(self, path: str) -> bool:
        return any(path == p or path.startswith(f"{p}/") for p in self.docs_prefixes)


def _encode(headers: dict[str, str]) -> tuple[Pair, ...]:
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            msg = f"{name} must be printable ASCII on one line, not {value!r}"
            raise ValueError(msg)
    return tuple((name.encode(), value.encode()) for name, value in headers.items())


def without(extra: Sequence[Pair], own: Sequence[Pair]) -> list[Pair]:
    """Return the headers to add, less those that the response sets itself."""
    names = {name for name, _ in own} - {b"vary"}  # Vary lines add up, RFC 9110 section 12.5.5
    return [pair for pair in extra if pair[0] not in names]
