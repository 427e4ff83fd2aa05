"""How the platform is deployed: one image, a role for each service, in compose and Kubernetes files."""

import re

import pytest
from combinations import ROOT
from processes import RunIn
from projects import Yaml, read_yaml

PROJECT = ROOT / "central-services"
DEPLOY = PROJECT / "deploy"
OVERLAYS = DEPLOY / "kubernetes/overlays"
PREFIX = "CENTRAL_SERVICES_"


@pytest.fixture(scope="module")
def services() -> dict[str, int]:
    """Return the port of each service in the table."""
    table = (PROJECT / "src/central_services/services.py").read_text("utf-8")
    found = re.findall(r'Service\(\n\s+"(\w+)",\n.*\n\s+(\d+),', table)
    assert found
    return {name: int(port) for name, port in found}


@pytest.fixture(scope="module")
def compose() -> Yaml:
    return read_yaml(DEPLOY / "platform.compose.yaml")


def test_compose_file_is_valid(run_in: RunIn) -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    run_in(PROJECT, "check-jsonschema", *schema, "deploy/platform.compose.yaml")


def test_compose_runs_each_service_on_its_own_database(
    compose: Yaml, services: dict[str, int]
) -> None:
    databases = re.findall(
        r"CREATE DATABASE (\w+)", (DEPLOY / "platform.databases.sql").read_text("utf-8")
    )
    assert databases == [*(f"central_{name}" for name in services), "central_audit_keys"]
    keys = compose["services"]["audit"]["environment"][f"{PREFIX}AUDIT_SERVICE__KEYS_URL"]
    assert keys.endswith("/central_audit_keys")
    for name, port in services.items():
        service, migration = compose["services"][name], compose["services"][f"migrate-{name}"]
        assert service["environment"][f"{PREFIX}SERVICE"] == name
        assert service["environment"][f"{PREFIX}DATABASE__URL"].endswith(f"/central_{name}")
        assert service["ports"] == [f"127.0.0.1:{port}:8000"]
        assert list(service["depends_on"]) == [f"migrate-{name}"]
        assert migration["entrypoint"] == ["central-services", "db", "upgrade"]
        assert migration["environment"] == service["environment"]


def test_compose_services_are_locked_down(compose: Yaml) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name


def test_each_service_has_an_overlay_that_sets_its_role(services: dict[str, int]) -> None:
    assert {path.name for path in OVERLAYS.iterdir()} == {"production", *services}
    for name in services:
        overlay = read_yaml(OVERLAYS / name / "kustomization.yaml")
        (settings,) = overlay["configMapGenerator"]
        assert f"{PREFIX}SERVICE={name}" in settings["literals"]
        assert overlay["namespace"] == f"central-{name}"
        assert all((OVERLAYS / name / path).exists() for path in overlay["resources"])


def test_kubernetes_manifests_are_valid_and_named(run_in: RunIn) -> None:
    for folder in (OVERLAYS / "production", DEPLOY / "kubernetes/base"):
        files = [p for p in sorted(folder.glob("*.yaml")) if p.name != "kustomization.yaml"]
        run_in(PROJECT, "kubernetes-validate", "--strict", *files)
        listed = read_yaml(folder / "kustomization.yaml")["resources"]
        assert sorted(n for n in listed if not n.startswith("..")) == [p.name for p in files]


def test_every_variable_that_deployment_sets_exists() -> None:
    documented = (PROJECT / ".env.example").read_text("utf-8")
    known = set(re.findall(rf"^#?({PREFIX}\w+)=", documented, re.MULTILINE))
    files = [*DEPLOY.glob("platform.*"), *OVERLAYS.rglob("*.yaml")]
    named = {
        (path.relative_to(PROJECT), name)
        for path in files
        for name in re.findall(rf"\b{PREFIX}[A-Z0-9_]+\b", path.read_text("utf-8"))
    }
    assert {n for n in named if n[1] not in known} == set()
    assert any(name == f"{PREFIX}SERVICE" for _, name in named)
