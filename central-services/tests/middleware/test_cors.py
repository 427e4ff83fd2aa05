# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Cross-origin requests."""

from __future__ import annotations

import pytest
from starlette.applications import Starlette

from central_services.middleware.cors import CorsPolicy
from central_services.middleware.security import add_security_middleware

ORIGIN = ("Origin", "https://app.example.com")


def app(*origins: str, **options) -> Starlette:
    inner = Starlette()
    add_security_middleware(inner, allowed_origins=origins, **options)
    return inner


def preflight(method: str = "POST", headers: str = "", origin: str = ORIGIN[1]):
    wanted = [("Origin", origin), ("Access-Control-Request-Method", method)]
    return [*wanted, ("Access-Control-Request-Headers", headers)] if headers else wanted


def test_an_allowed_origin_may_read(call, lines) -> None:
    headers = call(app("https://app.example.com"), headers=[ORIGIN]).headers
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "X-Request-ID" in headers["access-control-expose-headers"]
    assert "access-control-allow-credentials" not in headers
    assert headers["vary"] == "Origin"


def test_another_origin_may_not(call, lines) -> None:
    for origin in ("https://evil.example", "null", "https://app.example.com.evil.example"):
        answer = call(app("https://app.example.com"), headers=[("Origin", origin)])
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["vary"] == "Origin"


def test_caches_are_told_even_without_an_origin(call, lines) -> None:
    assert call(app("https://app.example.com")).headers["vary"] == "Origin"


def test_vary_of_the_application_stays(call, echo_with, lines) -> None:
    inner = Starlette()
    inner.mount("/", echo_with((b"vary", b"Accept")))
    add_security_middleware(inner, allowed_origins=["https://app.example.com"])
    assert call(inner).headers["vary"] == "Accept\nOrigin"


def test_credentials_are_allowed_when_asked_for(call, lines) -> None:
    guarded = app("https://app.example.com", allow_credentials=True)
    headers = call(guarded, headers=[ORIGIN]).headers
    assert headers["access-control-allow-credentials"] == "true"


def test_any_origin_is_a_star_without_vary(call, lines) -> None:
    headers = call(app("*"), headers=[ORIGIN]).headers
    assert headers["access-control-allow-origin"] == "*"
    assert "vary" not in headers


@pytest.mark.parametrize("origins", [["*"], ["*", "https://app.example.com"]])
def test_any_origin_with_credentials_is_refused(origins) -> None:
    with pytest.raises(ValueError, match="no credentials and no other origin"):
        CorsPolicy(origins, allow_credentials=True)


@pytest.mark.parametrize(
    "origin", ["app.example.com", "https://app.example.com/", "https://*.example.com", "null"]
)
def test_what_is_no_origin_is_refused(origin) -> None:
    with pytest.raises(ValueError, match=r"write https://app\.example\.com"):
        CorsPolicy([origin])


def test_a_preflight_is_answered_at_the_edge(call, lines) -> None:
    wanted = preflight("PATCH", "content-type, Authorization")
    answer = call(app("https://app.example.com"), "/nothing", "OPTIONS", headers=wanted)
    assert answer.status == 204
    assert answer.body == b""
    headers = answer.headers
    assert headers["access-control-allow-origin"] == "https://app.example.com"
    assert "PATCH" in headers["access-control-allow-methods"]
    assert "Authorization" in headers["access-control-allow-headers"]
    assert headers["access-control-max-age"] == "600"


@pytest.mark.parametrize(
    "wanted",
    [
        preflight("PROPFIND"),
        preflight(headers="x-evil"),
        preflight(origin="https://evil.example"),
    ],
)
def test_a_preflight_that_asks_for_more_is_refused(call, lines, wanted) -> None:
    answer = call(app("https://app.example.com"), "/", "OPTIONS", headers=wanted)
    assert answer.status == 403
    assert "across origins" in answer.problem["detail"] or "browser" in answer.problem["detail"]
    assert "access-control-allow-methods" not in answer.headers


def test_a_plain_options_reaches_the_application(call, lines) -> None:
    assert call(app("https://app.example.com"), "/", "OPTIONS").status == 404
    assert call(app("https://app.example.com"), "/", "OPTIONS", headers=[ORIGIN]).status == 404
