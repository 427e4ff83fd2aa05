"""Write a lock file without resolving anything: what an example for a rule about locks needs."""

from __future__ import annotations

import tomllib

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

_INDEX = "https://index.example.com/simple"


def lock_text(pyproject: str) -> str:
    """Return a `uv.lock` that holds each declared requirement in its lowest version."""
    document = tomllib.loads(pyproject)
    project = document["project"]
    written = list(project.get("dependencies", ()))
    for group in document.get("dependency-groups", {}).values():
        written += [one for one in group if isinstance(one, str)]
    wanted = {canonicalize_name(r.name): _lowest(r) for r in map(Requirement, written)}
    named = ", ".join(f'{{ name = "{name}" }}' for name in sorted(wanted))
    root = canonicalize_name(project["name"])
    parts = [
        f'version = 1\nrevision = 3\nrequires-python = "{project["requires-python"]}"\n',
        (
            f'[[package]]\nname = "{root}"\nversion = "{project["version"]}"\n'
            f'source = {{ virtual = "." }}\ndependencies = [{named}]\n'
        ),
    ]
    for name, version in sorted(wanted.items()):
        file = f"https://index.example.com/{name.replace('-', '_')}-{version}-py3-none-any.whl"
        parts.append(
            f'[[package]]\nname = "{name}"\nversion = "{version}"\n'
            f'source = {{ registry = "{_INDEX}" }}\n'
            f'wheels = [{{ url = "{file}", hash = "sha256:{"0" * 64}" }}]\n'
        )
    return "\n".join(parts)


def _lowest(requirement: Requirement) -> str:
    bounds = [Version(one.version) for one in requirement.specifier if one.operator in {">=", "=="}]
    return str(max(bounds, default=Version("1.0")))
