"""What tests ask of a rendered project: its names, its files as data, its settings."""

import json
from pathlib import Path
from typing import Any

import yaml
from processes import RunIn
from rendering import slug_of

Yaml = dict[str, Any]


def read_yaml(path: Path) -> Yaml:
    """Return the one document of a YAML file."""
    document: Yaml = yaml.safe_load(path.read_text("utf-8"))
    return document


def dist_name(project: Path) -> str:
    """Return the name of a project's distribution and program."""
    return slug_of(project).replace("_", "-")


def prefix_of(project: Path) -> str:
    """Return what the environment variables of a project start with."""
    return f"{slug_of(project).upper()}_"


def known_settings(project: Path, run_in: RunIn) -> dict[str, str]:
    """Return each variable that configures the project, with its default."""
    slug = slug_of(project)
    code = (
        f"import json; from {slug}.core.settings_docs import describe; "
        f"from {slug}.core.config import PlatformSettings; "
        "print(json.dumps({d.variable: d.value for d in describe(PlatformSettings)}))"
    )
    known: dict[str, str] = json.loads(run_in(project, "python", "-c", code).stdout)
    return known


def hooks(project: Path) -> list[Yaml]:
    """Return the pre-commit hooks of a project."""
    (repository,) = read_yaml(project / ".pre-commit-config.yaml")["repos"]
    assert repository["repo"] == "local", "a hook from elsewhere needs a clone"
    found: list[Yaml] = repository["hooks"]
    return found
