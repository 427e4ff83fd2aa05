# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Which addresses are public, and what hosts spell."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central_services.utils.addresses import (
    is_forbidden_host,
    is_internal_address,
    is_public_address,
    literal_address,
)

# First and last addresses of what the registries say is not global, and their public neighbours.
NOT_PUBLIC = (  # noqa: SIM905  # as a list it would be two pages long
    "0.0.0.0 0.255.255.255 10.0.0.0 10.255.255.255 100.64.0.0 100.127.255.255 127.0.0.0"
    " 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.254 169.254.255.255 172.16.0.0"
    " 172.31.255.255 192.0.0.0 192.0.0.255 192.0.2.0 192.0.2.255 192.88.99.0 192.88.99.255"
    " 192.168.0.0 192.168.255.255 198.18.0.0 198.19.255.255 198.51.100.0 198.51.100.255"
    " 203.0.113.0 203.0.113.255 224.0.0.0 239.255.255.255 240.0.0.0 255.255.255.255"
    " :: ::1 ::ffff:10.0.0.1 ::ffff:168.63.129.16 64:ff9b::a00:1 64:ff9b:1::808:808 100::1"
    " 100:0:0:1::1 2001:: 2001:1ff:ffff:: 2001:2::1 2001:10::1 2001:20::1 2001:db8::"
    " 2001:db8:ffff:: 2002:: 2002:808:808::1 3fff:: 3fff:fff:ffff:: 4000:: 5f00::1 fc00::"
    " fd00:ec2::254 fdff:ffff:: fe80::1 febf:: fec0::1 ff02::1 ffff:: fe80::1%eth0"
    " 2606:4700::1%eth0 ::8.8.8.8 ::ffff:0:8.8.8.8 2606:4700::5efe:a00:1 2606:4700::200:5efe:7f00:1"
).split()
PUBLIC = (  # noqa: SIM905  # the same
    "1.0.0.0 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 128.0.0.0"
    " 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0"
    " 191.255.255.255 192.0.1.0 192.0.3.0 192.31.196.1 192.52.193.1 192.88.98.255 192.88.100.0"
    " 192.167.255.255 192.169.0.0 192.175.48.1 198.17.255.255 198.20.0.0 198.51.99.255"
    " 198.51.101.0 203.0.112.255 203.0.114.0 223.255.255.255"
    " 2000:: 2001:200:: 2001:db7:: 2001:db9:: 2003:: 2606:4700::1111 3ffe:: 3fff:1000::"
    " ::ffff:8.8.8.8 64:ff9b::808:808 2606:4700::5efe:808:808 2620:4f:8000::1"
).split()
FORBIDDEN = (  # noqa: SIM905  # the same
    "10.0.0.1 127.1 0x7f.1 2130706433 [::1] [::ffff:a9fe:a9fe] fe80::1%eth0 010.0.0.1 0012.1.1.1"
    " 1.2.3.4.5 256.256.256.256 a.1 [nonsense:] localhost LOCALHOST. app.localhost"
    " metadata.google.internal metadata instance-data x.local nas.home.arpa localtest.me"
    " 10.0.0.1.nip.io app-192-168-1-1.sslip.io 7f000001.nip.io --1.sslip.io fe80--1.sslip.io"
    " 7f000001.c0a80001.rbndr.us 10.0.0.1.anything.example public.example@10.0.0.1 a\\b a/b"
    " \u24db\u24de\u24d2\u24d0\u24db\u24d7\u24de\u24e2\u24e3 127%2e0%2e0%2e1 %00"
).split()
BENIGN = (  # noqa: SIM905  # the same
    "example.com api.example.com 8.8.8.8 [2606:4700::1111] 8.8.8.8.nip.io my-app.sslip.io"
    " ec2-10-0-0-1.compute.amazonaws.com 1.0.0.10.in-addr.arpa www.2021-10-10.example"
    " s3-eu-west-1.amazonaws.com localhost.example local.example internal.example redis"
    " b\u00fccher.example xn--bcher-kva.example 2606-4700--1111.sslip.io 1.2.3.example"
).split()


@pytest.mark.parametrize("text", NOT_PUBLIC)
def test_special_purpose_address_is_not_public(text):
    assert not is_public_address(ip_address(text))


@pytest.mark.parametrize("text", PUBLIC)
def test_neighbour_of_a_special_purpose_network_is_public(text):
    assert is_public_address(ip_address(text))
    assert not is_forbidden_host(f"[{text}]" if ":" in text else text)


@pytest.mark.parametrize("text", ["10.0.0.1.", "010.0.0.1", "localhost", "", "8.8.8"])
def test_text_that_is_no_canonical_address_is_not_public(text):
    assert not is_public_address(text)


def test_canonical_text_is_judged_like_its_address():
    assert is_public_address("8.8.8.8")
    assert not is_public_address("::1")


@pytest.mark.parametrize("text", ["10.0.0.1", "127.0.0.1", "100.64.0.1", "fd12::1", "::1"])
def test_machines_of_an_organisation_are_internal(text):
    assert is_internal_address(ip_address(text))


@pytest.mark.parametrize(
    "text",
    ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fe80::1", "224.0.0.1", "8.8.8.8"],
)
def test_metadata_link_local_and_multicast_are_not_internal(text):
    assert not is_internal_address(ip_address(text))


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"),
        ("127.0.1", "127.0.0.1"),
        ("2130706433", "127.0.0.1"),
        ("0x7f000001", "127.0.0.1"),
        ("0X7F.1", "127.0.0.1"),
        ("0177.0.0.01", "127.0.0.1"),
        ("017700000001", "127.0.0.1"),
        ("0", "0.0.0.0"),
        ("0x", "0.0.0.0"),
        ("127.0.0.1.", "127.0.0.1"),
        ("%31%32%37.0.0.1", "127.0.0.1"),
        ("127%252e0.0.1", "127.0.0.1"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1"),
        ("\u2460.1.1.1", "1.1.1.1"),
        ("127\u30020\uff0e0\uff611", "127.0.0.1"),
        ("127.0.\u00ad0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::FFFF:127.0.0.1", "::ffff:7f00:1"),
        ("[fe80::1%25eth0]", "fe80::1%25eth0"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("[::1", "::1"),
    ],
)
def test_host_is_read_in_every_spelling(host, address):
    assert literal_address(host) == ip_address(address)


@pytest.mark.parametrize(
    "host",
    ["example.com", "1.2.3.example", "256.1.1.1", "1.2.3.4.5", "08.1.1.1", "a.1", "", "[x:]"],
)
def test_what_is_no_address_spells_none(host):
    assert literal_address(host) is None


@pytest.mark.parametrize("host", ["", *FORBIDDEN])
def test_plainly_internal_host_is_forbidden(host):
    assert is_forbidden_host(host)


@pytest.mark.parametrize("host", BENIGN)
def test_benign_host_is_not_forbidden(host):
    assert not is_forbidden_host(host)


@given(st.integers(0, 2**32 - 1))
def test_every_spelling_of_an_ipv4_address_gets_the_same_verdict(number):
    address = IPv4Address(number)
    public = is_public_address(address)
    octal = ".".join(f"0{part:o}" for part in address.packed)
    for host in (str(address), str(number), f"{number:#x}", octal, f"[::ffff:{address}]"):
        assert literal_address(host) is not None
        if not public:
            assert is_forbidden_host(host)
    assert is_forbidden_host(str(address)) is not public


@given(st.integers(0, 2**128 - 1), st.sampled_from([0, 2**127, 0x2000 << 112, 0xFD << 120]))
def test_only_global_unicast_and_wrapped_public_addresses_are_public(number, high):
    address = IPv6Address(number >> 8 | high)
    if is_public_address(address):
        wrapped = address.ipv4_mapped is not None or address in NAT64
        assert wrapped or address.packed[0] >> 5 == 1


NAT64 = [IPv6Address((0x64FF9B << 96) + 0x08080808)]


@given(st.text("0178afx.:%25[]-@\\/\u3002\uff11", max_size=40))
def test_no_text_makes_the_check_fail(host):
    assert is_forbidden_host(host) in {True, False}
