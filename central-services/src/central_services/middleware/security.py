# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Security of every request and response, as one middleware or as single ones.

`add_security_middleware` installs everything at once and is what an application should use: the
single classes apply the same policies, each through a wrapper of its own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Unpack

from starlette.applications import Starlette
from starlette.types import ASGIApp

from .body_limit import BodyLimit
from .client_address import ClientAddresses
from .cors import CorsPolicy
from .edge import Policies, SecurityEdge
from .headers import API_CSP, DOCS_CSP, HeaderOptions, HeaderPolicy
from .hosts import HostPolicy
from .rate_limit import (
    AlgorithmName,
    KeyFunction,
    LimiterOptions,
    RateLimiter,
    SharedStore,
    StoreFailure,
)
from .ssrf import SsrfFilter

if TYPE_CHECKING:
    from .request_context import RequestTracer

__all__ = [
    "KeyFunction",
    "RateLimitMiddleware",
    "SSRFPreventionMiddleware",
    "SecurityHeadersMiddleware",
    "add_security_middleware",
]


class SecurityHeadersMiddleware(SecurityEdge):
    """Add the security headers to every response that does not set them itself.

    Args:
        app: The application inside.
        **options: Those of `HeaderPolicy`, whose docstring also says why X-XSS-Protection is not
            sent.

    Raises:
        ValueError: If a policy cannot be a header value.
    """

    def __init__(self, app: ASGIApp, **options: Unpack[HeaderOptions]) -> None:
        super().__init__(app, Policies(headers=HeaderPolicy(**options)))


class RateLimitMiddleware(SecurityEdge):
    """Answer 429 to clients that ask too often.

    Args:
        app: The application inside.
        requests_per_minute: Requests per client and minute.
        algorithm: token-bucket, fixed-window or sliding-window.
        url: Valkey or Redis server on which all processes count together.
        trusted_proxies: Networks of the proxies that may name the client.
        **options: Those of `RateLimiter`.

    Raises:
        ValueError: For a quota that allows nothing.
    """

    def __init__(
        self,
        app: ASGIApp,
        requests_per_minute: int = 60,
        *,
        algorithm: AlgorithmName = "token-bucket",
        url: str | None = None,
        trusted_proxies: Sequence[str] = (),
        **options: Unpack[LimiterOptions],
    ) -> None:
        addresses = ClientAddresses(trusted_proxies)
        limiter = RateLimiter(
            requests_per_minute,
            algorithm=algorithm,
            addresses=addresses,
            store=SharedStore(url, algorithm) if url else None,
            **options,
        )
        super().__init__(app, Policies(limiter=limiter, addresses=addresses))


class SSRFPreventionMiddleware(SecurityEdge):
    """Refuse query parameters that are URLs to private, link-local or metadata addresses.

    It is a first filter and no more; `SsrfFilter` says what it cannot see. The protection itself is
    the guard of the HTTP client in `clients/http.py`.

    Args:
        app: The application inside.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, Policies(ssrf=SsrfFilter()))


def add_security_middleware(
    app: Starlette,
    *,
    enable_https_redirect: bool = False,
    enable_rate_limiting: bool = True,
    enable_ssrf_prevention: bool = True,
    allowed_origins: Sequence[str] | None = None,
    allowed_hosts: Sequence[str] | None = None,
    rate_limit_rpm: int = 60,
    allow_credentials: bool = False,
    content_security_policy: str = API_CSP,
    docs_content_security_policy: str = DOCS_CSP,
    docs_paths: Sequence[str] = ("/docs", "/redoc"),
    hsts_max_age_s: int = 63_072_000,
    hsts_include_subdomains: bool = True,
    hsts_preload: bool = False,
    hsts_always: bool = False,
    max_body_bytes: int = 1_048_576,
    trusted_proxies: Sequence[str] = (),
    probe_paths: Sequence[str] = ("/health/",),
    rate_limit_algorithm: AlgorithmName = "token-bucket",
    rate_limit_burst: int | None = None,
    rate_limit_routes: Mapping[str, int] | None = None,
    rate_limit_exempt_paths: Sequence[str] = ("/health/",),
    rate_limit_max_keys: int = 100_000,
    rate_limit_url: str | None = None,
    rate_limit_namespace: str = "rate-limit",
    rate_limit_on_store_failure: StoreFailure = "local",
    rate_limit_key: KeyFunction | None = None,
    tracer: RequestTracer | None = None,
    debug: bool = False,
) -> None:
    """Put the whole edge around an application: see `SecurityEdge` for the order.

    Args:
        app: A FastAPI or Starlette application that has not started.
        enable_https_redirect: Redirect http:// to https:// with 308, but for `probe_paths`.
        enable_rate_limiting: Limit requests per client.
        enable_ssrf_prevention: Refuse query parameters that are URLs into the network.
        allowed_origins: Browser origins that may call (CORS); None or empty for none.
        allowed_hosts: Host names that are served; None or empty for any.
        rate_limit_rpm: Requests per client and minute.
        allow_credentials: Let those origins send cookies and authorization headers.
        content_security_policy: Policy of every path but the documentation.
        docs_content_security_policy: Policy of the documentation pages.
        docs_paths: Where those are.
        hsts_max_age_s: Strict-Transport-Security in seconds; 0 leaves it out.
        hsts_include_subdomains: Extend it to subdomains.
        hsts_preload: Ask browsers to build it in.
        hsts_always: Send it on plain HTTP too, for a service behind a proxy that ends TLS.
        max_body_bytes: Largest request body; 0 for no limit.
        trusted_proxies: Networks of the proxies that may name the client and its scheme. Run
            uvicorn with `--no-proxy-headers`, or it believes any proxy on the loopback first.
        probe_paths: Prefixes that may be asked by any host name and in plain HTTP.
        rate_limit_algorithm: token-bucket, fixed-window or sliding-window.
        rate_limit_burst: Requests that may come at once (token-bucket).
        rate_limit_routes: Requests per minute for routes, such as `POST /orders`.
        rate_limit_exempt_paths: Prefixes that are not limited.
        rate_limit_max_keys: Clients remembered per process.
        rate_limit_url: Valkey or Redis server on which all processes count together.
        rate_limit_namespace: What keys on that server start with.
        rate_limit_on_store_failure: When it is down: local, allow or deny.
        rate_limit_key: Names who is counted; None, from it or as it, counts the address.
        tracer: Told about requests and unhandled exceptions.
        debug: Show the exception and its traceback in a 500.

    Raises:
        ValueError: For a value that cannot work; the text says what to write.
        RuntimeError: If the application has started.
    """
    addresses = ClientAddresses(trusted_proxies)
    store = None
    if enable_rate_limiting and rate_limit_url:
        store = SharedStore(rate_limit_url, rate_limit_algorithm, namespace=rate_limit_namespace)
    limiter = RateLimiter(
        rate_limit_rpm,
        burst=rate_limit_burst,
        algorithm=rate_limit_algorithm,
        routes=rate_limit_routes,
        exempt_paths=rate_limit_exempt_paths,
        max_keys=rate_limit_max_keys,
        key=rate_limit_key,
        addresses=addresses,
        store=store,
        on_store_failure=rate_limit_on_store_failure,
    )
    headers = HeaderPolicy(
        content_security_policy=content_security_policy,
        docs_content_security_policy=docs_content_security_policy,
        docs_paths=docs_paths,
        hsts_max_age_s=hsts_max_age_s,
        hsts_include_subdomains=hsts_include_subdomains,
        hsts_preload=hsts_preload,
        hsts_always=hsts_always,
    )
    origins = tuple(allowed_origins or ())
    policies = Policies(
        headers=headers,
        hosts=HostPolicy(allowed_hosts) if allowed_hosts else None,
        cors=CorsPolicy(origins, allow_credentials=allow_credentials) if origins else None,
        https_redirect=enable_https_redirect,
        limiter=limiter if enable_rate_limiting else None,
        ssrf=SsrfFilter() if enable_ssrf_prevention else None,
        body=BodyLimit(max_body_bytes) if max_body_bytes else None,
        context=True,
        tracer=tracer,
        addresses=addresses,
        probe_paths=tuple(probe_paths),
        debug=debug,
    )
    app.add_middleware(SecurityEdge, policies=policies)
