# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The first filter against server-side request forgery."""

from __future__ import annotations

from urllib.parse import quote

import pytest

from central_services.middleware.security import SSRFPreventionMiddleware
from central_services.middleware.ssrf import SsrfFilter

HOSTILE = [
    "http://10.0.0.5",
    "https://172.20.1.1/x",
    "http://192.168.1.1:8080/",
    "http://[::1]/",
    "http://[::ffff:10.0.0.1]:80/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.0.2/",
    "http://metadata.goog/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://100.100.100.200/",
    "http://localhost:8000/",
    "http://user:pass@10.0.0.1/",
    "http://example.com@10.0.0.1/",
    "http://10.0.0.1.nip.io/",
    "HTTP://LOCALHOST",
    "//10.0.0.1/x",
    "/\\10.0.0.1/x",
    "\\\\10.0.0.1\\share",
    "http:\\\\10.0.0.1",
    "http:/10.0.0.1/",
    "http:10.0.0.1",
    " http://10.0.0.1/",
    "ht\ttp://10.0.0.1/",
    "ftp://10.0.0.1/",
    "custom+scheme://10.0.0.1/",
    "ws://10.0.0.1/",
    "url:http://10.0.0.1/",
    "jar:http://10.0.0.1!/x",
    "file:///etc/passwd",
    "file:/etc/passwd",
    "gopher://example.com:70/",
    "dict://example.com:11211/",
    "ldap://example.com/",
]

BENIGN = [
    "https://mylocalhost.example.com/",
    "/docs/localhost-setup",
    "how to open http://localhost:8000",
    "http://localhost:8000 does not open",
    "https://example.com/?next=http://10.0.0.1/",
    "https://93.184.215.14/",
    "http://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/",
    "10.0.0.1",
    "localhost",
    "10.0.0.0/8",
    "12:30",
    "a//b",
    "// a comment",
    "//",
    "http://",
    "http:404",
    "file:report.pdf",
    "C:\\\\folder",
    "mailto:user@localhost",
    "urn:isbn:123",
    "100%",
    "%",
    "",
]


def double(value: str) -> str:
    return quote(quote(value, safe=""), safe="")


@pytest.mark.parametrize("value", HOSTILE)
@pytest.mark.parametrize("encode", [str, quote, lambda v: quote(v, safe=""), double])
def test_a_url_that_leads_inside_is_refused(value, encode) -> None:
    if encode is str:
        value = value.replace("\t", "%09").replace(" ", "%20").replace("+", "%2B")
    query = f"x=1&next={encode(value)}&y=2".encode()
    refusal = SsrfFilter().check(query)
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("value", BENIGN)
@pytest.mark.parametrize("encode", [str, quote, lambda v: quote(v, safe=""), double])
def test_what_is_no_such_url_passes(value, encode) -> None:
    if encode is str:
        value = value.replace(" ", "+").replace("&", "%26")
    assert SsrfFilter().check(f"x=1&next={encode(value)}".encode()) is None


def test_a_parameter_without_a_name_is_seen() -> None:
    assert SsrfFilter().check(b"http://10.0.0.1/") is not None


def test_a_refusal_is_a_problem_that_repeats_nothing(call, echo) -> None:
    answer = call(SSRFPreventionMiddleware(echo), query="u=http://10.0.0.1/canary")
    assert answer.status == 400
    assert "canary" not in answer.body.decode()
    assert answer.problem["title"] == "Bad Request"
    assert echo.seen == []
