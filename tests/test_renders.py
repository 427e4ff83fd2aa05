"""What every combination must show: no leftovers, clean lint, format and types, and it boots."""

import json
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from booting import serving
from combinations import ALWAYS, combinations, load_manifest
from processes import RunIn, rendered_python
from rendering import Renderer, copy_project, slug_of
from trees import assert_lint_and_format_clean, leftovers, unparsable

MANIFEST = load_manifest()
NAMED = {n: a for n, a in combinations(MANIFEST).items() if n in ALWAYS}


def test_nothing_of_the_template_is_left(render: Renderer, combination: dict[str, Any]) -> None:
    assert leftovers(render("cookiecutter", **combination)) == []


def test_every_structured_file_parses(render: Renderer, combination: dict[str, Any]) -> None:
    assert unparsable(render("cookiecutter", **combination)) == []


def test_lint_and_format_have_nothing_to_do(render: Renderer, combination: dict[str, Any]) -> None:
    assert_lint_and_format_clean(render("cookiecutter", **combination))


def test_types_are_clean(render: Renderer, run_in: RunIn, combination: dict[str, Any]) -> None:
    project = render("cookiecutter", **combination)
    run_in(project, "ty", "check", "--python", rendered_python(), "--output-format", "concise")


@pytest.mark.slow
@pytest.mark.parametrize("answers", NAMED.values(), ids=NAMED.keys())
def test_types_are_clean_for_strict_mypy_too(
    render: Renderer, run_in: RunIn, answers: dict[str, Any]
) -> None:
    project = render("cookiecutter", **answers)
    python = ["--python-executable", rendered_python()]
    run_in(project, sys.executable, "-m", "mypy", "--strict", *python, "src")


@pytest.mark.slow
def test_service_boots_and_answers(
    render: Renderer, tmp_path: Path, combination: dict[str, Any]
) -> None:
    project = copy_project(render("cookiecutter", **combination), tmp_path / "project")
    with serving(project) as service:
        ready = service.call("GET", "/health/ready")
        assert ready.status == 200, ready.body
        openapi = service.call("GET", "/openapi.json")
        assert openapi.status == 200, openapi.body
        assert openapi.json["info"]["title"] == "Acme Orders"
        assert "/orders" in openapi.json["paths"]
        for answer in (ready, openapi, service.call("GET", "/nowhere")):
            assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.slow
@pytest.mark.parametrize("license_name", MANIFEST["license"])
def test_every_license_builds_installs_and_imports(
    render: Renderer, run_in: RunIn, uv: str, tmp_path: Path, license_name: str
) -> None:
    project = copy_project(render("cookiecutter", license=license_name), tmp_path / "project")
    run_in(
        project, uv, "build", "--wheel", "--out-dir", tmp_path / "dist", online=True, timeout=300
    )
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        text = archive.read(metadata).decode()
        (terms,) = (n for n in archive.namelist() if "/licenses/" in n)
        assert archive.read(terms) == (project / "LICENSE").read_bytes()
    expected = {"Proprietary": "LicenseRef-Proprietary"}.get(license_name, license_name)
    assert f"License-Expression: {expected}\n" in text
    site = tmp_path / "site"
    run_in(tmp_path, uv, "pip", "install", "--no-deps", "--target", site, wheel, online=True)
    slug = slug_of(project)
    script = f"import {slug}.main; print({slug}.main.app.title, {slug}.__file__)"
    shown = run_in(tmp_path, "python", "-c", script, PYTHONPATH=str(site)).stdout
    assert shown.strip() == f"Acme Orders {site / slug / '__init__.py'}"


@pytest.mark.parametrize("license_name", MANIFEST["license"])
def test_license_text_is_the_chosen_one_and_names_its_holder(
    render: Renderer, license_name: str
) -> None:
    opening = {
        "MIT": "MIT License",
        "Apache-2.0": "Apache License",
        "BSD-3-Clause": "BSD 3-Clause License",
        "MPL-2.0": "Mozilla Public License",
        "Proprietary": "All rights reserved",
    }
    text = (
        render("cookiecutter", license=license_name, organization="Acme Söhne") / "LICENSE"
    ).read_text("utf-8")
    assert opening[license_name].lower() in text[:400].lower()
    if license_name != "MPL-2.0":  # that text has no place for a holder
        assert "Acme Söhne" in text


def test_no_public_address_of_an_answer_is_lost_in_metadata(default_project: Path) -> None:
    project = tomllib.loads((default_project / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["name"] == "acme-orders"
    assert project["authors"] == [{"name": "Platform Team", "email": "platform@example.com"}]
    assert set(project["scripts"]) == {"acme-orders"}


def test_command_line_of_a_render_answers(project_copy: Path, run_in: RunIn) -> None:
    assert "serve" in run_in(project_copy, "python", "-m", "acme_orders", "--help").stdout
    written = run_in(project_copy, "python", "-m", "acme_orders", "openapi").stdout
    assert json.loads(written)["info"]["title"] == "Acme Orders"


def test_importing_the_service_opens_and_starts_nothing(project_copy: Path) -> None:
    """Import it where sockets, threads and reading the environment's files are errors."""
    script = """
import sys, socket, threading
def hook(event, arguments):
    if event in {"socket.connect", "socket.bind", "subprocess.Popen", "os.fork", "_thread.start_new_thread"}:
        raise RuntimeError(f"{event} at import")
sys.addaudithook(hook)
import acme_orders.main
late = {"sentry_sdk", "httpx2", "redis", "typer", "rich"} & set(sys.modules)
assert not late, f"imported too early: {late}"
"""
    done = subprocess.run(
        [rendered_python(), "-c", script],
        cwd=project_copy / "src",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
