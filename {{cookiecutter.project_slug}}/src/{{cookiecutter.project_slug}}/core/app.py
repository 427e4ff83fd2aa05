# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""The one place where a service is put together; nothing else constructs its parts.

A project passes what is its own (routers, lifespans, checks) to `build_app` in `main.py`.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, FastAPI

from ..api.health import HealthCheck, install_health
from ..api.problems import problem_responses
# jinja: if cookiecutter.include_audit_logging and cookiecutter.use_central_auth
from ..audit.callers import name_actor
# jinja: endif
# jinja: if cookiecutter.include_audit_logging and cookiecutter.include_financial
from ..audit.financial import financial_lifespan
# jinja: endif
# jinja: if cookiecutter.use_central_audit
from ..audit.forwarder import forwarder_check, forwarder_lifespan
# jinja: endif
# jinja: if cookiecutter.include_audit_logging
from ..audit.installation import audit_check, audit_lifespan, record_refusals
from ..audit.log import check_audit_settings
# jinja: endif
# jinja: if cookiecutter.include_audit_logging and cookiecutter.include_database
from ..audit.relay import relay_lifespan
# jinja: endif
# jinja: if cookiecutter.use_central_audit
from ..clients.audit import AuditServiceClient
# jinja: endif
# jinja: if cookiecutter.use_central_auth
from ..clients.auth import CentralAuth
# jinja: endif
# jinja: if cookiecutter.include_background_jobs
from ..jobs.installation import jobs_check, jobs_lifespan
# jinja: endif
from ..middleware.security import KeyFunction, add_security_middleware
from ..middleware.stack import LeanFastAPI
from ..utils.logging import flush, get_logger, setup_logging
# jinja: if cookiecutter.include_caching
from .cache import CacheClient
# jinja: endif
from .config import PlatformSettings
# jinja: if cookiecutter.include_database
from .database import database_lifespan, install_database
# jinja: endif
from .errors import install_error_handlers

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig

    from .sentry import SentryTracer

DISTRIBUTION = "{{ cookiecutter.__dist_name }}"
AppLifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]


class _Service(LeanFastAPI):
    """FastAPI whose description names the installed version and lists the probes last."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.version = service_version()
            paths = super().openapi()["paths"]
            for path in [path for path in paths if path.startswith("/health/")]:
                paths[path] = paths.pop(path)
        return super().openapi()


def service_version() -> str:
    """Return the version of the installed distribution, or `0` in a bare checkout."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "0"


def build_app(
    settings: PlatformSettings,
    *,
    routers: Sequence[APIRouter] = (),
    lifespans: Sequence[AppLifespan] = (),
    checks: Sequence[HealthCheck] = (),
    rate_limit_key: KeyFunction | None = None,
    telemetry: TelemetryConfig | None = None,
) -> FastAPI:
    """Return the application with everything the platform promises around the project's routers.

    Args:
        settings: The project's settings.
        routers: Its endpoints.
        lifespans: Context managers that open what the service needs, entered in order at start-up
            and left in reverse order at shutdown; each receives the application.
        checks: Its readiness checks.
        rate_limit_key: Names who a request is counted for (a user id, say) from its ASGI scope;
            None, from it or as it, means the client's address.
        telemetry: What FastAPI records with OpenTelemetry, and the providers it uses; None, for
            nothing, is faster (`middleware/stack.py`).

    Raises:
        InsecureSettingsError: When a production service would start insecurely.
    """
    settings.require_secure()
    tracer = start_process(settings)
    parts, probes = [*lifespans], [*checks]
    # jinja: if cookiecutter.include_background_jobs
    parts.insert(0, jobs_lifespan(settings))
    # jinja: endif
    # jinja: if cookiecutter.include_audit_logging and cookiecutter.include_financial
    parts.insert(0, financial_lifespan)
    # jinja: endif
    # jinja: if cookiecutter.include_audit_logging and cookiecutter.include_database
    parts.insert(0, relay_lifespan(settings.database))
    # jinja: endif
    # jinja: if cookiecutter.use_central_auth
    central_auth = build_central_auth(settings)
    # jinja: endif
    # jinja: if cookiecutter.use_central_audit
    forwarding = forwarder_lifespan(
        settings.central_audit,
        # jinja: if cookiecutter.use_central_auth
        lambda: open_central_audit(settings, central_auth),
        # jinja: else
        lambda: open_central_audit(settings),
        # jinja: endif
    )
    parts.insert(0, forwarding)
    # jinja: endif
    # jinja: if cookiecutter.include_audit_logging
    parts.insert(0, audit_lifespan(settings, service_version))
    # jinja: endif
    # jinja: if cookiecutter.use_central_auth
    parts.insert(0, central_auth.lifespan)
    probes.append(central_auth.check())
    # jinja: endif
    # jinja: if cookiecutter.include_caching
    cache = build_cache(settings)
    parts.insert(0, cache.lifespan)
    if cache.shared:
        probes.append(HealthCheck("cache", cache.is_up, critical=False))
    # jinja: endif
    # jinja: if cookiecutter.include_database
    # The first to open and the last to close: others keep what they have in it.
    parts.insert(0, database_lifespan)
    # jinja: endif
    app = _Service(
        title=settings.app_name,
        telemetry=telemetry,
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if settings.docs_enabled else None,
        lifespan=_lifespan(parts, tracer),
        responses=problem_responses(),
    )
    app.state.settings = settings
    # jinja: if cookiecutter.include_caching
    app.state.cache = cache
    # jinja: endif
    # jinja: if cookiecutter.use_central_auth
    app.state.central_auth = central_auth
    # jinja: endif
    install_error_handlers(app)
    # jinja: if cookiecutter.include_audit_logging
    record_refusals(app)
    probes.append(audit_check(app))
    # jinja: endif
    # jinja: if cookiecutter.use_central_audit
    probes.append(forwarder_check(app, settings.central_audit))
    # jinja: endif
    # jinja: if cookiecutter.include_background_jobs
    probes.append(jobs_check(lambda: getattr(app.state, "jobs", None)))
    # jinja: endif
    install_health(app, settings, checks=probes)
    # jinja: if cookiecutter.include_database
    install_database(app)
    # jinja: endif
    if settings.docs_enabled:
        # Kept out of start-up where the pages are not served.
        from ..api.docs import install_docs  # noqa: PLC0415  # see the comment above

        install_docs(app)
    for router in routers:
        app.include_router(router)
    _add_middleware(app, settings, rate_limit_key, tracer)
    return app


def check_settings(settings: PlatformSettings) -> None:
    """Build, and throw away, what reads the settings, without starting anything.

    Raises:
        ValueError: For a value that has the right type and still can't work, such as a trusted
            proxy that is no network; the text says what to write.
    """
    from ..clients.ssrf import AddressPolicy  # noqa: PLC0415  # imports the HTTP library

    # jinja: if cookiecutter.include_audit_logging
    check_audit_settings(settings.audit)
    # jinja: endif
    AddressPolicy(settings.http_client.allowed_internal_hosts)
    # jinja: if cookiecutter.include_caching
    build_cache(settings)
    # jinja: endif
    _add_middleware(FastAPI(), settings, None, None)


# jinja: if cookiecutter.include_caching
def build_cache(settings: PlatformSettings) -> CacheClient:
    """Return the cache; it opens nothing before it is used.

    Raises:
        ValueError: When its URL names no server.
    """

    def scope() -> str:
        version = settings.cache.version or service_version()
        return f"{DISTRIBUTION}:{settings.environment}:{version}"

    return CacheClient(settings.cache, scope=scope)


# jinja: endif
# jinja: if cookiecutter.use_central_auth
def build_central_auth(settings: PlatformSettings) -> CentralAuth:
    """Return what checks callers' tokens and gets this service's own; it opens nothing yet."""
    return CentralAuth(
        settings.central_auth,
        settings.http_client,
        realm=DISTRIBUTION,
        # jinja: if cookiecutter.include_audit_logging
        observers=[name_actor],
        # jinja: endif
    )


# jinja: endif
# jinja: if cookiecutter.use_central_audit
@asynccontextmanager
async def open_central_audit(
    settings: PlatformSettings,
    # jinja: if cookiecutter.use_central_auth
    auth: CentralAuth | None = None,
    # jinja: endif
) -> AsyncGenerator[AuditServiceClient]:
    """Open a client of the central audit service, with what it authenticates with."""
    async with AsyncExitStack() as stack:
        # jinja: if cookiecutter.use_central_auth
        known = auth or build_central_auth(settings)
        if auth is None:
            stack.push_async_callback(known.aclose)
        client = AuditServiceClient(
            settings.central_audit, settings.http_client, lambda: known.service_tokens
        )
        # jinja: else
        client = AuditServiceClient(settings.central_audit, settings.http_client)
        # jinja: endif
        stack.push_async_callback(client.aclose)
        yield client


# jinja: endif
def _add_middleware(
    app: FastAPI,
    settings: PlatformSettings,
    rate_limit_key: KeyFunction | None,
    tracer: SentryTracer | None,
) -> None:
    """Put the security, logging and tracing edge around the application."""
    security, limits = settings.security, settings.rate_limit
    add_security_middleware(
        app,
        enable_https_redirect=security.https_redirect,
        enable_rate_limiting=limits.enabled,
        enable_ssrf_prevention=security.ssrf_prevention,
        allowed_origins=security.allowed_origins,
        allowed_hosts=security.allowed_hosts,
        rate_limit_rpm=limits.requests_per_minute,
        allow_credentials=security.allow_credentials,
        content_security_policy=security.content_security_policy,
        hsts_max_age_s=security.hsts_max_age_s,
        hsts_include_subdomains=security.hsts_include_subdomains,
        hsts_preload=security.hsts_preload,
        # Production is behind TLS even where the proxy that ends it says nothing about it.
        hsts_always=settings.is_production,
        max_body_bytes=security.max_body_bytes,
        trusted_proxies=security.trusted_proxies,
        rate_limit_algorithm=limits.algorithm,
        rate_limit_burst=limits.burst,
        rate_limit_routes=limits.routes,
        rate_limit_exempt_paths=limits.exempt_paths,
        rate_limit_max_keys=limits.max_keys,
        rate_limit_url=limits.url.get_secret_value() if limits.url else None,
        rate_limit_namespace=f"{DISTRIBUTION}:rate-limit",
        rate_limit_on_store_failure=limits.on_store_failure,
        rate_limit_key=rate_limit_key,
        tracer=tracer,
        debug=settings.debug,
    )


def start_process(settings: PlatformSettings) -> SentryTracer | None:
    """Set up what every process of the service has: its log, and error tracking where it is on."""
    setup_logging(
        settings.log_level,
        settings.json_logs,
        settings.include_timestamp,
        redact_keys=settings.log_redact_keys,
    )
    return _start_sentry(settings)


def _start_sentry(settings: PlatformSettings) -> SentryTracer | None:
    """Switch error tracking on when there is a DSN."""
    sentry = settings.sentry
    dsn = sentry.dsn.get_secret_value() if sentry.dsn else None
    if not dsn:
        return None
    from .sentry import SentryTracer, init_sentry  # noqa: PLC0415  # most processes have no DSN

    on = init_sentry(
        dsn=dsn,
        environment=settings.environment,
        release=sentry.release,
        traces_sample_rate=sentry.traces_sample_rate,
        redact_keys=settings.log_redact_keys,
        max_transactions_per_s=sentry.max_transactions_per_s,
    )
    return SentryTracer() if on else None


def _lifespan(lifespans: Sequence[AppLifespan], tracer: SentryTracer | None) -> AppLifespan:
    """Return one lifespan that opens and closes everything in order."""
    log = get_logger(__name__)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with AsyncExitStack() as stack:
            app.state.exit_stack = stack
            for part in lifespans:
                await stack.enter_async_context(part(app))
            app.state.health.mark_started()
            log.info("service_started", version=service_version())
            try:
                yield
            finally:
                app.state.health.mark_stopping()
        log.info("service_stopped")
        if tracer is not None:
            tracer.close()
        flush()

    return lifespan
