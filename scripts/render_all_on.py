"""Render the template with every feature on, or print what that render depends on."""

from __future__ import annotations

import json
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def render(destination: Path) -> list[Path]:
    """Render with every yes/no question answered yes, once for each choice that a feature names."""
    from cookiecutter.main import cookiecutter  # noqa: PLC0415  # not needed to read requirements

    manifest = json.loads((ROOT / "cookiecutter.json").read_text("utf-8"))
    everything = {k: True for k, v in manifest.items() if isinstance(v, bool)}
    named = {
        term for feature in manifest["_features"] for term in feature.split("+") if "=" in term
    }
    tempfile.tempdir = str(destination)  # cookiecutter leaves the hooks it ran behind
    settings = destination / "cookiecutter.yml"
    settings.write_text(
        f"cookiecutters_dir: {destination / 'templates'}\nreplay_dir: {destination / 'replay'}\n"
    )
    return [
        Path(
            cookiecutter(
                str(ROOT),
                no_input=True,
                extra_context=everything | dict([choice.split("=")]),
                output_dir=str(destination / "all_on" / choice),
                config_file=str(settings),
            )
        )
        for choice in sorted(named)
    ]


def requirements(project: Path) -> list[str]:
    """Return the dependencies of a rendered project with all its groups, sorted."""
    config = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    found = set(config["project"]["dependencies"]) | set(config["build-system"]["requires"])
    for group in config["dependency-groups"].values():
        found |= {entry for entry in group if isinstance(entry, str)}
    return sorted(found)


if __name__ == "__main__":
    if sys.argv[1] == "--requirements":
        # The central services are tested in the same environment, with what they need beside it.
        projects = [*Path(sys.argv[2], "all_on").glob("*/*"), ROOT / "central-services"]
        print("\n".join(sorted({one for project in projects for one in requirements(project)})))
    else:
        render(Path(sys.argv[1]))
