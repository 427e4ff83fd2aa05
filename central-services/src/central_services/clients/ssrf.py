# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Stop server-side request forgery where it happens: when a connection is made.

A URL can look harmless and lead inside: through the DNS, a redirect, a spelling of an address that
a filter does not know, or a name that answers differently the second time. So the name is resolved
once, every answer is judged, and the connection goes to one of those very addresses, while the
Host header, the TLS server name and the name in the certificate stay what the URL says. There is
no second resolution to rebind. Redirects pass the same way, since each makes its own connection.

Importing this module imports httpx2; `errors.BlockedAddressError` can be caught without.
"""

from __future__ import annotations

import asyncio
import re
import socket
import time
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Protocol

import httpcore2
import httpx2

from ..core.config import ENV_PREFIX
from ..utils.addresses import (
    IPAddress,
    ends_in_a_number,
    is_forbidden_host,
    is_internal_address,
    is_public_address,
)
from .errors import BlockedAddressError
from .sockets import SocketOptions, connect

RESOLVE_TIMEOUT_S = 5.0  # when a call has no connect timeout of its own
MAX_ADDRESSES = 8  # answers tried; one hostile name must not keep a call busy with thousands

# Letters, digits, hyphens and the underscore of internal names; everything else (a percent sign,
# a backslash) is read differently by different parsers.
_PLAIN_HOST = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*")


class BlockedConnectionError(BlockedAddressError, httpx2.TransportError):
    """`BlockedAddressError` as callers of httpx2 expect it: an `httpx2.HTTPError` too."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self._request = None  # what httpx2.RequestError would set


class Resolver(Protocol):
    """Turns a name into addresses."""

    async def __call__(self, host: str, port: int) -> Sequence[IPAddress]:
        """Return every address of a name, best first.

        May take as long as it likes; the caller bounds it.

        Raises:
            OSError: The name does not exist or the name server can't be reached; the call fails as
                one that could not connect. An empty result means the same.
        """


class Connector(Protocol):
    """Opens a TCP connection to an address that was judged before."""

    async def __call__(
        self, address: IPAddress, port: int, *, timeout_s: float | None, options: SocketOptions
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to exactly this address; no name is looked up any more.

        Raises:
            httpcore2.ConnectError: It can't be reached; the next address is tried.
            httpcore2.ConnectTimeout: It did not answer in time; the next address is tried.
        """


async def resolve(host: str, port: int) -> Sequence[IPAddress]:
    """Resolve a name as the operating system does (`Resolver`)."""
    infos = await asyncio.get_running_loop().getaddrinfo(
        host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
    )
    return list(dict.fromkeys(ip_address(info[4][0]) for info in infos))


class AddressPolicy:
    """Decides which hosts and addresses may be called.

    Args:
        allowed_internal_hosts: What inside your network may be called: exact names, `*.suffix` for
            the names below one, addresses and networks (`10.1.0.0/16`). A name allows private and
            loopback answers; link-local and metadata addresses must be listed themselves.
        allowed_ports: The only ports that may be called; None allows all.

    Raises:
        ValueError: An entry is none of these; the text says what to write instead.
    """

    def __init__(
        self,
        allowed_internal_hosts: Iterable[str] = (),
        *,
        allowed_ports: Iterable[int] | None = None,
    ) -> None:
        self._networks: list[IPv4Network | IPv6Network] = []
        self._names: set[str] = set()
        self._ports = None if allowed_ports is None else frozenset(allowed_ports)
        suffixes: list[str] = []
        for entry in allowed_internal_hosts:
            text = entry.strip().lower().rstrip(".")
            try:
                self._networks.append(ip_network(text.strip("[]")))
            except ValueError:
                name = text.removeprefix("*.")
                if not _PLAIN_HOST.fullmatch(name) or ends_in_a_number(name):
                    message = (
                        f"{entry!r} is not a host: write a name (db.internal), *.suffix, an"
                        " address or a network (10.1.0.0/16), without scheme and port"
                    )
                    raise ValueError(message) from None
                if name == text:
                    self._names.add(name)
                else:
                    suffixes.append(f".{name}")
        self._suffixes = tuple(suffixes)

    def check_host(self, host: str, port: int) -> IPAddress | None:
        """Judge what the URL says, before anything is looked up.

        Returns:
            The address that the host spells, or None for a name that is to be resolved.

        Raises:
            BlockedAddressError: The host or port may not be called.
        """
        if self._ports is not None and port not in self._ports:
            reason = f"port {port} may not be called"
            raise BlockedConnectionError(reason)
        literal = self._literal(host)
        if literal is not None:
            self.check_answers(host, [literal])
            return literal
        name = host.lower().removesuffix(".")
        if not _PLAIN_HOST.fullmatch(name) or ends_in_a_number(name):
            reason = f"{host[:100]!r} is neither a name nor a plain address"
            raise BlockedConnectionError(reason)
        if is_forbidden_host(name) and not self._is_listed(name):
            raise BlockedConnectionError(_refusal(host, "is a name of the internal network"))
        return None

    def check_answers(self, host: str, addresses: Sequence[IPAddress]) -> None:
        """Judge every address that a host stands for; one bad one spoils them all.

        Raises:
            BlockedAddressError: One of them may not be called.
        """
        listed: bool | None = None
        for address in addresses:
            if is_public_address(address):
                continue
            if any(address in network for network in self._networks):
                continue
            if listed is None:
                listed = self._is_listed(host.lower().removesuffix("."))
            if not (listed and is_internal_address(address)):
                raise BlockedConnectionError(_refusal(host, f"leads to {address}"))

    @staticmethod
    def _literal(host: str) -> IPAddress | None:
        try:
            return ip_address(host.strip("[]"))
        except ValueError:
            return None

    def _is_listed(self, name: str) -> bool:
        return name in self._names or name.endswith(self._suffixes)


def _refusal(host: str, what: str) -> str:
    return (
        f"{host[:100]} {what}, which may not be called; if it is yours, list it in"
        f" {ENV_PREFIX}HTTP_CLIENT__ALLOWED_INTERNAL_HOSTS"
    )


class GuardedBackend(httpcore2.AsyncNetworkBackend):
    """The network of an httpcore2 pool, behind an `AddressPolicy`.

    Args:
        policy: Which hosts and addresses may be called.
        resolver: Turns names into addresses; by default the operating system.
        connector: Opens connections; by default asyncio.
    """

    def __init__(
        self,
        policy: AddressPolicy,
        *,
        resolver: Resolver = resolve,
        connector: Connector = connect,
    ) -> None:
        self._policy = policy
        self._resolver = resolver
        self._connector = connector

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  # the signature of httpcore2
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to one of the addresses of a host, none of which may be a forbidden one.

        The addresses are tried one after the other, each with its share of what is left of the
        time, so that one that swallows packets leaves some for the next.

        Raises:
            BlockedAddressError: The host may not be called; nothing was sent.
            httpcore2.ConnectError: The name has no address, or none of them can be reached.
            httpcore2.ConnectTimeout: Resolving or connecting took longer than `timeout` seconds.
        """
        if local_address is not None:
            message = "a local address is not supported"
            raise ValueError(message)
        deadline = time.monotonic() + (RESOLVE_TIMEOUT_S if timeout is None else timeout)
        addresses = await self._vetted(host, port, deadline)
        for position, address in enumerate(addresses, 1):
            share = None
            if timeout is not None:
                left = deadline - time.monotonic()
                share = max(left, 0.001) / (len(addresses) - position + 1)
            try:
                return await self._connector(address, port, timeout_s=share, options=socket_options)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout):
                if position == len(addresses):
                    raise
        message = f"{host} has no address"
        raise httpcore2.ConnectError(message)

    async def _vetted(self, host: str, port: int, deadline: float) -> Sequence[IPAddress]:
        literal = self._policy.check_host(host, port)
        if literal is not None:
            return [literal]
        addresses = await self._resolve(host, port, deadline)
        self._policy.check_answers(host, addresses)
        return addresses[:MAX_ADDRESSES]

    async def _resolve(self, host: str, port: int, deadline: float) -> Sequence[IPAddress]:
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return await self._resolver(host, port)
        except TimeoutError as error:
            message = f"resolving {host} took too long"
            raise httpcore2.ConnectTimeout(message) from error
        except (OSError, UnicodeError) as error:  # UnicodeError: a label longer than 63 letters
            message = f"{host} can't be resolved: {error}"
            raise httpcore2.ConnectError(message) from error

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,  # noqa: ARG002, ASYNC109  # the signature of httpcore2
        socket_options: SocketOptions = None,  # noqa: ARG002  # the signature of httpcore2
    ) -> httpcore2.AsyncNetworkStream:
        """Refuse: a Unix socket leads inside.

        Raises:
            BlockedAddressError: Always.
        """
        reason = f"the Unix socket {path} may not be called"
        raise BlockedConnectionError(reason)

    async def sleep(self, seconds: float) -> None:
        """Wait, as httpcore2 asks for between its own retries (we leave those off)."""
        await asyncio.sleep(seconds)
