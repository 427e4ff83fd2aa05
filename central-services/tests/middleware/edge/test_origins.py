# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Cross-origin requests that try to look like those of an allowed site."""

from __future__ import annotations

import pytest
from starlette.responses import PlainTextResponse
from starlette.routing import Route

pytestmark = pytest.mark.anyio

APP = "https://app.example.com"
SHOP = "https://shop.example.com:8443"
ASKING = {"origin": APP, "access-control-request-method": "POST"}
CORS_HEADERS = {
    "access-control-allow-origin",
    "access-control-allow-credentials",
    "access-control-expose-headers",
}
FOREIGN = [
    "https://evil.example",
    "http://app.example.com",
    "https://app.example.com:444",
    "https://app.example.com.evil.example",
    "https://evil.example/https://app.example.com",
    "https://xapp.example.com",
    "https://appxexample.com",
    "https://sub.app.example.com",
    "https://app.example.com/",
    "https://app.example.com, https://shop.example.com:8443",
    "null",
    "*",
    "",
]


@pytest.fixture
def app(secured):
    """An application that two origins may call, with credentials."""
    own = PlainTextResponse("own", headers={"access-control-allow-origin": "https://own.example"})
    route = Route("/own", own)
    return secured(route, allowed_origins=[APP, SHOP], allow_credentials=True)


@pytest.mark.parametrize("origin", [APP, SHOP])
async def test_an_allowed_origin_may_read_with_credentials(client_of, app, origin) -> None:
    async with client_of(app) as api:
        answer = await api.get("/hello", headers={"origin": origin})
    assert answer.headers.get_list("access-control-allow-origin") == [origin]
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers.get_list("vary") == ["Origin"]


async def test_scripts_may_read_what_a_client_needs(client_of, app) -> None:
    async with client_of(app) as api:
        answer = await api.get("/hello", headers={"origin": APP})
    exposed = set(answer.headers["access-control-expose-headers"].split(", "))
    assert exposed >= {"X-Request-ID", "Retry-After", "RateLimit", "RateLimit-Policy", "ETag"}


@pytest.mark.parametrize("origin", FOREIGN)
async def test_a_foreign_origin_gets_no_cors_header(client_of, app, origin) -> None:
    async with client_of(app) as api:
        answer = await api.get("/hello", headers={"origin": origin})
        preflight = await api.options("/hello", headers=ASKING | {"origin": origin})
    assert (answer.status_code, preflight.status_code) == (200, 403)
    for headers in (answer.headers, preflight.headers):
        assert not CORS_HEADERS & set(headers)
        assert headers["vary"] == "Origin"


async def test_a_preflight_says_what_is_allowed_and_for_how_long(client_of, app) -> None:
    async with client_of(app) as api:
        answer = await api.options("/no/such/path", headers=ASKING)
    assert (answer.status_code, answer.content) == (204, b"")
    assert answer.headers["access-control-allow-origin"] == APP
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert "POST" in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-max-age"] == "600"
    assert "content-length" not in answer.headers  # RFC 9110 section 8.6
    varies = ", ".join(answer.headers.get_list("vary")).split(", ")
    assert {"Origin", "Access-Control-Request-Method"} <= set(varies)


async def test_a_method_in_lower_case_is_another_method(client_of, app) -> None:
    wanted = {"access-control-request-method": "post"}  # RFC 9110 section 9.1
    async with client_of(app) as api:
        assert (await api.options("/hello", headers=ASKING | wanted)).status_code == 403


async def test_an_answer_of_the_application_is_not_contradicted(client_of, app) -> None:
    async with client_of(app) as api:
        answer = await api.get("/own", headers={"origin": APP})
    assert answer.headers.get_list("access-control-allow-origin") == ["https://own.example"]


async def test_preflights_are_neither_limited_nor_counted(client_of, secured) -> None:
    async with client_of(secured(allowed_origins=[APP], rate_limit_rpm=1)) as api:
        for _ in range(5):
            assert (await api.options("/hello", headers=ASKING)).status_code == 204
        assert (await api.get("/hello")).status_code == 200
        assert (await api.get("/hello")).status_code == 429
        assert (await api.options("/hello", headers=ASKING)).status_code == 204


async def test_nothing_is_said_about_origins_when_none_is_allowed(client_of, secured) -> None:
    async with client_of(secured()) as api:
        answer = await api.get("/hello", headers={"origin": APP})
        preflight = await api.options("/hello", headers=ASKING)
    assert not (CORS_HEADERS | {"vary"}) & set(answer.headers)
    assert preflight.status_code == 405


@pytest.mark.parametrize(
    "origin", ["https://APP.example.com", "http://localhost:3000", "http://[::1]:3000"]
)
async def test_an_origin_is_compared_as_browsers_send_it(client_of, secured, origin) -> None:
    async with client_of(secured(allowed_origins=[origin])) as api:
        answer = await api.get("/hello", headers={"origin": origin.lower()})
    assert answer.headers["access-control-allow-origin"] == origin.lower()
