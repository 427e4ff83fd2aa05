"""Known vulnerabilities, asked of an OSV service through `uv audit`. No answer is never a pass."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import InvalidName, canonicalize_name
from packaging.version import InvalidVersion, Version

from ..errors import CannotReadError, NotCheckedError
from ..model import Sighting
from ..options import Options
from ..project import Project
from .base import listed, mapping
from .supply import LOCK, locked

TIMEOUT_S = 120
_KEPT = (
    "PATH",
    "HOME",
    "TMPDIR",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
)


class Vulnerabilities:
    """No locked package has a known vulnerability.

    uv gets a project made here, which holds the names and versions of the lock file and nothing
    else: no tool, source or index of the project has a say. With the project's own lock file uv
    would ask every index that it names, and so any address that a project likes (uv 0.13). The
    fact `audit` is the OSV service to ask; an empty text means uv's own, and without the fact the
    run is offline.
    """

    def __init__(self, options: Options) -> None:
        """Take nothing."""

    def __call__(self, project: Project) -> Iterator[Sighting]:
        """Yield each vulnerability.

        Raises:
            NotCheckedError: Without a lock file, or offline.
            CannotReadError: When the database did not answer for every package.
        """
        service = project.facts.get("audit")
        packages = [p for p in locked(project) if "registry" in mapping(p.get("source"))]
        if not isinstance(service, str):
            raise NotCheckedError("it takes the vulnerability database: run with --online")
        report = _ask(_pairs(packages), service)
        audited = mapping(report.get("summary")).get("audited_packages")
        if not isinstance(audited, int) or audited < len(packages):
            said = f"was audited for {audited} of {len(packages)} packages only"
            raise CannotReadError(LOCK, said)
        for found in map(mapping, listed(report.get("vulnerabilities"))):
            package = mapping(found.get("dependency"))
            fixed = ", ".join(map(str, listed(found.get("fix_versions")))) or "no release yet"
            said = f"{package.get('name')} {package.get('version')}: {found.get('id')}, fixed in {fixed}."
            yield Sighting(said, LOCK)


def _pairs(packages: list[dict[str, object]]) -> list[tuple[str, str]]:
    """Return the name and version of each package.

    Raises:
        CannotReadError: When one is not a name or a version.
    """
    try:
        return [
            (
                canonicalize_name(str(one["name"]), validate=True),
                str(Version(str(one.get("version")))),
            )
            for one in packages
        ]
    except (InvalidName, InvalidVersion) as error:
        raise CannotReadError(LOCK, f"was not audited: {error}") from error


def _ask(packages: list[tuple[str, str]], service: str) -> dict[str, object]:
    source = 'source = { registry = "index" }'
    wanted = [f'{{ name = "{n}", version = "{v}", {source} }}' for n, v in packages]
    head = 'name = "fleet-audit"\nversion = "0"\n'
    lock = [
        'version = 1\nrevision = 3\nrequires-python = ">=3.11"\n',
        f'[[package]]\n{head}source = {{ virtual = "." }}\ndependencies = [{", ".join(wanted)}]\n',
        *(f'[[package]]\nname = "{n}"\nversion = "{v}"\n{source}\n' for n, v in packages),
    ]
    with tempfile.TemporaryDirectory(prefix="fleet-audit-") as folder:
        Path(folder, "index").mkdir()
        project = f'[project]\n{head}requires-python = ">=3.11"\n'
        Path(folder, "pyproject.toml").write_text(project, "utf-8")
        Path(folder, LOCK).write_text("\n".join(lock), "utf-8")
        return _run(folder, service)


def _run(folder: str, service: str) -> dict[str, object]:
    """Return uv's report.

    Raises:
        CannotReadError: When uv is missing, too slow, or could not reach the database.
    """
    command = [
        "uv",
        "audit",
        "--frozen",
        "--no-config",
        "--no-cache",
        "--quiet",
        "--output-format",
        "json",
    ]
    command += ["--preview-features", "audit-command,json-output"]
    command += ["--service-url", service] if service else []
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment | {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1"},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise CannotReadError(LOCK, "was not audited: uv is not on PATH") from error
    except subprocess.TimeoutExpired as error:
        raise CannotReadError(LOCK, f"was not audited within {TIMEOUT_S} s") from error
    return _read(done)


def _read(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """Return the report of a uv that has ended; raises `CannotReadError` when it wrote none."""
    try:
        report = json.loads(done.stdout) if done.returncode in {0, 1} else None
    except ValueError:
        report = None
    if not isinstance(report, dict):
        reason = " ".join(done.stderr.split())[:300] or f"uv ended with {done.returncode}"
        raise CannotReadError(LOCK, f"was not audited: {reason}")
    return report
