"""Build `slipway-clients`: the clients of the central services, for projects of another kind.

The template is rendered, the modules that the clients need are taken as they are, and
`central-services/wheel/face.py.txt` becomes the package's face. There is no second copy of any of them.
"""

from __future__ import annotations

import argparse
import ast
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from central_project import render_answers
from manifest_model import ROOT

PACKAGE = "slipway_clients"
SOURCE = ROOT / "central-services/wheel"
ANSWERS: dict[str, Any] = {
    "project_name": "Slipway clients",
    "project_slug": PACKAGE,
    "use_central_auth": True,
    "use_central_audit": True,
    "include_audit_logging": True,
    "include_background_jobs": False,
}
PROVIDED = {
    "starlette": "fastapi",
    "pydantic": "fastapi",
    "pydantic_core": "fastapi",
    "httpcore2": "httpx2",
}
"""What a distribution brings along that is asked for anyway."""

Files = dict[str, bytes]


def modules(files: Files, face: str) -> Files:
    """Return those files of the package that its face needs, itself as `__init__.py`."""
    files = {**files, "__init__.py": face.encode()}
    waiting, found = ["__init__.py"], {}
    while waiting:
        path = waiting.pop()
        if path not in found:
            found[path] = files[path]
            waiting += [name for name in _imported(path, found[path]) if name in files]
    return found


def _imported(path: str, content: bytes) -> Iterator[str]:
    """Yield where the modules may be that one imports from its own package, and their packages."""
    here = PurePosixPath(path).parent
    for node in ast.walk(ast.parse(content)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here
            for _ in range(node.level - 1):
                base = base.parent
            target = base.joinpath(*(node.module or "").split("."))
            for place in (target, *(target / alias.name for alias in node.names)):
                yield f"{place}.py"
                yield from (str(folder / "__init__.py") for folder in (place, *place.parents))


def imports(files: Files) -> set[str]:
    """Return the distributions that files import, by the names of their packages."""
    found = set()
    for content in files.values():
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                found.add(node.module.partition(".")[0])
    return {PROVIDED.get(name, name) for name in found - sys.stdlib_module_names}


def requirements(pyproject: str, needed: set[str]) -> list[str]:
    """Return the project's requirements for packages, each with its range.

    Raises:
        ValueError: When the project does not ask for one.
    """
    listed = tomllib.loads(pyproject)["project"]["dependencies"]
    known = {re.split(r"[\[<>=~! ]", one)[0].replace("-", "_").lower(): one for one in listed}
    missing = needed - known.keys()
    if missing:
        raise ValueError(f"no requirement for {', '.join(sorted(missing))}")
    return sorted(known[name] for name in needed)


def build(folder: Path, version: str) -> Path:
    """Build the wheel into a folder, and return it."""
    with tempfile.TemporaryDirectory() as made:
        scratch = Path(made)
        rendered = render_answers(ROOT, ANSWERS, scratch)
        source = f"src/{PACKAGE}/"
        files = {
            path.removeprefix(source): content
            for path, (_, content) in rendered.items()
            if path.startswith(source) and path.endswith(".py")
        }
        taken = modules(files, (SOURCE / "face.py.txt").read_text("utf-8"))
        needed = requirements(rendered["pyproject.toml"][1].decode(), imports(taken))
        project = scratch / "wheel"
        for path, content in taken.items():
            (project / PACKAGE / path).parent.mkdir(parents=True, exist_ok=True)
            (project / PACKAGE / path).write_bytes(content)
        (project / PACKAGE / "py.typed").touch()
        (project / "README.md").write_bytes((SOURCE / "README.md").read_bytes())
        (project / "LICENSE").write_bytes((ROOT / "LICENSE").read_bytes())
        (project / "pyproject.toml").write_text(_pyproject(version, needed), "utf-8")
        folder = folder.absolute()
        command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
        subprocess.run(command, cwd=project, check=True, stdout=subprocess.DEVNULL)
    return folder / f"{PACKAGE}-{version}-py3-none-any.whl"


def _pyproject(version: str, needed: list[str]) -> str:
    listed = "".join(f'  "{one}",\n' for one in needed)
    return f"""[project]
name = "slipway-clients"
version = "{version}"
description = "Clients of the central services: callers' tokens, tokens of one's own, the audit service."
readme = "README.md"
requires-python = ">=3.11"
license = "MIT"
license-files = ["LICENSE"]
dependencies = [
{listed}]

[build-system]
requires = ["hatchling>=1.27,<2"]
build-backend = "hatchling.build"

[tool.hatch.build.targets.wheel]
packages = ["{PACKAGE}"]
"""


def main() -> None:
    """Build it and print where it is."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the wheel is written")
    parser.add_argument("--version", default="0.1.0", help="its version (default: %(default)s)")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    print(build(given.folder, given.version))


if __name__ == "__main__":
    main()
