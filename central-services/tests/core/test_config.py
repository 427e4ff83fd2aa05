# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.
"""Configuration: where values come from, and what production refuses."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from central_services.core.config import (
    ENV_PREFIX,
    InsecureSetting,
    InsecureSettingsError,
    PlatformSettings,
)

SECURE = {"SECURITY__ALLOWED_HOSTS": "api.example.com", "ENVIRONMENT": "production"}


@pytest.fixture(autouse=True)
def default_rate_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start from the platform's own defaults."""
    monkeypatch.delenv(f"{ENV_PREFIX}RATE_LIMIT__REQUESTS_PER_MINUTE")


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> PlatformSettings:
    for name, value in variables.items():
        monkeypatch.setenv(f"{ENV_PREFIX}{name}", value)
    return PlatformSettings()


def test_a_variable_sets_a_field(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, LOG_LEVEL="WARNING").log_level == "WARNING"


def test_a_double_underscore_goes_into_a_section(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, RATE_LIMIT__REQUESTS_PER_MINUTE="7")
    assert settings.rate_limit.requests_per_minute == 7


@pytest.mark.parametrize(
    "spelling", ["a.example,b.example", " a.example , b.example ,", '["a.example", "b.example"]']
)
def test_lists_are_written_with_commas_or_as_json(
    monkeypatch: pytest.MonkeyPatch, spelling: str
) -> None:
    settings = load(monkeypatch, SECURITY__ALLOWED_HOSTS=spelling)
    assert settings.security.allowed_hosts == ("a.example", "b.example")


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert load(monkeypatch, SECURITY__ALLOWED_HOSTS="").security.allowed_hosts == ()


def test_a_broken_json_list_is_refused_with_the_right_spelling(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ValidationError, match="comma-separated"):
        load(monkeypatch, LOG_REDACT_KEYS='["a"')


def test_routes_are_json(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, RATE_LIMIT__ROUTES='{"POST /orders": 3}')
    assert settings.rate_limit.routes == {"POST /orders": 3}


def test_a_misspelt_variable_in_a_section_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError, match="alowed_hosts"):
        load(monkeypatch, SECURITY__ALOWED_HOSTS="a.example")


def test_secrets_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / f"{ENV_PREFIX}SENTRY__DSN".lower()).write_text("https://key@sentry.example/1\n")
    dsn = load(monkeypatch, SECRETS_DIR=str(tmp_path)).sentry.dsn
    assert dsn is not None
    assert dsn.get_secret_value() == "https://key@sentry.example/1"


def test_the_environment_wins_over_a_secret_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / f"{ENV_PREFIX}LOG_LEVEL".lower()).write_text("ERROR")
    assert load(monkeypatch, SECRETS_DIR=str(tmp_path), LOG_LEVEL="WARNING").log_level == "WARNING"


def test_dotenv_is_read_in_development(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{ENV_PREFIX}LOG_LEVEL=ERROR\n")
    monkeypatch.chdir(tmp_path)
    assert load(monkeypatch, ENVIRONMENT="development").log_level == "ERROR"


def test_dotenv_is_not_read_in_production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text(f"{ENV_PREFIX}LOG_LEVEL=ERROR\n")
    monkeypatch.chdir(tmp_path)
    assert load(monkeypatch, **SECURE).log_level == "INFO"


def test_logs_are_json_in_production_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not load(monkeypatch).json_logs
    assert load(monkeypatch, ENVIRONMENT="production").json_logs


def test_settings_cannot_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch)
    with pytest.raises(ValidationError, match="frozen"):
        settings.debug = True  # ty: ignore[invalid-assignment]  # the point of the test
    with pytest.raises(ValidationError, match="frozen"):
        settings.server.port = 1  # ty: ignore[invalid-assignment]  # the point of the test


def test_an_error_does_not_repeat_the_value(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValidationError) as caught:
        load(monkeypatch, SERVER__PORT="hunter2")
    assert "hunter2" not in str(caught.value)


def test_secure_settings_may_go_to_production(monkeypatch: pytest.MonkeyPatch) -> None:
    load(monkeypatch, **SECURE).require_secure()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DEBUG", "true"),
        ("LOG_LEVEL", "DEBUG"),
        ("SECURITY__ALLOWED_HOSTS", ""),
        ("SECURITY__ALLOWED_HOSTS", "*"),
        ("SECURITY__ALLOWED_ORIGINS", "*"),
        ("SECURITY__ALLOWED_ORIGINS", "http://app.example.com"),
        ("SECURITY__HSTS_MAX_AGE_S", "0"),
        ("SECURITY__MAX_BODY_BYTES", "0"),
        ("SECURITY__TRUSTED_PROXIES", "0.0.0.0/0"),
        ("RATE_LIMIT__ENABLED", "false"),
    ],
)
def test_production_refuses(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> None:
    settings = load(monkeypatch, **(SECURE | {variable: value}))
    with pytest.raises(InsecureSettingsError, match=f"{ENV_PREFIX}{variable}"):
        settings.require_secure()


def test_staging_is_as_strict_as_production(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InsecureSettingsError):
        load(monkeypatch, ENVIRONMENT="staging").require_secure()


def test_development_may_be_insecure(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load(monkeypatch, ENVIRONMENT="development", DEBUG="true")
    settings.require_secure()
    assert [problem.variable for problem in settings.insecure_settings()]


def test_a_project_adds_rules_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    class Strict(PlatformSettings):
        signing_key: str = "change-me"

        def insecure_settings(self) -> Iterator[InsecureSetting]:
            yield from super().insecure_settings()
            if self.signing_key == "change-me":
                name = f"{ENV_PREFIX}SIGNING_KEY"
                yield InsecureSetting(name, "it is the default", "Set a random value.")

    for name, value in SECURE.items():
        monkeypatch.setenv(f"{ENV_PREFIX}{name}", value)
    with pytest.raises(InsecureSettingsError, match=f"{ENV_PREFIX}SIGNING_KEY"):
        Strict().require_secure()
