"""The rendered pre-commit configuration, run with pre-commit itself."""

import subprocess
from pathlib import Path

import pytest
import yaml
from processes import RunIn, clean_environment, show
from rendering import commit_all

pytestmark = pytest.mark.slow


def pre_commit(project: Path, run_in: RunIn, uv: str) -> subprocess.CompletedProcess[str]:
    """Run every hook over every file, as CI does."""
    path = f"{Path(uv).parent}:{clean_environment()['PATH']}"
    return run_in(
        project,
        "pre-commit",
        "run",
        "--all-files",
        check=False,
        online=True,
        timeout=300,
        PATH=path,
    )


@pytest.fixture
def repository(project_copy: Path, run_in: RunIn, uv: str) -> Path:
    """Return a fresh repository of a fresh render, installed as its README says."""
    commit_all(project_copy, "first")
    run_in(project_copy, uv, "sync", "--quiet", online=True, timeout=300)
    commit_all(project_copy, "the lock file of the first set-up")
    return project_copy


def test_hooks_pass_on_a_fresh_render_and_catch_a_mistake(
    repository: Path, run_in: RunIn, uv: str
) -> None:
    done = pre_commit(repository, run_in, uv)
    assert done.returncode == 0, show(done)
    assert "Passed" in done.stdout, show(done)
    assert "Skipped" not in done.stdout, f"a hook that finds no file checks nothing:{show(done)}"
    (repository / "src/acme_orders/mistake.py").write_text("x = undefined_name\n")
    commit_all(repository, "a mistake")
    done = pre_commit(repository, run_in, uv)
    assert done.returncode != 0, show(done)
    assert "mistake.py" in done.stdout, show(done)


def test_every_hook_is_local_and_runs_through_uv(default_project: Path) -> None:
    """So that hooks need no network of their own and prek can run them too."""
    config = yaml.safe_load((default_project / ".pre-commit-config.yaml").read_text("utf-8"))
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    for hook in (hook for repository in config["repos"] for hook in repository["hooks"]):
        assert hook["language"] in {"system", "unsupported"}, hook["id"]
        assert hook["entry"].startswith("uv "), hook["id"]
