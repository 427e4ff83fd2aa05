# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Who is calling."""

from __future__ import annotations

import pytest

from central_services.middleware.client_address import ClientAddresses


def address(trusted: list[str], peer: str | None, forwarded: str = "") -> str:
    fields = {b"x-forwarded-for": forwarded.encode()} if forwarded else {}
    scope = {"client": None if peer is None else (peer, 1)}
    return ClientAddresses(trusted).address(scope, fields)


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, 10.0.0.2", "198.51.100.1"),
        ("10.0.0.1", "10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("10.0.0.1", "198.51.100.1:8080", "198.51.100.1"),
        ("10.0.0.1", "[2001:db8::9]:443", "2001:db8::9"),
        ("10.0.0.1", "2001:DB8::9", "2001:db8::9"),
        ("10.0.0.1", "::ffff:198.51.100.1", "198.51.100.1"),
        ("::ffff:10.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("2001:db8:1::1", "198.51.100.1", "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1, unknown", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.1, evil, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "198.51.100.1, ", "10.0.0.1"),
        ("10.0.0.1", "1" * 5_000, "10.0.0.1"),
        (None, "198.51.100.1", "unix"),
    ],
)
def test_the_client_is_the_right_most_hop_that_is_not_trusted(peer, forwarded, client) -> None:
    assert address(["10.0.0.0/8", "2001:db8:1::/48"], peer, forwarded) == client


def test_nobody_is_trusted_by_default() -> None:
    assert address([], "127.0.0.1", "198.51.100.1") == "127.0.0.1"


def test_a_unix_socket_can_be_trusted() -> None:
    assert address(["unix"], None, "198.51.100.1") == "198.51.100.1"


def test_an_address_cannot_flood_a_log_line() -> None:
    assert len(address([], "x\n" * 5_000, "x")) <= 64
    assert address([], "x\ny", "x") == r"x\ny"


def test_verdicts_are_remembered_with_a_bound() -> None:
    addresses = ClientAddresses(["10.0.0.0/8"])
    for number in range(5_000):
        forwarded = {b"x-forwarded-for": f"198.51.{number >> 8}.{number & 255}".encode()}
        addresses.address({"client": ("10.0.0.1", 1)}, forwarded)
        addresses.key(f"2001:db8:{number:x}::1")
    assert len(addresses._clients) <= 4_096
    assert len(addresses._keys) <= 4_096


@pytest.mark.parametrize(
    ("client", "key"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("testclient", "testclient"),
        ("no:address", "no:address"),
    ],
)
def test_limits_count_by_address_or_network(client, key) -> None:
    assert ClientAddresses().key(client) == key


def test_a_proxy_that_is_no_network_is_refused() -> None:
    with pytest.raises(ValueError, match=r"write 10\.0\.0\.0/8"):
        ClientAddresses(["proxy.example.com"])
