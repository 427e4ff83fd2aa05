# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The security headers."""

from __future__ import annotations

import pytest

from central_services.middleware.security import (
    SecurityHeadersMiddleware,
    add_security_middleware,
)


def test_a_header_that_the_application_sets_is_kept(call, echo_with) -> None:
    app = SecurityHeadersMiddleware(echo_with((b"x-frame-options", b"SAMEORIGIN")))
    headers = call(app).headers
    assert headers["x-frame-options"] == "SAMEORIGIN"
    assert headers["x-content-type-options"] == "nosniff"


def test_a_response_object_that_is_sent_twice_gets_each_header_once(call, echo) -> None:
    app = SecurityHeadersMiddleware(echo)
    assert call(app).headers == call(app).headers
    assert echo.headers == []


def test_x_xss_protection_is_not_sent(call, echo) -> None:
    assert "x-xss-protection" not in call(SecurityHeadersMiddleware(echo)).headers


def test_hsts_is_not_sent_over_plain_http(call, echo) -> None:
    app = SecurityHeadersMiddleware(echo)
    assert "strict-transport-security" not in call(app).headers
    sent = call(app, scheme="https").headers["strict-transport-security"]
    assert sent == "max-age=63072000; includeSubDomains"


def test_hsts_is_sent_when_a_trusted_proxy_says_https(call, echo) -> None:
    app = Fake(echo, trusted_proxies=["10.0.0.0/8"])
    proto = [("X-Forwarded-Proto", "https")]
    trusted = call(app.edge, headers=proto, client=("10.0.0.1", 1)).headers
    assert "strict-transport-security" in trusted
    assert "strict-transport-security" not in call(app.edge, headers=proto).headers


def test_hsts_can_be_left_out_extended_and_preloaded(call, echo) -> None:
    off = SecurityHeadersMiddleware(echo, hsts_max_age_s=0)
    assert "strict-transport-security" not in call(off, scheme="https").headers
    own = SecurityHeadersMiddleware(
        echo,
        hsts_max_age_s=60,
        hsts_include_subdomains=False,
        hsts_preload=True,
        hsts_always=True,
    )
    assert call(own).headers["strict-transport-security"] == "max-age=60; preload"


@pytest.mark.parametrize("path", ["/docs", "/docs/assets/swagger-ui.css", "/redoc"])
def test_documentation_has_a_policy_under_which_it_works(call, echo, path) -> None:
    policy = call(SecurityHeadersMiddleware(echo), path).headers["content-security-policy"]
    assert "script-src 'self';" in policy
    assert "img-src 'self' data:" in policy
    assert "connect-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src 'self' 'unsafe-inline'" not in policy


@pytest.mark.parametrize("path", ["/", "/docsets", "/orders/docs", "/openapi.json"])
def test_other_paths_allow_nothing(call, echo, path) -> None:
    policy = call(SecurityHeadersMiddleware(echo), path).headers["content-security-policy"]
    assert policy == "default-src 'none'; frame-ancestors 'none'"


def test_documentation_is_found_under_a_root_path(call, echo) -> None:
    answer = call(SecurityHeadersMiddleware(echo), "/orders/docs", root_path="/orders")
    assert "script-src" in answer.headers["content-security-policy"]


def test_a_policy_that_cannot_be_a_header_is_refused(echo) -> None:
    with pytest.raises(ValueError, match="content-security-policy must be printable"):
        SecurityHeadersMiddleware(echo, content_security_policy="a\r\nSet-Cookie: b")


class Fake:
    """Enough of an application for the middleware to be added to."""

    def __init__(self, app, **options) -> None:
        self.app = app
        add_security_middleware(self, **options)  # ty: ignore[invalid-argument-type]  # see above

    def add_middleware(self, kind, **options) -> None:
        self.edge = kind(self.app, **options)
