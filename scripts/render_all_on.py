"""Render the template with every feature on, or print what that render depends on."""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def render(destination: Path) -> Path:
    """Render with every yes/no question answered yes, and return the project's folder."""
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # not needed to read requirements

    manifest = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    answers = {k: True for k, v in manifest.items() if isinstance(v, bool)}
    tempfile.tempdir = str(destination)  # cookiecutter leaves the hooks it ran behind
    settings = destination / "cookiecutter.yml"
    settings.write_text(
        f"cookiecutters_dir: {destination / 'templates'}\nreplay_dir: {destination / 'replay'}\n"
    )
    return Path(
        cookiecutter(
            str(ROOT),
            no_input=True,
            extra_context=answers,
            output_dir=str(destination / "all_on"),
            config_file=str(settings),
        )
    )


def requirements(project: Path) -> list[str]:
    """Return the dependencies of a rendered project with all its groups, sorted."""
    config = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    found = set(config["project"]["dependencies"]) | set(config["build-system"]["requires"])
    for group in config["dependency-groups"].values():
        found |= {entry for entry in group if isinstance(entry, str)}
    return sorted(found)


if __name__ == "__main__":
    if sys.argv[1] == "--requirements":
        print("\n".join(requirements(next(Path(sys.argv[2], "all_on").iterdir()))))
    else:
        render(Path(sys.argv[1]))
