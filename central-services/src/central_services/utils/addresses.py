# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Tell public network addresses from all others, and see through the disguises of a host name.

Nothing here asks the DNS: what a name resolves to is checked where the connection is made, in
`clients/ssrf.py`. `ipaddress.is_global` is not used, because its answers differ between patch
releases of Python (gh-113171) and it takes no notice of addresses that embed an IPv4 address.

Sources: the IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890, as of 2025), the IANA
multicast registries, the WHATWG URL standard section 3.5 for hosts, RFC 6761 for local names.
"""

from __future__ import annotations

from bisect import bisect_right
from ipaddress import (
    AddressValueError,
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
)
from itertools import chain
from urllib.parse import unquote

from ._lazy_pattern import LazyPattern

IPAddress = IPv4Address | IPv6Address

_REFUSED_IPV4 = (
    "0.0.0.0/8",  # "this network", RFC 791 section 3.2
    "10.0.0.0/8",  # private use, RFC 1918
    "100.64.0.0/10",  # shared address space, RFC 6598; Alibaba's metadata is 100.100.100.200
    "127.0.0.0/8",  # loopback, RFC 1122 section 3.2.1.3
    "168.63.129.16/32",  # Azure's wire server: a public address that every virtual machine reaches
    "169.254.0.0/16",  # link local, RFC 3927; the metadata of most clouds is 169.254.169.254
    "172.16.0.0/12",  # private use, RFC 1918
    "192.0.0.0/24",  # IETF protocol assignments, RFC 6890; Oracle's old metadata is 192.0.0.192
    "192.0.2.0/24",  # documentation, RFC 5737
    "192.88.99.0/24",  # deprecated 6to4 relay anycast, RFC 7526
    "192.168.0.0/16",  # private use, RFC 1918
    "198.18.0.0/15",  # benchmarking, RFC 2544
    "198.51.100.0/24",  # documentation, RFC 5737
    "203.0.113.0/24",  # documentation, RFC 5737
    "224.0.0.0/4",  # multicast, RFC 5771
    "240.0.0.0/4",  # reserved, RFC 1112 section 4, with the limited broadcast of RFC 8190
)

# Only 2000::/3 is handed out as global unicast (RFC 4291 section 2.4, IANA IPv6 Address Space), so
# everything outside is refused: ::1, unique local fc00::/7, link local fe80::/10, site local
# fec0::/10, multicast ff00::/8, discard 100::/64, local-use NAT64 64:ff9b:1::/48 (RFC 8215),
# segment routing 5f00::/16, IPv4-compatible ::a.b.c.d and IPv4-translated ::ffff:0:a.b.c.d.
_GLOBAL_UNICAST = IPv6Network("2000::/3")
_REFUSED_IPV6 = (
    "2001::/23",  # IETF protocol assignments, RFC 2928: Teredo, benchmarking, ORCHID, anycast
    "2001:db8::/32",  # documentation, RFC 3849
    "2002::/16",  # 6to4, RFC 3056: an IPv4 address in disguise, and deprecated by RFC 7526
    "3fff::/20",  # documentation, RFC 9637
)


def _edges(networks: list[IPv4Network] | list[IPv6Network]) -> list[int]:
    """Return each first and one-past-last integer, sorted: an odd bisection is inside a network."""
    ranges = ((int(net.network_address), int(net.broadcast_address) + 1) for net in networks)
    return sorted(chain.from_iterable(ranges))


_INTERNAL_IPV4 = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
_INTERNAL_IPV6 = ("::1/128", "fc00::/7")
# Metadata services inside those ranges: Alibaba's, and Amazon's and Google's over IPv6.
_METADATA = frozenset(
    int(ip_address(text)) for text in ("100.100.100.200", "fd00:ec2::254", "fd20:ce::254")
)

_EDGES_IPV4 = _edges([IPv4Network(text) for text in _REFUSED_IPV4])
_EDGES_IPV6 = _edges([IPv6Network(text) for text in _REFUSED_IPV6])
_INTERNAL_EDGES_IPV4 = _edges([IPv4Network(text) for text in _INTERNAL_IPV4])
_INTERNAL_EDGES_IPV6 = _edges([IPv6Network(text) for text in _INTERNAL_IPV6])
_GLOBAL_FIRST = int(_GLOBAL_UNICAST.network_address)
_GLOBAL_LAST = int(_GLOBAL_UNICAST.broadcast_address)
_LOW_32 = 0xFFFF_FFFF
_MAPPED_96 = 0xFFFF  # ::ffff:0:0/96, RFC 4291 section 2.5.5.2
_NAT64_96 = int(IPv6Address("64:ff9b::")) >> 32  # RFC 6052
# Bits 32 to 63 of an ISATAP interface identifier (RFC 5214 section 6.1), local and universal.
_ISATAP = frozenset({0x0000_5EFE, 0x0200_5EFE, 0x0100_5EFE, 0x0300_5EFE})


def is_public_address(address: IPAddress | str) -> bool:
    """Return whether an address belongs to the public internet.

    IPv4-mapped and NAT64 (64:ff9b::/96) addresses are judged by the IPv4 address inside, ISATAP
    addresses by both. 6to4, Teredo, IPv4-compatible and IPv4-translated addresses are refused
    whatever they hold, as is every address with a zone id. A network's own NAT64 prefix
    (RFC 6052 section 2.2) can't be told from other global addresses.

    Args:
        address: An address, or its canonical text; other text is not a public address.
    """
    if isinstance(address, str):
        parsed = _canonical(address)
        return parsed is not None and is_public_address(parsed)
    number = int(address)
    if isinstance(address, IPv4Address):
        return not bisect_right(_EDGES_IPV4, number) & 1
    if address.scope_id is not None:
        return False
    upper = number >> 32
    if upper in (_MAPPED_96, _NAT64_96):
        return not bisect_right(_EDGES_IPV4, number & _LOW_32) & 1
    if not _GLOBAL_FIRST <= number <= _GLOBAL_LAST or bisect_right(_EDGES_IPV6, number) & 1:
        return False
    return upper & _LOW_32 not in _ISATAP or not bisect_right(_EDGES_IPV4, number & _LOW_32) & 1


def is_internal_address(address: IPAddress) -> bool:
    """Return whether an address is one that an organisation gives to its own machines.

    Private use, shared address space, loopback and unique local addresses; not the metadata
    services within them, nor link-local and multicast addresses.
    """
    number = int(address)
    if number in _METADATA:
        return False
    if isinstance(address, IPv4Address):
        return bool(bisect_right(_INTERNAL_EDGES_IPV4, number) & 1)
    return address.scope_id is None and bool(bisect_right(_INTERNAL_EDGES_IPV6, number) & 1)


def _canonical(text: str) -> IPAddress | None:
    """Return the address that strict, canonical text stands for."""
    try:
        return IPv6Address(text) if ":" in text else IPv4Address(text)
    except AddressValueError:
        return None


_IGNORED = LazyPattern("[\u00ad\u200b-\u200d\u2060\ufe00-\ufe0f\ufeff]")  # dropped by UTS 46
_MAX_DECODES = 3  # how often a host may have been percent-encoded before we stop looking


def normalize_host(host: str) -> str:
    """Return a host as a resolver would come to see it: decoded, ASCII where it can be, lower case.

    Percent-encoding is undone (repeatedly: a proxy in between may decode too), full-width and
    circled characters become plain ones and ideographic full stops become dots (UTS 46), and
    trailing dots and the brackets of an IPv6 address are taken off.
    """
    if ":" not in host:  # in an IPv6 address a percent sign starts the zone id
        for _ in range(_MAX_DECODES):
            if "%" not in host:
                break
            host = unquote(host)
    if not host.isascii():
        import unicodedata  # noqa: PLC0415  # a large table, for hosts that are rare

        host = _IGNORED.compiled.sub("", unicodedata.normalize("NFKC", host)).replace("\u3002", ".")
    host = host.lower()
    if host[:1] == "[":
        return host[1:].removesuffix("]")
    return host.rstrip(".")


def _number(part: str) -> int | None:
    """Read a number as the WHATWG IPv4 number parser does: hexadecimal, octal or decimal."""
    if part[:2] == "0x":
        digits, base = part[2:] or "0", 16
    elif part[:1] == "0" and len(part) > 1:
        digits, base = part[1:], 8
    else:
        digits, base = part, 10
    if not digits.isalnum():  # int() would accept underscores, signs and spaces
        return None
    try:
        return int(digits, base)
    except ValueError:
        return None


def _ipv4(host: str) -> IPv4Address | None:
    """Read one to four numbers as the WHATWG IPv4 parser (and inet_aton) does; lower case."""
    parts = host.split(".")
    if len(parts) > 4:
        return None
    *firsts, last = (_number(part) for part in parts)
    if last is None or last >= 256 ** (5 - len(parts)):
        return None
    value = last
    for position, number in enumerate(firsts):
        if number is None or number > 255:
            return None
        value += number << (24 - 8 * position)
    return IPv4Address(value)


def ends_in_a_number(host: str) -> bool:
    """Return whether the last label of a normalized host makes it an IPv4 address or an error.

    The rule of the WHATWG URL standard, section 3.5: `1.2.3.example` is a name, `example.1` and
    `256.256.256.256` are neither a name nor an address.
    """
    last = host.rpartition(".")[2]
    return last[:1].isdigit() and (last.isdigit() or _number(last) is not None)


def literal_address(host: str) -> IPAddress | None:
    """Return the address that a host spells, or None for a name.

    Reads what browsers, resolvers and C libraries read: decimal, octal and hexadecimal numbers,
    short forms such as `127.1`, percent-encoding, full-width digits and dots, brackets, trailing
    dots. The zone id of an IPv6 address is kept in its `scope_id`.

    Args:
        host: The host of a URL, without port and user information.
    """
    host = normalize_host(host)
    if ":" in host:
        address, percent, zone = host.partition("%")
        return _canonical(f"{address}%{zone.replace('%', '') or '0'}" if percent else address)
    return _ipv4(host) if ends_in_a_number(host) else None


_LOCAL_SUFFIXES = (
    ".localhost",  # RFC 6761 section 6.3
    ".localdomain",
    ".local",  # RFC 6762
    ".internal",  # reserved for private use by ICANN in 2024; metadata.google.internal is one
    ".home.arpa",  # RFC 8375
    # Public names whose every subdomain resolves to 127.0.0.1.
    ".localtest.me",
    ".lvh.me",
    ".vcap.me",
    ".lacolhost.com",
    ".fuf.me",
    ".local.gd",
    ".localho.st",
)
_LOCAL_NAMES = frozenset(
    {
        "ip6-localhost",
        "ip6-loopback",
        "ip6-allnodes",
        "ip6-allrouters",
        "broadcasthost",
        "kubernetes.default",
        "kubernetes.default.svc",
        # Cloud metadata: AWS, Google, Tencent, OpenStack and their search-domain short forms.
        "instance-data",
        "metadata",
        "metadata.goog",
        "metadata.tencentyun.com",
    }
    | {suffix[1:] for suffix in _LOCAL_SUFFIXES}
)
# Names that resolve to the address written in them; 1u.ms and rbndr.us alternate between two.
_ECHO_DOMAINS = (
    ".nip.io",
    ".sslip.io",
    ".xip.io",
    ".traefik.me",
    ".backname.io",
    ".1u.ms",
    ".rbndr.us",
)
_DOTTED_QUAD = LazyPattern(r"^\d{1,3}(?:\.\d{1,3}){3}(?=\.)")
_ECHOED_IPV4 = LazyPattern(r"(?<![0-9])\d{1,3}(?:([.-])\d{1,3})(?:\1\d{1,3}){2}(?![0-9])")
_ECHOED_HEX = LazyPattern(r"(?<![0-9a-z])[0-9a-f]{8}(?![0-9a-z])")
_ECHOED_IPV6 = LazyPattern(r"^(?:.*\.)?([0-9a-f]*(?:-[0-9a-f]*){2,7})$")
_DIGIT_OR_DASH = LazyPattern("[0-9-]")
_BREAKS_A_HOST = LazyPattern("[\x00-\x20\x7f#/?@\\\\]")


def _echoed(host: str) -> list[IPAddress | None]:
    """Return the addresses that a name spells; None for one that isn't valid."""
    quad = _DOTTED_QUAD.compiled.match(host)
    spelt = _canonical(quad[0]) if quad else None
    found: list[IPAddress | None] = [spelt] if spelt else []
    domain = next((suffix for suffix in _ECHO_DOMAINS if host.endswith(suffix)), None)
    if domain is None:
        return found
    labels = host.removesuffix(domain)
    found += [_canonical(m[0].replace("-", ".")) for m in _ECHOED_IPV4.compiled.finditer(labels)]
    found += [IPv4Address(int(m[0], 16)) for m in _ECHOED_HEX.compiled.finditer(labels)]
    if not found and (dashed := _ECHOED_IPV6.compiled.match(labels)):
        address = _canonical(dashed[1].replace("-", ":"))
        found += [address] if address else []
    return found


def is_forbidden_host(host: str) -> bool:
    """Return whether a host is plainly not on the public internet, judged by its text alone.

    True for a private, loopback, link-local or metadata address in any spelling, for names kept
    for local use (localhost, .local, .internal), cloud metadata names, names that spell such an
    address (10.0.0.1.nip.io), and text that no URL can have as its host. A name that merely
    resolves to a private address is not seen: only the check at connect time can do that.

    Args:
        host: The host of a URL, without port and user information.
    """
    host = normalize_host(host)
    if not host or _BREAKS_A_HOST.compiled.search(host):
        return True
    if ":" in host or ends_in_a_number(host):
        address = literal_address(host)
        return address is None or not is_public_address(address) or _hides_octets(host)
    if host in _LOCAL_NAMES or host.endswith(_LOCAL_SUFFIXES):
        return True
    if not _DIGIT_OR_DASH.compiled.search(host):
        return False
    return any(address is None or not is_public_address(address) for address in _echoed(host))


def _hides_octets(host: str) -> bool:
    """Return whether reading 010.0.0.1 as decimal, as some parsers do, gives a private address."""
    parts = host.split(".")
    if not any(part[:1] == "0" and len(part) > 1 for part in parts):
        return False
    address = _ipv4(".".join(part.lstrip("0") or "0" for part in parts))
    return address is not None and not is_public_address(address)
