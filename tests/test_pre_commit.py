"""The rendered pre-commit configuration, run with pre-commit itself."""

import os
from pathlib import Path

import pytest
from processes import RunIn
from projects import hooks
from rendering import git


def test_every_hook_is_local_and_runs_through_uv(default_project: Path) -> None:
    """So that hooks need no network of their own and prek can run them too."""
    ways = ("uv ", "scripts/standards")  # the script runs `uvx`, or nothing
    foreign = [h["id"] for h in hooks(default_project) if not h["entry"].startswith(ways)]
    assert foreign == []
    assert {hook["language"] for hook in hooks(default_project)} == {"system"}


def test_scripts_without_a_suffix_are_linted_too(default_project: Path, run_in: RunIn) -> None:
    """A hook finds them by their first line, where `ruff check .` looks at suffixes."""
    python = [
        path.relative_to(default_project).as_posix()
        for path in sorted((default_project / "scripts").iterdir())
        if path.is_file() and "python" in path.read_text("utf-8").partition("\n")[0]
    ]
    assert python
    run_in(default_project, "ruff", "check", *python)
    run_in(default_project, "ruff", "format", "--check", *python)


@pytest.mark.slow
def test_every_hook_passes_on_a_new_project_and_finds_a_mistake_and_a_secret(
    project_copy: Path, run_in: RunIn, uv: str
) -> None:
    git(project_copy, "init", "-q", "-b", "main")
    # Nothing but git and uv: the tools have to come from the project's own lock.
    path = os.pathsep.join({str(Path(uv).parent), *os.defpath.split(os.pathsep)})
    run_in(project_copy, uv, "sync", "--quiet", online=True, timeout=240, PATH=path)
    git(project_copy, "add", "-A")
    command = (uv, "run", "--frozen", "pre-commit", "run", "--all-files")
    done = run_in(project_copy, *command, online=True, timeout=240, PATH=path)
    assert "Skipped" not in done.stdout
    assert git(project_copy, "diff", "--stat") == ""
    (project_copy / "src/acme_orders/mistake.py").write_text("x = undefined_name\n")
    git(project_copy, "add", "-A")
    refused = run_in(project_copy, *command, check=False, online=True, timeout=240, PATH=path)
    assert refused.returncode == 1
    assert "mistake.py" in refused.stdout
    key = "-----BEGIN RSA PRIVATE " + "KEY-----\n"
    (project_copy / "deploy.txt").write_text(key)
    git(project_copy, "add", "-A")
    refused = run_in(
        project_copy, *command, "detect-private-key", check=False, online=True, PATH=path
    )
    assert refused.returncode == 1
    assert "deploy.txt" in refused.stdout
