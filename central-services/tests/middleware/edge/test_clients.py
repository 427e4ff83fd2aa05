# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Whoever invents addresses gains nothing, and the log names who really called."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

PROXIES = ["10.0.0.0/8", "2001:db8:aaaa::/48"]
HOPS = st.one_of(
    st.ip_addresses().map(str),
    st.sampled_from(["10.0.0.2", "::ffff:10.0.0.3", "[2001:db8:aaaa::1]:99", "198.51.100.4:80"]),
    st.sampled_from(["unknown", "_hidden", "", " ", "10.0.0.0/8", "0x7f.1", "[", "x" * 99]),
    st.binary(max_size=20).map(lambda value: value.decode("latin-1")),
)
FORWARDED = st.lists(HOPS, max_size=6).map(", ".join)


def asking(*forwarded: str) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request that has come a long way."""
    hops = [(b"x-forwarded-for", hop.encode("latin-1")) for hop in forwarded]
    return [(b"host", b"testserver"), *hops]


@settings(max_examples=25, deadline=None)
@given(spoofed=st.lists(FORWARDED, min_size=1, max_size=4))
@pytest.mark.parametrize("trusted", [[], PROXIES], ids=["no proxy", "proxies"])
def test_a_stranger_never_buys_a_request_with_a_header(ask, secured, trusted, spoofed) -> None:
    app = secured(rate_limit_rpm=1, trusted_proxies=trusted)

    async def statuses() -> list[int]:
        return [(await ask(app, headers=asking(hops))).status for hops in ["", *spoofed]]

    assert asyncio.run(statuses()) == [200] + [429] * len(spoofed)


@settings(max_examples=25, deadline=None)
@given(spoofed=st.lists(FORWARDED, min_size=1, max_size=4))
def test_a_client_behind_proxies_never_buys_a_request_with_a_header(ask, secured, spoofed) -> None:
    app = secured(rate_limit_rpm=1, trusted_proxies=PROXIES)

    async def statuses() -> list[int]:
        found = []
        for hops in ["", *spoofed]:
            # Two proxies appended what they saw.
            headers = asking(f"{hops}, 198.51.100.9, 10.0.0.2")
            found.append((await ask(app, headers=headers, address="10.0.0.1")).status)
        return found

    assert asyncio.run(statuses()) == [200] + [429] * len(spoofed)


@settings(max_examples=30, deadline=None)
@given(spoofed=st.lists(FORWARDED, min_size=1, max_size=5))
@example(spoofed=["\x801", "\x802", "\xa0x", "[2001:db8::1]:9", "x" * 99, "x" * 99 + "y"])
def test_a_server_that_believes_the_header_gives_nothing_away(ask, secured, spoofed) -> None:
    """uvicorn takes the client from `X-Forwarded-For` of a peer on the loopback, unasked."""
    app = ProxyHeadersMiddleware(secured(rate_limit_rpm=1))

    async def statuses() -> list[int]:
        return [
            (await ask(app, headers=asking(hops), address="127.0.0.1")).status for hops in spoofed
        ]

    # One for the peer itself, and one for all addresses that a header may have named.
    assert asyncio.run(statuses()).count(200) <= 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("203.0.113.7", ["198.51.100.1"], "203.0.113.7"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6", "198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.9.9.9, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, garbage, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["6.6.6.6,"], "10.0.0.1"),
        ("2001:db8:aaaa::5", ["2001:db8:bbbb::1"], "2001:db8:bbbb::1"),
        ("2001:db8:aaaa:0::5", ["[2001:DB8:BBBB::1]:443"], "2001:db8:bbbb::1"),
        ("::ffff:10.0.0.1", ["::ffff:198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["\x1b[2J\x1b[31mroot"], "10.0.0.1"),
    ],
)
async def test_the_log_names_the_right_most_hop_that_no_proxy_of_ours_is(
    ask, secured, lines, peer, forwarded, client
) -> None:
    await ask(secured(trusted_proxies=PROXIES), headers=asking(*forwarded), address=peer)
    assert lines.one()["client"] == client


@settings(max_examples=30, deadline=None)
@given(chain=st.lists(st.ip_addresses(), min_size=1, max_size=6))
def test_the_client_is_where_the_trusted_part_of_the_chain_begins(ask, secured, chain) -> None:
    """Two clients share a limit exactly when an independent reading of the chain says so."""
    networks = [ip_network(proxy) for proxy in PROXIES]
    trusted = [any(hop in network for network in networks) for hop in chain]
    first = next((i for i in reversed(range(len(chain))) if not trusted[i]), 0)
    client = chain[first]
    app = secured(rate_limit_rpm=1, trusted_proxies=PROXIES)

    async def statuses() -> list[int]:
        written = ", ".join(map(str, chain))
        one = await ask(app, headers=asking(written), address="10.0.0.1")
        same = await ask(app, headers=asking(str(client)), address="10.0.0.1")
        other = await ask(app, headers=asking("192.0.2.77"), address="10.0.0.1")
        return [one.status, same.status, other.status]

    assert asyncio.run(statuses()) == [200, 429, 429 if client == ip_address("192.0.2.77") else 200]
