# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Query parameters that lead inside, in the spellings that parsers disagree about."""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import pytest
from starlette.applications import Starlette

from central_services.middleware.security import SSRFPreventionMiddleware

pytestmark = pytest.mark.anyio

HOSTILE = [
    "http://example.com\\@127.0.0.1/",
    "http://127.0.0.1\\@example.com/",
    "http://user:pa:ss@10.0.0.1",
    "/\t/127.0.0.1",
    "ht\ntp:/10.0.0.1",
    "\x00http://127.0.0.1",
    "http:////127.0.0.1",
    "http://127\u30020\u30020\u30021/",
    "http://\u2460\u2461\u2466.\u24ea.\u24ea.\u2460/",
    "http://loc%61lhost/",
    "http://localhost.:8000",
    "http://[0:0:0:0:0:ffff:7f00:1]",
    "http://017700000001",
    "http://0x7f.1",
    "http://0",
    "http://169-254-169-254.sslip.io",
    "http://[fd00:ec2::254]/latest/meta-data",
    "http://metadata",
    "sftp://files.example.com/x",
]

BENIGN = [
    "https://mylocalhost.example.com/",
    "/docs/localhost-setup",
    "how to open http://localhost:8000",
    "somebody@localhost",
    "me+tag@example.com",
    "10:00",
    "16:9",
    "2026-01-01T10:00:00+01:00",
    "https://8.8.8.8/",
    "https://192.example.com/10.0.0.1",
    "//cdn.example.com/x.js",
    "https://me@example.com\\path",
    "first line\nsecond: http://localhost",
    "dict: a word",
]


async def status_of(ask, query: bytes) -> int:
    """Return what a query string is answered with; 404 comes from the application."""
    return (await ask(SSRFPreventionMiddleware(Starlette()), query=query)).status


@pytest.mark.parametrize("value", HOSTILE)
async def test_a_parameter_that_leads_inside_is_refused(ask, value) -> None:
    for _ in range(3):
        value = quote(value, safe="")
        assert await status_of(ask, f"page=1&next={value}".encode()) == 400


@pytest.mark.parametrize("value", BENIGN)
async def test_a_parameter_that_does_not_lead_inside_passes(ask, value) -> None:
    for written in (quote(value), quote(value, safe=""), quote(quote(value, safe=""), safe="")):
        assert await status_of(ask, f"page=1&next={written}".encode()) == 404


async def test_the_filter_sees_the_host_that_the_standard_library_would_call(ask) -> None:
    url = "http://example.com\\@10.0.0.1/"
    assert urlsplit(url).hostname == "10.0.0.1"
    assert await status_of(ask, f"u={quote(url)}".encode()) == 400


@pytest.mark.parametrize("query", [b"\xff\xfe", b"u=%", b"u=%zz//", b"=&;&==", b"%2f" * 5000])
async def test_a_query_that_makes_no_sense_passes(ask, query) -> None:
    assert await status_of(ask, query) == 404


async def test_the_filter_can_be_switched_off(ask, secured) -> None:
    query = b"u=http://127.0.0.1/"
    assert (await ask(secured(), query=query)).status == 400
    assert (await ask(secured(enable_ssrf_prevention=False), query=query)).status == 200
