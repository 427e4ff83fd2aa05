"""`scripts/standards` of a rendered project: nothing without the platform, the rules with it."""

import os
from pathlib import Path

import pytest
from combinations import ROOT
from processes import RunIn
from projects import hooks
from rendering import Renderer, commit_all


@pytest.fixture
def uvx(tmp_path: Path) -> str:
    """Return a PATH whose `uvx` runs this checkout's tool, and says how it was asked for."""
    folder = tmp_path / "tools"
    folder.mkdir()
    program = folder / "uvx"
    program.write_text(
        '#!/bin/sh\necho "uvx $*" >&2\nwhile [ "$1" != fleet ]; do shift; done\nshift\n'
        f'exec "{ROOT}/.venv/bin/python" -m slipway_fleet "$@"\n'
    )
    program.chmod(0o755)
    return os.pathsep.join([str(folder), *os.defpath.split(os.pathsep)])


@pytest.mark.parametrize("value", ["", "off"])
def test_standards_are_skipped_where_the_platform_does_not_publish_the_tool(
    project_copy: Path, run_in: RunIn, value: str
) -> None:
    done = run_in(
        project_copy, "scripts/standards", PATH=os.defpath, SLIPWAY_FLEET=value, SLIPWAY_INDEX=""
    )
    assert "not checked" in done.stdout


def test_standards_are_checked_with_the_tool_that_the_platform_names(
    project_copy: Path, run_in: RunIn, uvx: str
) -> None:
    commit_all(project_copy, "generated")
    tool = "slipway-fleet==0.1.0"
    index = "https://index.example.com/simple"
    passed = run_in(
        project_copy, "scripts/standards", PATH=uvx, SLIPWAY_FLEET=tool, SLIPWAY_INDEX=index
    )
    assert f"uvx --index {index} --from {tool} fleet check" in passed.stderr
    ignored = project_copy / ".gitignore"
    ignored.write_text(ignored.read_text().replace("*.pem\n", ""))
    command = ("scripts/standards", "--format", "github")
    refused = run_in(
        project_copy, *command, check=False, PATH=uvx, SLIPWAY_FLEET=tool, SLIPWAY_INDEX=""
    )
    assert refused.returncode == 1
    assert refused.stdout.startswith("::error file=.gitignore,title=SCR05::")
    assert "--index" not in refused.stderr


@pytest.mark.parametrize("provider", ["github", "gitlab"])
def test_ci_and_the_hook_call_the_script(render: Renderer, provider: str) -> None:
    project = render("cookiecutter", ci_provider=provider)
    file = {"github": ".github/workflows/ci.yml", "gitlab": ".gitlab-ci.yml"}[provider]
    assert "scripts/standards" in (project / file).read_text("utf-8")
    assert "scripts/standards --staged" in {hook["entry"] for hook in hooks(project)}
