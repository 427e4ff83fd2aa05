# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Host names that are served, and the way to https."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.anyio

ALLOWED = ["api.example.com", "*.example.org", "2001:db8::1", "192.0.2.1"]


@pytest.fixture
def app(secured):
    """An application that serves a few names."""
    return secured(allowed_hosts=ALLOWED)


def host(value: bytes) -> list[tuple[bytes, bytes]]:
    """Return the headers of a request to a host."""
    return [(b"host", value)]


@pytest.mark.parametrize(
    "value",
    [
        b"api.example.com",
        b"API.Example.COM",
        b"api.example.com:8443",
        b"api.example.com:",
        b"api.example.com.",
        b"a.example.org",
        b"b.a.example.org:80",
        b"192.0.2.1:8000",
        b"[2001:db8::1]",
        b"[2001:DB8::1]:8000",
    ],
)
async def test_a_host_that_is_served_is_accepted_again_and_again(ask, app, value) -> None:
    for _ in range(2):
        assert (await ask(app, headers=host(value))).status == 200


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"evil.example",
        b"example.org",
        b"evilexample.org",
        b"example.com",
        b"x.api.example.com",
        b"api.example.com.evil.example",
        b"api.example.com@evil.example",
        b"evil.example#api.example.com",
        b"api.example.com/evil",
        b"api.example.com, evil.example",
        b"api.example.com evil.example",
        b"api.example.com\x00",
        b"api.example.com\n",
        b"api.example.com:http",
        b"api.example.com:123456",
        b"api.example.com:80:80",
        b"api..example.com",
        b".example.org",
        b"\xe4pi.example.com",
        b"2001:db8::1",
        b"[2001:db8::1",
        b"[2001:db8::2]",
        b"a." * 150 + b"example.org",
    ],
)
async def test_any_other_host_is_refused_again_and_again(ask, app, value) -> None:
    for _ in range(2):
        assert (await ask(app, headers=host(value))).status == 400


async def test_a_missing_host_is_refused(ask, app) -> None:
    assert (await ask(app, headers=[])).status == 400


async def test_two_hosts_are_refused(ask, app) -> None:
    """A proxy may have routed by the other one."""
    one = b"api.example.com"
    assert (await ask(app, headers=[*host(one), *host(b"evil.example")])).status == 400
    assert (await ask(app, headers=[*host(one), *host(one)])).status == 400


async def test_a_refused_host_gets_a_problem_with_all_headers(ask, app) -> None:
    reply = await ask(app, headers=host(b"evil.example"))
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["x-frame-options"] == "DENY"
    assert reply.headers["content-security-policy"]
    assert reply.headers["x-request-id"].encode() in reply.body
    assert b"evil.example" not in reply.body


async def test_every_host_is_served_when_none_is_named(ask, secured) -> None:
    for headers in (host(b"anything.example"), []):
        assert (await ask(secured(), headers=headers)).status == 200


async def test_a_star_serves_every_well_formed_host(ask, secured) -> None:
    app = secured(allowed_hosts=["*"])
    assert (await ask(app, headers=host(b"anything.example"))).status == 200
    assert (await ask(app, headers=host(b"any thing"))).status == 400


async def test_many_hosts_of_a_wildcard_are_all_served(ask, app) -> None:
    for number in range(1100):  # more than are remembered
        reply = await ask(app, headers=host(b"t%d.example.org" % number))
        assert reply.status == 200


async def test_a_probe_may_ask_by_address(ask, app) -> None:
    reply = await ask(app, "/health/live", headers=host(b"10.1.2.3:8000"))
    assert reply.status == 200
    assert (await ask(app, "/healthy", headers=host(b"10.1.2.3:8000"))).status == 400


@pytest.mark.parametrize("pattern", ["api.*", "*example.com", "*.*.example.com", "a*b.example.com"])
def test_a_star_in_another_place_is_refused(secured, pattern) -> None:
    with pytest.raises(ValueError, match=r"is no pattern; write \*\.example\.com"):
        secured(allowed_hosts=[pattern]).build_middleware_stack()


@pytest.fixture
def redirecting(secured):
    """An application that wants https, behind proxies."""
    return secured(enable_https_redirect=True, trusted_proxies=["10.0.0.0/8"])


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_plain_http_is_redirected_with_method_and_query_kept(
    ask, redirecting, method
) -> None:
    headers = host(b"api.example.com:8000")
    reply = await ask(redirecting, "/hello", method=method, query=b"a=1&b=%2F%20", headers=headers)
    assert reply.status == 308  # which keeps the method, RFC 9110 section 15.4.9
    assert reply.headers["location"] == "https://api.example.com/hello?a=1&b=%2F%20"
    assert reply.headers["content-length"] == "0"
    assert reply.body == b""


@pytest.mark.parametrize(
    ("raw", "location"),
    [
        (b"/caf%C3%A9", "https://testserver/caf%C3%A9"),
        (b"//evil.example/x", "https://testserver//evil.example/x"),
        (b"/@evil.example", "https://testserver/@evil.example"),
        (b"/\\evil.example", "https://testserver/%5Cevil.example"),
        (b"/a\r\nset-cookie: x", "https://testserver/a%0D%0Aset-cookie:%20x"),
    ],
)
async def test_a_redirect_never_leads_elsewhere(ask, redirecting, raw, location) -> None:
    reply = await ask(redirecting, "/x", raw_path=raw)
    assert reply.headers["location"] == location


@pytest.mark.parametrize("raw", [b"@evil.example", b".evil.example", b"http://evil.example/", b"*"])
async def test_a_target_that_is_no_path_is_not_redirected(ask, redirecting, raw) -> None:
    reply = await ask(redirecting, "/x", raw_path=raw)
    assert reply.status == 400
    assert "location" not in reply.headers


async def test_a_path_without_its_raw_form_is_redirected_too(ask, redirecting) -> None:
    reply = await ask(redirecting, "/caf\u00e9 \u2713", raw_path=None)
    assert reply.headers["location"] == "https://testserver/caf%C3%A9%20%E2%9C%93"


async def test_a_request_over_https_is_not_redirected(ask, redirecting) -> None:
    assert (await ask(redirecting, scheme="https")).status == 200


@pytest.mark.parametrize(
    ("peer", "proto", "status"),
    [
        ("10.0.0.9", b"https", 200),
        ("10.0.0.9", b"HTTPS", 200),
        ("10.0.0.9", b"http, https", 200),
        ("10.0.0.9", b"https, http", 308),
        ("10.0.0.9", b"http", 308),
        ("10.0.0.9", b"", 308),
        ("203.0.113.7", b"https", 308),
        (None, b"https", 308),
    ],
)
async def test_only_the_last_word_of_a_trusted_proxy_counts(
    ask, redirecting, peer, proto, status
) -> None:
    headers = [*host(b"testserver"), (b"x-forwarded-proto", proto)]
    assert (await ask(redirecting, address=peer, headers=headers)).status == status


async def test_what_a_proxy_says_counts_for_nothing_when_none_is_trusted(ask, secured) -> None:
    headers = [*host(b"testserver"), (b"x-forwarded-proto", b"https")]
    app = secured(enable_https_redirect=True)
    assert (await ask(app, address="127.0.0.1", headers=headers)).status == 308


async def test_a_trusted_proxy_that_took_plain_http_is_believed_over_its_own_tls(
    ask, redirecting
) -> None:
    headers = [*host(b"testserver"), (b"x-forwarded-proto", b"http")]
    reply = await ask(redirecting, address="10.0.0.9", scheme="https", headers=headers)
    assert reply.status == 308


async def test_a_probe_is_not_redirected(ask, redirecting) -> None:
    assert (await ask(redirecting, "/health/live")).status == 200


@pytest.mark.parametrize("headers", [[], host(b"a b"), host(b"evil.example\r\nx: y")])
async def test_without_a_host_there_is_nowhere_to_redirect_to(ask, redirecting, headers) -> None:
    assert (await ask(redirecting, headers=headers)).status == 400


async def test_a_preflight_is_answered_rather_than_redirected(ask, secured) -> None:
    origin = "https://app.example.com"
    app = secured(enable_https_redirect=True, allowed_origins=[origin])
    asking = [(b"origin", origin.encode()), (b"access-control-request-method", b"GET")]
    reply = await ask(app, method="OPTIONS", headers=[*host(b"testserver"), *asking])
    assert reply.status == 204  # browsers follow no redirect of a preflight
