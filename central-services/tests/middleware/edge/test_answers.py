# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Every kind of answer that a complete service gives carries the security headers."""

from __future__ import annotations

import pytest
from fastapi import APIRouter
from starlette.responses import PlainTextResponse, Response

from central_services.middleware.headers import DOCS_CSP

pytestmark = pytest.mark.anyio
router = APIRouter()

ORIGIN = "https://app.example.com"
API_CSP = "default-src 'none'; frame-ancestors 'none'"
HSTS = "max-age=63072000; includeSubDomains"
NAMED = {
    "content-security-policy": API_CSP,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
PREFLIGHT = {"origin": ORIGIN, "access-control-request-method": "POST"}
SECURITY = {
    "allowed_hosts": ("testserver",),
    "allowed_origins": (ORIGIN,),
    "max_body_bytes": 100,
}

# One request for each: status, method, path, headers, body.
ANSWERS = {
    "answer": (200, "GET", "/page", {}, b""),
    "probe": (200, "GET", "/health/live", {}, b""),
    "no content": (204, "GET", "/empty", {}, b""),
    "preflight": (204, "OPTIONS", "/page", PREFLIGHT, b""),
    "redirect": (307, "GET", "/page/", {}, b""),
    "foreign host": (400, "GET", "/page", {"host": "evil.example"}, b""),
    "internal url": (400, "GET", "/page?next=http://127.0.0.1/", {}, b""),
    "refused preflight": (403, "OPTIONS", "/page", PREFLIGHT | {"origin": "null"}, b""),
    "unknown path": (404, "GET", "/missing", {}, b""),
    "wrong method": (405, "DELETE", "/page", {}, b""),
    "large body": (413, "POST", "/page", {}, b"x" * 101),
    "invalid input": (422, "GET", "/number?n=x", {}, b""),
    "over the limit": (429, "GET", "/limited", {}, b""),
    "own failure": (500, "GET", "/broken", {}, b""),
}


@router.get("/page")
@router.get("/limited")
@router.post("/page")
async def page() -> str:
    return "page"


@router.get("/empty", status_code=204)
async def empty() -> None:
    return None


@router.get("/number")
async def number(n: int) -> int:
    return n


@router.get("/broken")
async def broken() -> None:
    raise RuntimeError


@router.get("/framed")
async def framed() -> Response:
    own = {"X-Frame-Options": "SAMEORIGIN", "Content-Security-Policy": "frame-ancestors 'self'"}
    return PlainTextResponse("framed", headers=own)


@pytest.mark.parametrize("name", ANSWERS)
async def test_every_answer_carries_every_header_once(serve, name) -> None:
    status, method, path, headers, body = ANSWERS[name]
    headers = {"origin": ORIGIN, "x-request-id": "abc"} | headers
    limits = {"routes": {"/limited": 1}}
    async with serve(routers=[router], security=SECURITY, rate_limit=limits) as api:
        for _ in range(2):  # because one kind is a rate limit
            answer = await api.request(
                method, f"https://testserver{path}", headers=headers, content=body
            )
    assert answer.status_code == status
    expected = NAMED | {"strict-transport-security": HSTS, "x-request-id": "abc"}
    if name != "refused preflight":
        expected |= {"access-control-allow-origin": ORIGIN}
    for header, value in expected.items():
        assert answer.headers.get_list(header) == [value], header
    assert "Origin" in answer.headers.get_list("vary")
    assert "x-xss-protection" not in answer.headers
    if status >= 400:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (answer.json()["status"], answer.json()["request_id"]) == (status, "abc")
        assert int(answer.headers["content-length"]) == len(answer.content)


async def test_a_header_of_the_application_wins(serve) -> None:
    async with serve(routers=[router]) as api:
        answer = await api.get("/framed")
    assert answer.headers.get_list("x-frame-options") == ["SAMEORIGIN"]
    assert answer.headers.get_list("content-security-policy") == ["frame-ancestors 'self'"]
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_redirect_to_https_carries_the_headers(serve) -> None:
    async with serve(security={"https_redirect": True}) as api:
        answer = await api.get("/openapi.json")
    assert answer.status_code == 308
    assert dict(answer.headers).items() >= NAMED.items()


async def test_hsts_is_not_sent_in_plain_http_in_development(serve) -> None:
    async with serve(environment="development") as api:
        assert "strict-transport-security" not in (await api.get("/health/live")).headers
        secure = await api.get("https://testserver/health/live")
        assert secure.headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize("environment", ["production", "staging"])
async def test_hsts_is_sent_in_production_even_in_plain_http(serve, environment) -> None:
    hosts = {"allowed_hosts": ("testserver",)}
    async with serve(environment=environment, security=hosts) as api:
        answer = await api.get("/health/live")
    assert answer.headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize("path", ["/docs", "/docs/assets/start.js", "/docs/assets/missing"])
async def test_the_documentation_has_a_policy_of_its_own(serve, path) -> None:
    async with serve() as api:
        assert (await api.get(path)).headers["content-security-policy"] == DOCS_CSP


@pytest.mark.parametrize("path", ["/openapi.json", "/documents", "/docs-old", "/v1/docs"])
async def test_other_paths_do_not_get_the_policy_of_the_documentation(serve, path) -> None:
    async with serve() as api:
        assert (await api.get(path)).headers["content-security-policy"] == API_CSP
