# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""A first filter against server-side request forgery, on the way in."""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from ..utils._lazy_pattern import LazyPattern
from ..utils.addresses import is_forbidden_host
from .refusals import Refusal

_FETCHED = "ftps?|https?|wss?"
_NEVER = "dict|file|gopher|ldaps?|netdoc|php|phar|sftp|tftp"
"""Schemes that read files or speak to other services; no parameter of an API needs one."""

# Two slashes or backslashes in a row, or a known scheme with its colon, in any mix of encodings;
# %25 is an encoded percent sign, so %252f is a slash that was encoded twice. Clients drop tabs and
# line breaks, which can stand between the others.
_SUSPICIOUS = LazyPattern(
    rb"(?:[/\\]|%(?:25)*(?:2f|5c))(?:[/\\]|%(?:25)*(?:2f|5c))"
    rb"|(?:" + f"{_FETCHED}|{_NEVER}".encode() + rb")(?::|%(?:25)*3a)"
    rb"|%(?:25)*0[9ad]",
    re.IGNORECASE,
)
# URL parsers take http:host and http:/host for http://host (URL standard, section 4.4), and Java
# nests URLs after jar: and url:.
_URL = LazyPattern(
    r"(?:(?:jar|url):)*"
    r"(?:(?P<never>(?:" + _NEVER + r"):(?=[/\\]))"
    r"|(?:[a-z][a-z0-9+.-]*:)?[/\\][/\\]|(?P<bare>(?:" + _FETCHED + r"):))"
    r"[/\\]*(?P<authority>[^/\\?#!]*)",
    re.IGNORECASE,
)
_DECODINGS = 3
_C0_AND_SPACE = "".join(map(chr, range(33)))
_TAB_AND_BREAKS = str.maketrans("", "", "\t\r\n")


class SsrfFilter:
    """Refuse query parameters that are URLs to addresses inside the network.

    A parameter is refused when its whole value, percent-decoded up to three times, is an absolute
    or scheme-relative URL whose host is private, loopback, link-local or a cloud's metadata service
    in any spelling (`utils.addresses.is_forbidden_host`), or has a scheme such as file: or gopher:.
    Text that merely contains a URL is not a URL, and passes.

    This cannot do more than that: it does not read bodies, headers or path parameters, does not
    resolve names (a public name may point inside, or be rebound between two look-ups), and does not
    see redirects. What protects is the guard in `clients/http.py`, which checks every address at
    the moment of connecting to it; make every outgoing call with that client.
    """

    __slots__ = ()

    def check(self, query: bytes) -> Refusal | None:
        """Return the refusal of a query string, or None; 0.2 us unless something looks like a URL."""
        if not _SUSPICIOUS.compiled.search(query):
            return None
        for parameter in re.split("[&;]", query.decode("latin-1")):
            name, equals, value = parameter.partition("=")
            if is_internal_url(value if equals else name):
                detail = "A query parameter is a URL to an address that may not be asked for."
                return Refusal(400, detail)
        return None


def is_internal_url(value: str) -> bool:
    """Whether a query parameter, decoded in every plausible way, is a URL that leads inside."""
    for _ in range(_DECODINGS):
        decoded = unquote_plus(value)
        if _leads_inside(decoded):
            return True
        if decoded == value:
            return False
        value = decoded
    return False


def _leads_inside(value: str) -> bool:
    # A browser or client strips these before it parses (URL standard, section 4.4).
    text = value.strip(_C0_AND_SPACE).translate(_TAB_AND_BREAKS)
    match = None if any(char.isspace() for char in text) else _URL.compiled.match(text)
    if match is None:
        return False
    if match["never"]:
        return True
    host = _host(match["authority"])
    if match["bare"] and host.isdecimal() and len(host) < 6:
        return False  # http:404 is a search term rather than the address 0.0.1.148
    if host and is_forbidden_host(host):
        return True
    # To clients that follow RFC 3986, Python's urllib among them, a backslash does not end the
    # user information: http://example.com\@10.0.0.1/.
    _, at, rest = re.split("[/?#]", text[match.start("authority") :], maxsplit=1)[0].rpartition("@")
    host = _host(rest.partition("\\")[0])
    return bool(at and host) and is_forbidden_host(host)


def _host(authority: str) -> str:
    """Return the host of an authority, without user information and port."""
    host = authority.rpartition("@")[2]
    name, colon, port = host.rpartition(":")
    is_port = colon and (not port or port.isdecimal()) and not name.endswith(":")
    return name if is_port else host
