"""The fleet tool takes what both engines render for what it is: no drift in any combination."""

from pathlib import Path
from typing import Any

import pytest
from rendering import ENGINES, Renderer, copy_project, text_of
from slipway_fleet.config import FleetConfig
from slipway_fleet.drift import compare
from slipway_fleet.snapshot import folder_snapshot
from slipway_fleet.template import RenderCache


@pytest.fixture(scope="session")
def renders(template: Path, tmp_path_factory: pytest.TempPathFactory) -> RenderCache:
    """Return what the fleet tool renders, over the template that the engines render."""
    root = tmp_path_factory.mktemp("fleet")
    return RenderCache(
        FleetConfig.model_validate({"root": root, "template": [{"url": str(template)}]})
    )


@pytest.mark.turns(2)
@pytest.mark.parametrize("engine", ENGINES)
def test_fresh_render_has_no_drift(
    render: Renderer, renders: RenderCache, engine: str, combination: dict[str, Any]
) -> None:
    with folder_snapshot(render(engine, **combination)) as project:
        expected, _ = renders.render(project.template, project.answers)
        assert compare(project, expected) == []
        wanted = {path: (file.mode, file.sha) for path, file in expected.files.items()}
        found = {path: (entry.mode, entry.sha) for path, entry in project.files.items()}
        assert {p: leaf for p, leaf in found.items() if "__pycache__" not in p} == wanted


@pytest.mark.parametrize("organization", ["Bob's & Söhne 🚀", "日本 GmbH", "no", "1.5", "a: b # c"])
def test_answers_are_read_as_they_were_given(
    render: Renderer, renders: RenderCache, organization: str
) -> None:
    for engine in ENGINES:
        with folder_snapshot(render(engine, organization=organization)) as project:
            expected, _ = renders.render(project.template, project.answers)
            assert project.answers["organization"] == organization
            assert compare(project, expected) == []


def test_a_difference_would_be_noticed(
    render: Renderer, renders: RenderCache, tmp_path: Path
) -> None:
    path = copy_project(render("cookiecutter"), tmp_path / "project")
    target = path / "AGENTS.md"
    target.write_text((text_of(target) or "") + "\n")
    with folder_snapshot(path) as project:
        expected, _ = renders.render(project.template, project.answers)
        assert [file.path for file in compare(project, expected)] == ["AGENTS.md"]
