# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Typed configuration, read from the environment, a secrets directory and, in development, `.env`.

A project adds its own fields in `settings.py`, in a class that extends `PlatformSettings`. Every
variable starts with the prefix of the project; a double underscore goes into a section, as in
`PREFIX_SECURITY__ALLOWED_HOSTS=api.example.com,www.example.com`.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, NamedTuple

from pydantic import Field, SecretStr
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    NestedSecretsSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from ..jobs.stores.settings import ServerJobsSettings as JobsSettings
from .audit_settings import AuditSettings
from .central_audit_settings import CentralAuditSettings
from .central_auth_settings import CentralAuthSettings
from .database_settings import DatabaseSettings
from .file_settings import UploadsSettings
from .mail_settings import MailSettings
from .sections import CommaList, Section
from .sentry_settings import SentrySettings

ENV_PREFIX = "CENTRAL_SERVICES_"

Environment = Literal["development", "test", "staging", "production"]
LogLevel = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]


class ServerSettings(Section):
    """Where and how the service listens."""

    host: str = Field(
        default="127.0.0.1", description="Address to listen on; 0.0.0.0 in a container."
    )
    port: int = Field(default=8000, ge=1, le=65535, description="Port to listen on.")
    workers: int = Field(default=1, ge=1, le=64, description="Worker processes.")
    root_path: str = Field(
        default="", description="Path prefix that a proxy strips, such as /orders."
    )
    shutdown_timeout_s: int = Field(
        default=20, ge=1, description="Seconds that open requests may finish in."
    )
    docs_enabled: bool | None = Field(
        default=None,
        description="Serve /docs and /openapi.json; by default everywhere but in production.",
    )


class SecuritySettings(Section):
    """What the security middleware allows."""

    allowed_hosts: CommaList = Field(
        default=(),
        description="Host names served; *.example.com covers subdomains. Required in production.",
    )
    allowed_origins: CommaList = Field(
        default=(), description="Browser origins that may call the API (CORS)."
    )
    allow_credentials: bool = Field(
        default=False, description="Let those origins send cookies and authorization headers."
    )
    https_redirect: bool = Field(default=False, description="Redirect http:// to https://.")
    hsts_max_age_s: int = Field(
        default=63_072_000,
        ge=0,
        description="Strict-Transport-Security, in seconds; 0 leaves it out.",
    )
    hsts_include_subdomains: bool = Field(default=True, description="Extend HSTS to subdomains.")
    hsts_preload: bool = Field(
        default=False, description="Ask browsers to preload HSTS; hard to undo."
    )
    content_security_policy: str = Field(
        default="default-src 'none'; frame-ancestors 'none'",
        description="Policy of every response but the documentation pages, which have their own.",
    )
    ssrf_prevention: bool = Field(
        default=True,
        description="Refuse query parameters that are URLs to private or metadata addresses.",
    )
    max_body_bytes: int = Field(
        default=1_048_576, ge=0, description="Largest request body in bytes; larger ones get 413."
    )
    trusted_proxies: CommaList = Field(
        default=(),
        description="Networks of your own proxies (10.0.0.0/8); only they may name the client.",
    )


class RateLimitSettings(Section):
    """How often one client may call."""

    enabled: bool = Field(default=True, description="Limit requests per client.")
    algorithm: Literal["token-bucket", "fixed-window", "sliding-window"] = Field(
        default="token-bucket", description="token-bucket (GCRA), fixed-window or sliding-window."
    )
    requests_per_minute: int = Field(
        default=60, ge=1, description="Requests per minute and client."
    )
    burst: int | None = Field(
        default=None,
        ge=1,
        description="Requests that may come at once (token-bucket); default: the rate.",
    )
    routes: dict[str, int] = Field(
        default_factory=dict,
        description='Own limits per minute for routes, as JSON: {"POST /orders": 10}.',
    )
    exempt_paths: CommaList = Field(
        default=("/health/",), description="Path prefixes that are never limited."
    )
    max_keys: int = Field(
        default=100_000, ge=1_000, description="Clients remembered per process; the memory cap."
    )
    url: SecretStr | None = Field(
        default=None, description="valkey:// or redis:// URL to share limits between processes."
    )
    on_store_failure: Literal["local", "allow", "deny"] = Field(
        default="local",
        description="When that server is down: count locally, allow all, or deny all.",
    )


class HttpClientSettings(Section):
    """How the service calls others."""

    connect_timeout_s: float = Field(default=3.0, gt=0, description="Seconds to connect.")
    read_timeout_s: float = Field(default=10.0, gt=0, description="Seconds without a byte.")
    total_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds for a call, retries included."
    )
    max_connections: int = Field(default=100, ge=1, description="Open connections.")
    max_retries: int = Field(
        default=2, ge=0, le=10, description="Retries of a call that is safe to repeat."
    )
    retry_budget: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Retries allowed per call, on average, so outages don't double.",
    )
    breaker_failures: int = Field(
        default=5, ge=1, description="Failures in a row that open a host's circuit breaker."
    )
    breaker_reset_s: float = Field(
        default=30.0, gt=0, description="Seconds before an open one tries again."
    )
    max_response_bytes: int = Field(
        default=10_485_760, ge=1, description="Largest response body in bytes."
    )
    allowed_internal_hosts: CommaList = Field(
        default=(),
        description="Hosts or networks inside your network that may be called (the SSRF allow-list).",
    )


class HealthSettings(Section):
    """How the readiness probe behaves."""

    check_timeout_s: float = Field(default=2.0, gt=0, description="Seconds each check may take.")
    cache_s: float = Field(
        default=1.0, ge=0, description="Seconds that a readiness result is reused."
    )
    external_service_url: str | None = Field(
        default=None, description="URL that must answer for the service to be ready."
    )


class InsecureSetting(NamedTuple):
    """A variable that must not go to production as it is, what is wrong, and what to set instead."""

    variable: str
    problem: str
    fix: str


class InsecureSettingsError(ValueError):
    """Raised when a production service would start insecurely; the text names every fix."""

    def __init__(self, problems: list[InsecureSetting]) -> None:
        self.problems = problems
        lines = [f"  {p.variable}: {p.problem}. {p.fix}" for p in problems]
        super().__init__("refusing to start with insecure settings:\n" + "\n".join(lines))


class PlatformSettings(BaseSettings):
    """Settings that every service has; a project's own extend this class in `settings.py`."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter="__",
        env_ignore_empty=True,
        case_sensitive=False,
        extra="ignore",
        frozen=True,
        defer_build=True,
        hide_input_in_errors=True,
        validate_default=False,
    )

    app_name: ClassVar[str] = "Service"
    """Name shown in the documentation; not configurable, a project's class sets it."""

    environment: Environment = Field(
        default="development", description="development, test, staging or production."
    )
    debug: bool = Field(
        default=False, description="Show internals in error responses; never in production."
    )
    log_level: LogLevel = Field(default="INFO", description="Lowest level that is written.")
    json_logs: bool = Field(
        default_factory=lambda data: data.get("environment") in {"staging", "production"},
        description="One JSON object per line; by default in staging and production.",
    )
    include_timestamp: bool = Field(default=True, description="Put a time stamp on each log line.")
    log_redact_keys: CommaList = Field(
        default=(), description="More keys whose values never reach a log or Sentry."
    )
    server: ServerSettings = ServerSettings.model_construct()
    security: SecuritySettings = SecuritySettings.model_construct()
    rate_limit: RateLimitSettings = RateLimitSettings.model_construct()
    sentry: SentrySettings = SentrySettings.model_construct()
    http_client: HttpClientSettings = HttpClientSettings.model_construct()
    jobs: JobsSettings = JobsSettings.model_construct()
    mail: MailSettings = MailSettings.model_construct()
    uploads: UploadsSettings = UploadsSettings.model_construct()
    database: DatabaseSettings = DatabaseSettings.model_construct()
    audit: AuditSettings = AuditSettings.model_construct()
    central_auth: CentralAuthSettings = CentralAuthSettings.model_construct()
    central_audit: CentralAuditSettings = CentralAuditSettings.model_construct()
    health: HealthSettings = HealthSettings.model_construct()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003  # made anew for development
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read arguments, the environment, the secrets directory and, in development, `.env`."""
        sources: tuple[PydanticBaseSettingsSource, ...] = (init_settings, env_settings)
        folder = os.environ.get(f"{ENV_PREFIX}SECRETS_DIR", "/run/secrets")
        if Path(folder).exists():  # looking for each field in no folder takes 0.4 ms
            sources += (
                NestedSecretsSettingsSource(
                    file_secret_settings, secrets_dir=folder, secrets_nested_delimiter="__"
                ),
            )
        environment = os.environ.get(f"{ENV_PREFIX}ENVIRONMENT", "development").lower()
        if environment == "development" and Path(".env").is_file():
            sources += (DotEnvSettingsSource(settings_cls, env_file=".env"),)
        return sources

    @property
    def is_production(self) -> bool:
        """Whether the strict rules apply: in production and in staging, which rehearses it."""
        return self.environment in {"production", "staging"}

    @property
    def docs_enabled(self) -> bool:
        """Whether the documentation pages are served."""
        chosen = self.server.docs_enabled
        return self.environment != "production" if chosen is None else chosen

    def insecure_settings(self) -> Iterator[InsecureSetting]:
        """Yield what must be changed before these settings go to production.

        A project adds rules of its own by overriding this and yielding from `super()` first.
        """
        for suffix, insecure, problem, fix in self._rules():
            if insecure:
                yield InsecureSetting(ENV_PREFIX + suffix, problem, fix)

    def _rules(self) -> Iterator[tuple[str, bool, str, str]]:
        """Yield (variable without prefix, whether it is insecure, the problem, the fix)."""
        security = self.security
        unencrypted = [o for o in security.allowed_origins if o.startswith("http://")]
        yield (
            "DEBUG",
            self.debug,
            "debug shows internals to every caller",
            "Unset it or set it to false.",
        )
        yield (
            "LOG_LEVEL",
            self.log_level == "DEBUG",
            "DEBUG writes more than a production log should hold",
            "Set it to INFO or higher.",
        )
        yield (
            "SECURITY__ALLOWED_HOSTS",
            not security.allowed_hosts or "*" in security.allowed_hosts,
            "any Host header is accepted",
            "List the names that the service answers to, as in api.example.com.",
        )
        yield (
            "SECURITY__ALLOWED_ORIGINS",
            "*" in security.allowed_origins,
            "every web site may call the API from a browser",
            "List the origins, as in https://app.example.com.",
        )
        yield (
            "SECURITY__ALLOWED_ORIGINS",
            bool(unencrypted),
            f"not encrypted: {', '.join(unencrypted)}",
            "Use the https:// form.",
        )
        yield (
            "SECURITY__HSTS_MAX_AGE_S",
            security.hsts_max_age_s == 0,
            "browsers may fall back to plain HTTP",
            "Unset it, or set at least 31536000 (one year).",
        )
        yield (
            "SECURITY__MAX_BODY_BYTES",
            security.max_body_bytes == 0,
            "request bodies have no limit",
            "Set the largest body that the service expects, in bytes.",
        )
        yield (
            "SECURITY__TRUSTED_PROXIES",
            bool({"0.0.0.0/0", "::/0", "*"} & set(security.trusted_proxies)),
            "any client may claim any address",
            "List the networks of your own proxies only.",
        )
        yield (
            "RATE_LIMIT__ENABLED",
            not self.rate_limit.enabled,
            "clients are not limited",
            "Unset it; raise RATE_LIMIT__REQUESTS_PER_MINUTE instead.",
        )

        for name in type(self).model_fields:  # what a feature asks for stands in its section
            of_section = getattr(getattr(self, name), "insecure", None)
            if of_section is not None:
                yield from of_section()

    def require_secure(self) -> None:
        """Refuse to go on when a production or staging service would start insecurely.

        Raises:
            InsecureSettingsError: Naming each variable and its fix.
        """
        problems = list(self.insecure_settings()) if self.is_production else []
        if problems:
            raise InsecureSettingsError(problems)
