# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who is calling: the address that limits are counted by and log lines name."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import TypeVar

from starlette.types import Scope

from .refusals import Fields
from .request_id import printable

UNIX_SOCKET = "unix"
"""Stands for a peer without an address: the other end of a Unix domain socket."""

_Key = TypeVar("_Key")
_REMEMBERED = 4096
_LONGEST_REMEMBERED = 256
_LONGEST_ADDRESS = 64


class ClientAddresses:
    """Find the client behind the proxies, and believe nobody else about it.

    The client is the peer of the connection, unless the peer is one of the trusted proxies: then it
    is the right-most hop of `X-Forwarded-For` that is not a trusted proxy, because each proxy
    appends the peer that it saw, and all to the left of that was written by the client. A hop that
    is no address ends the walk at the proxy before it. Verdicts are remembered, 4,096 of each kind.

    Args:
        trusted_proxies: Networks (`10.0.0.0/8`) or addresses of the proxies, and `unix` for one that
            connects through a Unix domain socket.

    Raises:
        ValueError: For something that is no network.
    """

    __slots__ = ("_clients", "_keys", "_networks", "_trusts_unix", "trusts_proxies")

    def __init__(self, trusted_proxies: Sequence[str] = ()) -> None:
        self._trusts_unix = UNIX_SOCKET in trusted_proxies
        self._networks = tuple(_network(text) for text in trusted_proxies if text != UNIX_SOCKET)
        self.trusts_proxies = bool(trusted_proxies)
        self._clients: dict[tuple[str, bytes], str] = {}
        self._keys: dict[str, str] = {}

    def address(self, scope: Scope, fields: Fields) -> str:
        """Return the address of the client of a request, canonical when it came from a header."""
        client = scope.get("client")
        peer = client[0] if client else UNIX_SOCKET
        if not self.trusts_proxies:
            # Not always an address: uvicorn takes anything from the header that it trusts.
            return printable(peer, _LONGEST_ADDRESS)
        forwarded = fields.get(b"x-forwarded-for", b"")
        known = self._clients.get((peer, forwarded))
        if known is None:
            known = self._walk(peer, forwarded)
            if len(forwarded) <= _LONGEST_REMEMBERED:
                _remember(self._clients, (peer, forwarded), known)
        return known

    def is_https(self, scope: Scope, fields: Fields) -> bool:
        """Whether the client spoke https, as far as a trusted proxy or the connection tells."""
        proto = fields.get(b"x-forwarded-proto") if self.trusts_proxies else None
        if proto is not None:
            client = scope.get("client")
            if self._is_trusted(client[0] if client else UNIX_SOCKET):
                return proto.rpartition(b",")[2].strip().lower() in {b"https", b"wss"}
        return scope.get("scheme") in {"https", "wss"}

    def key(self, address: str) -> str:
        """Return what limits count by: the IPv4 address, or the /64 of an IPv6 one.

        A single IPv6 customer is given a whole /64 (RFC 6177), 2^64 addresses to rotate through.
        """
        if ":" not in address:
            return address
        key = self._keys.get(address)
        if key is None:
            key = _prefix(address)
            _remember(self._keys, address, key)
        return key

    def is_doubtful(self, address: str, fields: Fields) -> bool:
        """Whether an address may have been taken from `X-Forwarded-For` by the server below us.

        uvicorn does that by itself for peers on the loopback unless it runs with
        `--no-proxy-headers`. Without a trusted proxy of ours, a caller who is named by that header
        has to share one limit with all others like it, so that inventing addresses gains nothing.
        """
        forwarded = fields.get(b"x-forwarded-for")
        if forwarded is None or self.trusts_proxies:
            return False
        # Both as `address` writes them, or one with an odd byte would not be found again.
        return address in printable(forwarded.decode("latin-1"), 10 * len(forwarded))

    def _walk(self, peer: str, forwarded: bytes) -> str:
        client = peer
        hops = forwarded.decode("latin-1").split(",") if forwarded else []
        while self._is_trusted(client) and hops:
            hop = _hop_address(hops.pop())
            if hop is None:
                break
            client = hop
        return client

    def _is_trusted(self, address: str) -> bool:
        if address == UNIX_SOCKET:
            return self._trusts_unix
        try:
            ip = _unmapped(address)
        except ValueError:
            return False
        return any(ip in network for network in self._networks)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError as error:
        msg = f"trusted_proxies: {text!r} is not a network; write 10.0.0.0/8, 2001:db8::/32 or unix"
        raise ValueError(msg) from error


def _unmapped(address: str) -> IPv4Address | IPv6Address:
    ip = ip_address(address)
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _hop_address(hop: str) -> str | None:
    """Return the address in one hop, which may have a port and brackets; None if it has none."""
    hop = hop.strip()
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        return str(_unmapped(hop))
    except ValueError:
        return None


def _prefix(address: str) -> str:
    try:
        ip = _unmapped(address.partition("%")[0])
    except ValueError:
        return address
    if not isinstance(ip, IPv6Address):
        return str(ip)
    return str(IPv6Network((int(ip) >> 64 << 64, 64)))


def _remember(memory: dict[_Key, str], key: _Key, value: str) -> None:
    if len(memory) >= _REMEMBERED:
        memory.clear()
    memory[key] = value
