"""What `central-services serve` runs: the service that a setting names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from central_services.core.config import ENV_PREFIX
from central_services.main import create_app
from central_services.services import SERVICES
from central_services.settings import Settings

Paths = Callable[[], set[str]]


@pytest.fixture
def paths() -> Paths:
    def paths_of_the_app() -> set[str]:
        return set(create_app().openapi()["paths"])

    return paths_of_the_app


@pytest.mark.parametrize("name", [service.name for service in SERVICES])
def test_setting_names_the_service(
    monkeypatch: pytest.MonkeyPatch, paths: Paths, name: str
) -> None:
    without = paths()
    monkeypatch.setenv(f"{ENV_PREFIX}SERVICE", name)
    assert without < paths()


@pytest.mark.parametrize("name", ["nothing", "all", "auth,audit"])
def test_what_names_no_single_service_is_refused(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"{ENV_PREFIX}SERVICE", name)
    with pytest.raises(ValidationError, match=r"no service|name one service"):
        Settings()


def test_process_of_one_service_needs_no_settings_of_another() -> None:
    def asked_of(service: str) -> set[str]:
        settings = Settings(environment="production", service=service)
        return {one.variable for one in settings.insecure_settings()}

    shared = f"{ENV_PREFIX}SECURITY__ALLOWED_HOSTS"
    everything = asked_of("")
    assert shared in everything
    for service in SERVICES:
        asked = asked_of(service.name)
        assert shared in asked
        assert asked <= everything
    assert f"{ENV_PREFIX}AUTH__ISSUER" in asked_of("auth")
    for service in SERVICES:
        if service.name != "auth":
            assert f"{ENV_PREFIX}AUTH__ISSUER" not in asked_of(service.name)


def test_replicas_that_share_a_database_have_to_share_the_keys_of_people(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def is_asked_for(service: str) -> bool:
        settings = Settings(environment="production", service=service)
        asked = {one.variable for one in settings.insecure_settings()}
        return f"{ENV_PREFIX}AUDIT_SERVICE__KEYS_URL" in asked

    assert not is_asked_for("audit")
    server = "postgresql://app:secret@db/central_audit"
    monkeypatch.setenv(f"{ENV_PREFIX}DATABASE__URL", server)
    assert is_asked_for("audit")
    assert not is_asked_for("auth")
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT_SERVICE__KEYS_URL", "mysql://app:secret@db/keys")
    with pytest.raises(ValidationError, match="postgresql://user"):
        Settings()
    monkeypatch.setenv(f"{ENV_PREFIX}AUDIT_SERVICE__KEYS_URL", f"{server}_keys")
    assert not is_asked_for("audit")
