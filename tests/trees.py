"""What must hold of every rendered tree, whatever the answers were."""

import json
import re
import tomllib
from pathlib import Path

import yaml
from processes import run_in
from rendering import files, text_of

LEFTOVER = re.compile(r"\{%|%\}|\{#|# jinja:|cookiecutter|copier__|\{\{")
OF_THE_TEMPLATE = re.compile(r"# jinja:|cookiecutter|copier__")
HAS_TEMPLATES = re.compile(r"/templates/[^/]+$|^docs/platform/mail\.md$")
"""Files that hold templates of the service's own, for mail."""
FOREIGN = re.compile(r"\$\{\{[^{}]*\}\}|\{\{\.[\w.]+\}\}")
"""Expressions of GitHub and of Docker's `--format`, which look like Jinja's."""

NAMES_AN_ENGINE = {
    ".copier-answers.yml": "its first line says `copier update`",
    "AGENTS.md": "tells how to take updates",
    "CONTRIBUTING.md": "tells how to take updates",
    "README.md": "tells how to take updates",
}
"""Files that may name an engine in prose, each with the reason."""


class _AnyTag(yaml.SafeLoader):
    """Load YAML with the tags of other programs, such as `!reference`, as nothing."""


_AnyTag.add_multi_constructor("!", lambda *_: None)


def leftovers(project: Path) -> list[str]:
    """Return each line of a project that still shows the template, as `path:line: text`."""
    found = []
    for path in files(project):
        name = path.relative_to(project).as_posix()
        for number, line in enumerate((text_of(path) or "").splitlines(), 1):
            pattern = OF_THE_TEMPLATE if HAS_TEMPLATES.search(name) else LEFTOVER
            hit = pattern.search(FOREIGN.sub("", line))
            if hit and not (hit[0] == "cookiecutter" and name in NAMES_AN_ENGINE):
                found.append(f"{name}:{number}: {line}")
    return found


def unparsable(project: Path) -> list[str]:
    """Return each structured file of a project that its parser refuses, with the reason."""
    found = []
    for path in files(project):
        try:
            if path.suffix == ".py":
                compile(path.read_bytes(), str(path), "exec")
            elif path.suffix == ".json":
                json.loads(path.read_text("utf-8"))
            elif path.suffix == ".toml":
                tomllib.loads(path.read_text("utf-8"))
            elif path.suffix in {".yml", ".yaml"}:
                list(yaml.load_all(path.read_text("utf-8"), _AnyTag))  # a SafeLoader
        except (ValueError, SyntaxError, yaml.YAMLError) as error:
            found.append(f"{path.relative_to(project)}: {error}")
    return found


def assert_lint_and_format_clean(project: Path) -> None:
    """Run the project's own lint and format, which must find nothing to do."""
    run_in(project, "ruff", "check", "--no-cache", "--output-format", "concise", ".")
    run_in(project, "ruff", "format", "--no-cache", "--check", "--diff", ".")
