"""The rendered hook that warns before a managed file is committed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from combinations import BODY
from rendering import commit_all, git
from tiny_template import MANAGED

HOOK = BODY / "scripts/managed-files"
MANAGED_FILE = "src/core/app.py"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a repository with a managed, a merged and an owned file."""
    for name, text in {
        MANAGED_FILE: f"{MANAGED}X = 1\n",
        "run.sh": f"#!/bin/sh\n{MANAGED}exit 0\n",
        "main.py": "APP = 1\n",
        ".copier-answers.yml": "# Managed by Slipway: x\n_commit: v1.0.0\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    commit_all(tmp_path, "generated")
    return tmp_path


def hook(project: Path) -> subprocess.CompletedProcess[str]:
    """Stage everything and run the hook as pre-commit does, without the network."""
    git(project, "add", "-A")
    return subprocess.run(
        [sys.executable, "-I", "-S", "-W", "error", str(HOOK)],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=30,
    )


def append(path: Path, text: str = "Y = 2\n") -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize("name", [MANAGED_FILE, "run.sh"])
def test_edited_managed_file_is_named_with_the_way_out(project: Path, name: str) -> None:
    append(project / name)
    done = hook(project)
    assert done.returncode == 1
    assert name in done.stdout
    assert "AGENTS.md" in done.stdout
    assert "SKIP=managed-files" in done.stdout


def test_deleted_managed_file_is_named(project: Path) -> None:
    (project / MANAGED_FILE).unlink()
    assert MANAGED_FILE in hook(project).stdout


def test_own_files_pass(project: Path) -> None:
    append(project / "main.py")
    (project / "new.py").write_text("Z = 3\n")
    done = hook(project)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_first_commit_passes(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(MANAGED)
    git(tmp_path, "init", "-q")
    assert hook(tmp_path).returncode == 0


def test_update_passes_because_the_answers_change_with_it(project: Path) -> None:
    append(project / MANAGED_FILE)
    append(project / ".copier-answers.yml", "more: 1\n")
    assert hook(project).returncode == 0


def test_what_scripts_update_brought_back_passes_and_nothing_else(project: Path) -> None:
    append(project / MANAGED_FILE)
    blob = git(project, "hash-object", MANAGED_FILE)
    (project / ".git/slipway-update").write_text(f"{blob} {MANAGED_FILE}")
    assert hook(project).returncode == 0
    append(project / MANAGED_FILE, "Z = 3\n")
    assert hook(project).returncode == 1


def test_path_with_odd_characters_is_named(project: Path) -> None:
    odd = project / "src/größe & maß.py"
    odd.write_text(MANAGED)
    commit_all(project, "more")
    append(odd)
    assert "größe & maß.py" in hook(project).stdout
