"""Who services are to each other: keys, what the auth service is told, what each is given."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from central_services.auth_service.client_metadata import check_client
from central_services.auth_service.schemas import ClientCreate
from central_services.kit.identity import ServiceKeys, registrations, settings_of
from central_services.kit.services import Service
from central_services.services import SERVICES

URLS = {service.name: f"http://127.0.0.1:{service.port}" for service in SERVICES}


@pytest.fixture
def keys(tmp_path: Path) -> ServiceKeys:
    return ServiceKeys(tmp_path / "identities.json")


def named(*names: str) -> list[Service]:
    return [service for service in SERVICES if service.name in names]


def test_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path, keys: ServiceKeys) -> None:
    first = keys.of("auth")
    path = tmp_path / "identities.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert ServiceKeys(path).of("auth") == first
    assert ServiceKeys(path).of("audit")["d"] != first["d"]
    assert ServiceKeys(path).of("auth") == first


def test_what_is_registered_is_valid_and_holds_no_secret(keys: ServiceKeys) -> None:
    found = registrations(SERVICES, URLS, keys)
    assert [client["id"] for client in found] == [
        *("central-auth", "central-audit", "audit-pages", "central-witness"),
    ]
    for client in found:
        check_client(ClientCreate.model_validate(client))
        assert all("d" not in key for key in client.get("jwks", {}).get("keys", []))
    first = found[0]
    assert (first["organisation"], first["permissions"]) == ("platform", ["audit:write"])
    assert first["audiences"] == [URLS["audit"]]


def test_service_gets_the_key_that_was_registered_for_it(keys: ServiceKeys) -> None:
    given = {one.name: settings_of(one, SERVICES, URLS, keys) for one in SERVICES}
    clients = {client["id"]: client for client in json.loads(given["auth"]["AUTH__CLIENTS"])}
    for service, settings in given.items():
        assert settings["CENTRAL_AUTH__CLIENT_ID"] == f"central-{service}"
        private = json.loads(settings["CENTRAL_AUTH__CLIENT_KEY"])
        (public,) = clients[f"central-{service}"]["jwks"]["keys"]
        assert {**private, **public} == private
    assert "AUTH__CLIENTS" not in given["audit"]


def test_service_whose_called_ones_do_not_run_has_no_identity(keys: ServiceKeys) -> None:
    auth, audit = named("auth"), named("audit")
    assert settings_of(auth[0], auth, URLS, keys) == {"AUTH__CLIENTS": "[]"}
    assert settings_of(audit[0], audit, URLS, keys) == {}
