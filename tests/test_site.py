"""What people read in a project: its documentation site, its licence, the map of its files."""

import ast
import json
import os
import re
from pathlib import Path
from typing import Any

import pytest
from processes import RunIn
from projects import known_settings, read_yaml
from rendering import Renderer, slug_of


def test_configuration_page_lists_every_setting(default_project: Path, run_in: RunIn) -> None:
    page = (default_project / "docs/platform/configuration.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (?:`(.*?)`)? ?\|", page, re.MULTILINE))
    assert rows == known_settings(default_project, run_in)


@pytest.mark.parametrize("include_docker", [True, False])
def test_documentation_builds_without_a_warning(
    render: Renderer, run_in: RunIn, *, include_docker: bool
) -> None:
    project = render.fresh("cookiecutter", include_docker=include_docker)
    done = run_in(project, "zensical", "build", "--strict")
    assert "No issues found" in done.stdout + done.stderr
    pages = [p for p in (project / "docs").rglob("*.md") if p.name != "index.md"]
    built = {p.parent.name for p in (project / "site").rglob("index.html")}
    assert {page.stem for page in pages} <= built


def test_documentation_loads_nothing_from_elsewhere(render: Renderer, run_in: RunIn) -> None:
    project = render.fresh("cookiecutter")
    run_in(project, "zensical", "build")
    loads = re.compile(r"<(?:script|img|iframe|link)\b[^>]*\b(?:src|href)=\"?(?:https?:)?//[^\s>]+")
    found = [m for p in (project / "site").rglob("*.html") for m in loads.findall(p.read_text())]
    assert found == []


def test_documentation_lists_every_page(default_project: Path) -> None:
    nav = read_yaml(default_project / "mkdocs.yml")["nav"]
    listed = set(re.findall(r"[\w/-]+\.md", json.dumps(nav)))
    docs = default_project / "docs"
    assert listed == {p.relative_to(docs).as_posix() for p in docs.rglob("*.md")}


def test_renovate_example_is_valid(default_project: Path, tmp_path: Path, run_in: RunIn) -> None:
    page = (default_project / "docs/platform/deploy.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "renovate.json"
    path.write_text(example)
    run_in(tmp_path, "check-jsonschema", "--builtin-schema", "vendor.renovate", path)
    (manager,) = json.loads(example)["customManagers"]
    pattern = manager["matchStrings"][0].replace("(?<", "(?P<")
    line = "        UV_IMAGE: ghcr.io/astral-sh/uv:0.13.9@sha256:" + "0" * 64
    found = re.search(pattern, line)
    assert found is not None
    assert found["depName"] == "ghcr.io/astral-sh/uv"
    assert found["currentValue"] == "0.13.9"
    assert found["currentDigest"] == "sha256:" + "0" * 64


@pytest.mark.parametrize(
    ("name", "begins", "holds"),
    [
        ("MIT", "MIT License", "Permission is hereby granted, free of charge"),
        ("Apache-2.0", "Apache License", "END OF TERMS AND CONDITIONS"),
        ("BSD-3-Clause", "BSD 3-Clause License", "Redistributions in binary form"),
        ("MPL-2.0", "Mozilla Public License Version 2.0", "Exhibit B"),
        ("Proprietary", "Copyright (c) Bob's & Söhne", "proprietary and confidential"),
    ],
)
def test_license_is_the_chosen_one(render: Renderer, name: str, begins: str, holds: str) -> None:
    project = render("cookiecutter", license=name, organization="Bob's & Söhne")
    text = (project / "LICENSE").read_text("utf-8")
    assert text.strip().startswith(begins)
    assert holds in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    # The Mozilla licence names no holder: the notice goes into source files where it is wanted.
    assert ("Bob's & Söhne" in text) == (name != "MPL-2.0")


def test_map_says_whose_each_file_is(default_project: Path, manifest: dict[str, Any]) -> None:
    text = (default_project / "AGENTS.md").read_text("utf-8")
    owned, merged = text.split("**Owned**")[1].split("**Merged**")
    merged = merged.split("**Managed**")[0]
    for section, paths in (
        (owned, manifest["_ownership"]["owned"]),
        (merged, manifest["_ownership"]["merged"]),
    ):
        assert [p for p in paths if p.removeprefix("src/*/") not in section] == []


def test_check_script_may_be_executed(default_project: Path) -> None:
    assert os.access(default_project / "scripts/check", os.X_OK)


def test_categories_page_lists_the_taxonomy(default_project: Path, run_in: RunIn) -> None:
    page = (default_project / "docs/platform/logging-and-sentry.md").read_text("utf-8")
    table = page.partition("### Categories")[2]
    code = (
        f"import json; from {slug_of(default_project)}.utils.taxonomy import EventCategory; "
        "print(json.dumps({c.value: c.meaning for c in EventCategory}))"
    )
    wanted = json.loads(run_in(default_project, "python", "-c", code).stdout)
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE)) == wanted


def test_names_that_pages_import_exist(default_project: Path, run_in: RunIn) -> None:
    pages = [*(default_project / "docs").rglob("*.md"), *default_project.glob("*.md")]
    blocks = [
        block
        for page in pages
        for block in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    ]
    assert len(blocks) >= 3
    imports = {line for block in blocks for line in block.splitlines() if line[:6] == "from ."}
    slug = slug_of(default_project)
    lines = [line.replace("from .", f"from {slug}.", 1) for line in sorted(imports)]
    run_in(default_project, "python", "-c", "\n".join(lines))
    for block in blocks:
        compile(block, "page", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
