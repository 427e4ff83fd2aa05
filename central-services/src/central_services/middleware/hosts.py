# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Host names that the service answers to, and the way to https."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from starlette.types import Scope

from ..utils._lazy_pattern import LazyPattern
from .refusals import Refusal

_KNOWN_HOSTS = 1024
_HOST = LazyPattern(r"(?:[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?|\[[0-9a-f:.]+\])(?=:\d{0,5}\Z|\Z)")


def host_name(value: bytes | None) -> str | None:
    """Return the host in a `Host` header, lower case, without port and root dot.

    None when it is missing or malformed (RFC 9112 section 3.2). IPv6 keeps its brackets.
    """
    if value is None or len(value) > 255:
        return None
    match = _HOST.compiled.match(value.decode("latin-1").lower())
    return match[0].rstrip(".") if match else None


class HostPolicy:
    """Accept requests for known host names only, against Host header attacks.

    Args:
        allowed_hosts: Names (`api.example.com`), `*.example.com` for every subdomain (not for
            example.com itself), addresses (IPv6 with or without brackets), or `*` for any.

    Raises:
        ValueError: For a pattern with a star elsewhere.
    """

    __slots__ = ("_any", "_exact", "_suffixes", "known")

    def __init__(self, allowed_hosts: Sequence[str]) -> None:
        names = [f"[{h}]" if h.count(":") > 1 and "[" not in h else h for h in allowed_hosts]
        names = [name.lower().rstrip(".") for name in names]
        for name in names:
            if "*" in name.removeprefix("*.") and name != "*":
                msg = f"allowed_hosts: {name!r} is no pattern; write *.example.com, or a name"
                raise ValueError(msg)
        self._any = "*" in names
        self._exact = frozenset(names)
        self._suffixes = tuple(name[1:] for name in names if name.startswith("*."))
        # Raw values already found good. Hosts found bad are not kept, so they cannot push these out.
        self.known: set[bytes] = set()

    def accepts(self, value: bytes | None) -> bool:
        """Whether a `Host` header names one of them."""
        if value in self.known:
            return True
        name = host_name(value)
        if name is None or value is None:
            return False
        if not (self._any or name in self._exact or name.endswith(self._suffixes or ("\0",))):
            return False
        if len(self.known) >= _KNOWN_HOSTS:
            self.known.clear()
        self.known.add(value)
        return True

    def refusal(self) -> Refusal:
        """Return the answer to a request for somebody else."""
        return Refusal(400, "The Host header names no host of this service.")


def https_redirect(scope: Scope, host: bytes | None) -> Refusal:
    """Return the redirect to the https form of a URL: 308, which keeps the method and the body.

    The port is left out: the one that speaks plain HTTP is not the one that speaks TLS.
    """
    name = host_name(host)
    if name is None:
        return Refusal(400, "The Host header is missing or malformed.")
    raw = scope.get("raw_path") or quote(scope["path"]).encode()
    if not raw.startswith(b"/"):
        # `GET @evil.example`, which h11 passes on, would turn our host into user information.
        return Refusal(400, "The target of the request is not a path.")
    target = raw + (b"?" + scope["query_string"] if scope["query_string"] else b"")
    # A path such as //evil.example stays a path, because the host stands before it.
    location = f"https://{name}" + quote(target, safe="/?%&=+:;@,!$'()*~-._[]")
    return Refusal(308, headers=((b"location", location.encode()),))
