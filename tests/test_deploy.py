"""The image, compose and Kubernetes files of a project: valid, safe, and consistent."""

import re
from pathlib import Path

import pytest
from dockerfile import Stage, build_context, exec_form, read_stages
from processes import RunIn
from projects import Yaml, known_settings, prefix_of, read_yaml
from rendering import Renderer

BASE = "deploy/kubernetes/base"
PRODUCTION = "deploy/kubernetes/overlays/production"


@pytest.fixture
def stages(default_project: Path) -> dict[str, Stage]:
    return read_stages(default_project / "deploy/Dockerfile")


# --- the Dockerfile -------------------------------------------------------------------------------


@pytest.mark.parametrize("license_name", ["MIT", "Proprietary"])
def test_hadolint_finds_nothing(render: Renderer, run_in: RunIn, license_name: str) -> None:
    project = render("cookiecutter", license=license_name)
    run_in(project, "hadolint", "--failure-threshold", "style", "deploy/Dockerfile")


def test_image_runs_as_a_numbered_user_without_rights(stages: dict[str, Stage]) -> None:
    assert stages["runtime"].last("USER") == "10001:10001"


def test_image_is_told_to_stop_and_asked_for_health_without_a_shell(
    stages: dict[str, Stage],
) -> None:
    runtime = stages["runtime"]
    assert runtime.last("STOPSIGNAL") == "SIGTERM"
    assert exec_form(runtime.last("ENTRYPOINT"))
    assert exec_form(runtime.last("HEALTHCHECK").partition(" CMD ")[2])[0] == "python"


def test_image_starts_in_production_mode(stages: dict[str, Stage], default_project: Path) -> None:
    variable = f"{prefix_of(default_project)}ENVIRONMENT"
    assert stages["runtime"].environment()[variable] == "production"


def test_base_images_have_a_version(stages: dict[str, Stage]) -> None:
    images = {stage.base for stage in stages.values()}
    assert [image for image in images if not re.search(r":[0-9]+\.[0-9]+", image)] == []


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_image_has_the_lowest_supported_python(render: Renderer, version: str) -> None:
    project = render("cookiecutter", python_version=version)
    stage = read_stages(project / "deploy/Dockerfile")["runtime"]
    assert stage.base.startswith(f"python:{version}-slim")


def test_dollar_signs_in_answers_are_not_expanded_by_the_build(render: Renderer) -> None:
    project = render("cookiecutter", project_description="Costs $HOME and $MORE a day")
    text = (project / "deploy/Dockerfile").read_text("utf-8")
    assert r'description="Costs \$HOME and \$MORE a day"' in text


def test_build_context_holds_what_is_copied_and_no_secret(
    project_copy: Path, stages: dict[str, Stage]
) -> None:
    for secret in (".env", ".env.production", "src/.env", "id_rsa", "uv.lock"):
        (project_copy / secret).write_text("x\n")
    context = set(build_context(project_copy))
    copied = {
        source
        for line in stages["build"].all("COPY")
        if "--from" not in line
        for source in line.split()[:-1]
    }
    assert {"pyproject.toml", "uv.lock", "README.md", "LICENSE", "src"} <= copied
    missing = [c for c in copied if not any(p == c or p.startswith(f"{c}/") for p in context)]
    assert missing == []
    assert {path.split("/")[0] for path in context} == copied
    assert [path for path in context if ".env" in path] == []


# --- compose --------------------------------------------------------------------------------------


@pytest.fixture
def compose(default_project: Path) -> Yaml:
    return read_yaml(default_project / "deploy/compose.yaml")


def test_compose_file_is_valid(default_project: Path, run_in: RunIn) -> None:
    schema = ("--builtin-schema", "vendor.compose-spec")
    run_in(default_project, "check-jsonschema", *schema, "deploy/compose.yaml")


def test_compose_services_are_locked_down(compose: Yaml) -> None:
    for name, service in compose["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["healthcheck"]["test"], name
        assert service["mem_limit"], name


def test_compose_publishes_the_service_on_this_machine_only(compose: Yaml) -> None:
    published = {name: service.get("ports", []) for name, service in compose["services"].items()}
    assert [port for port in published.pop("app") if not port.startswith("127.0.0.1:")] == []
    assert list(published.values()) == [[]] * len(published)


def test_compose_starts_nothing_but_the_service_and_its_worker_unless_asked(compose: Yaml) -> None:
    started = [name for name, s in compose["services"].items() if not s.get("profiles")]
    assert started == ["app", "worker"]


# --- Kubernetes -----------------------------------------------------------------------------------


def manifests(project: Path, folder: str) -> list[Path]:
    """Return the resources of a folder; its kustomization is none."""
    files = sorted((project / folder).glob("*.yaml"))
    return [path for path in files if path.name != "kustomization.yaml"]


@pytest.fixture
def deployment(default_project: Path) -> Yaml:
    return read_yaml(default_project / BASE / "deployment.yaml")


def test_kubernetes_manifests_are_valid(default_project: Path, run_in: RunIn) -> None:
    files = manifests(default_project, BASE) + manifests(default_project, PRODUCTION)
    kinds = {read_yaml(path)["kind"] for path in files}
    wanted = "Deployment HorizontalPodAutoscaler NetworkPolicy PodDisruptionBudget Service"
    assert kinds == {*wanted.split(), "ServiceAccount"}
    run_in(default_project, "kubernetes-validate", "--strict", *files)


@pytest.mark.parametrize("folder", [BASE, PRODUCTION])
def test_kustomization_names_every_manifest(default_project: Path, folder: str) -> None:
    listed = read_yaml(default_project / folder / "kustomization.yaml")["resources"]
    present = [path.name for path in manifests(default_project, folder)]
    assert sorted(name for name in listed if not name.startswith("..")) == present
    outside = [name for name in listed if name.startswith("..")]
    assert [o for o in outside if not (default_project / folder / o).is_dir()] == []


def test_overlay_changes_what_the_base_has(default_project: Path, deployment: Yaml) -> None:
    base = read_yaml(default_project / BASE / "kustomization.yaml")
    overlay = read_yaml(default_project / PRODUCTION / "kustomization.yaml")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert [image["name"] for image in overlay["images"]] == [container["image"]]
    (generated,) = base["configMapGenerator"]
    (merged,) = overlay["configMapGenerator"]
    assert (merged["name"], merged["behavior"]) == (generated["name"], "merge")
    assert container["envFrom"] == [{"configMapRef": {"name": generated["name"]}}]


def test_pod_meets_the_restricted_standard(deployment: Yaml) -> None:
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    context = container["securityContext"]
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert {"hostNetwork", "hostPID", "hostIPC"} & set(pod) == set()


def test_pod_is_probed_and_bounded(deployment: Yaml) -> None:
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("live", "ready", "startup"):
        kind = {"live": "liveness", "ready": "readiness"}.get(probe, probe)
        assert container[f"{kind}Probe"]["httpGet"] == {"path": f"/health/{probe}", "port": "http"}
    resources = container["resources"]
    assert resources["requests"].keys() >= {"cpu", "memory"}
    assert resources["limits"]["memory"]


def test_open_requests_have_time_to_finish(default_project: Path, deployment: Yaml) -> None:
    pod = deployment["spec"]["template"]["spec"]
    pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
    (generated,) = read_yaml(default_project / BASE / "kustomization.yaml")["configMapGenerator"]
    values = dict(literal.split("=", 1) for literal in generated["literals"])
    shutdown = int(values[f"{prefix_of(default_project)}SERVER__SHUTDOWN_TIMEOUT_S"])
    assert pause + shutdown < pod["terminationGracePeriodSeconds"]


def test_selectors_find_the_pods(default_project: Path, deployment: Yaml) -> None:
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    found = {
        path.name: read_yaml(path).get("spec", {}) for path in manifests(default_project, BASE)
    }
    worker = found["worker.yaml"]["template"]["metadata"]["labels"]
    assert found["worker.yaml"]["selector"]["matchLabels"] == worker != labels
    assert found["worker-networkpolicy.yaml"]["podSelector"]["matchLabels"] == worker
    assert found["service.yaml"]["selector"] == labels
    assert found["pdb.yaml"]["selector"]["matchLabels"] == labels
    assert found["networkpolicy.yaml"]["podSelector"]["matchLabels"] == labels
    assert found["hpa.yaml"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels


# --- all of them ----------------------------------------------------------------------------------


def test_every_variable_that_deployment_sets_exists(default_project: Path, run_in: RunIn) -> None:
    prefix = prefix_of(default_project)
    known = {*known_settings(default_project, run_in), f"{prefix}SECRETS_DIR"}
    places = [default_project / "docs", default_project / "deploy", default_project / "README.md"]
    files = [p for place in places for p in [place, *place.rglob("*")] if p.is_file()]
    named = {
        (path.name, name)
        for path in files
        for name in re.findall(rf"\b{prefix}[A-Z0-9_]+\b", path.read_text("utf-8"))
    }
    # Kubernetes itself would set this one; the deployment says why it must not.
    explained = {(name, f"{prefix}PORT") for name in ("deployment.yaml", "worker.yaml")}
    unknown = {n for n in named if n[1] not in known} - explained
    # A name that ends in underscores stands for a whole group.
    assert {n for n in unknown if not n[1].endswith("__")} == set()


def test_compose_with_a_database_migrates_before_it_serves(render: Renderer, run_in: RunIn) -> None:
    project = render("cookiecutter", include_database=True)
    test_compose_file_is_valid(project, run_in)
    services = read_yaml(project / "deploy/compose.yaml")["services"]
    assert list(services["app"]["depends_on"]) == ["migrate"]
    assert list(services["migrate"]["depends_on"]) == ["postgres"]
    assert services["migrate"].pop("healthcheck") == {"disable": True}
    services["migrate"]["healthcheck"] = {"test": "it ends by itself"}
    test_compose_services_are_locked_down({"services": services})
    test_compose_publishes_the_service_on_this_machine_only({"services": services})
    test_every_variable_that_deployment_sets_exists(project, run_in)


def test_audit_trail_is_on_a_disk_that_outlives_its_pod(render: Renderer, run_in: RunIn) -> None:
    project = render("cookiecutter", include_audit_logging=True)
    files = manifests(project, BASE)
    run_in(project, "kubernetes-validate", "--strict", *files)
    workload = read_yaml(project / BASE / "deployment.yaml")
    assert workload["kind"] == "StatefulSet"
    assert read_yaml(project / BASE / "hpa.yaml")["spec"]["scaleTargetRef"]["kind"] == "StatefulSet"
    (container,) = workload["spec"]["template"]["spec"]["containers"]
    (claim,) = workload["spec"]["volumeClaimTemplates"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    image = (project / "deploy/Dockerfile").read_text("utf-8")
    (path,) = re.findall(rf"{prefix_of(project)}AUDIT__PATH=(\S+)", image)
    assert Path(path).is_relative_to(mounts[claim["metadata"]["name"]])
    compose = read_yaml(project / "deploy/compose.yaml")
    test_compose_file_is_valid(project, run_in)
    app = compose["services"]["app"]
    (volume,) = app["volumes"]
    name, _, mount = volume.partition(":")
    assert name in compose["volumes"]
    assert Path(path).is_relative_to(mount)
    assert f"{mount} " in image
    test_every_variable_that_deployment_sets_exists(project, run_in)
