"""A template of two dozen small files with the real manifest machinery, and four releases of it.

Its manifest goes through `scripts/manifest.py`, its projects get the real hooks and the real
`scripts/update`; only the service is not there. So a life in it takes seconds where one in the real
template takes minutes.
"""

import copy
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import manifest as generator
import manifest_model
from combinations import BODY, ROOT, load_manifest
from rendering import commit_all, git

PACKAGE = "src/{{cookiecutter.project_slug}}"
MANAGED = (
    "# Managed by Slipway: updates overwrite this file. To extend the service see AGENTS.md.\n"
)
MERGED = "# Merged by Slipway: add what the project needs.\n"
PNG = b"\x89PNG\r\n\x1a\n\x00"
RELEASES = ("v1.0.0", "v1.1.0", "v2.0.0", "v2.1.0")


@dataclass
class Release:
    """A template at one release: its manifest, and its files by path."""

    manifest: dict[str, Any]
    files: dict[str, bytes | str] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        """Write the template, generated files included, in place of what is there."""
        for path in root.iterdir() if root.is_dir() else ():
            if path.name != ".git":
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name, content in self.files.items():
            target = root / BODY.name / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content if isinstance(content, bytes) else content.encode())
            target.chmod(0o755 if str(content[:2]) in {"#!", "b'#!'"} else 0o644)
        (root / "cookiecutter.json").write_text(json.dumps(self.manifest, indent=2))
        shutil.copy(ROOT / ".gitattributes", root)
        shutil.copytree(ROOT / "hooks", root / "hooks", ignore=shutil.ignore_patterns("__py*"))
        for name, text in generator.generated(manifest_model.load(root)).items():
            target = root / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, "utf-8")


def _lines(title: str, count: int = 12) -> str:
    return "".join(f"{title.upper()}_{number} = {number}\n" for number in range(count))


def _first_manifest() -> dict[str, Any]:
    real = load_manifest()
    manifest: dict[str, Any] = {
        name: real[name]
        for name in ("project_name", "project_slug", "__dist_name", "_jinja2_env_vars", "_junk")
    }
    manifest |= {
        "flavour": ["plain", "salted", "none"],
        "include_docs": True,
        "include_jobs": False,
    }
    manifest["_features"] = {
        "include_docs": ["docs", "site.yml"],
        "include_jobs": ["src/*/jobs"],
        "flavour=salted": ["salt.py"],
    }
    manifest["_ownership"] = {
        "layout": 1,
        "owned": [
            "README.md", "CHANGELOG.md", "src/*/main.py", "src/*/settings.py", "src/*/commands.py",
            "src/*/orders", "src/*/jobs/tasks.py", "tests/orders", "docs/index.md",
        ],
        "merged": ["pyproject.toml", ".gitignore", "site.yml", "settings.toml", ".copier-answers.yml"],
        "since": {},
        "initial": [],
        "replaceable": real["_ownership"]["replaceable"],
    }  # fmt: skip
    manifest["_migrations"] = {}
    for section in ("_validators", "_reserved"):
        manifest[section] = {k: v for k, v in real[section].items() if k in manifest}
    for section, rules in real.items():  # rules of the real template that this one has no use for
        if section.startswith("_") and isinstance(rules, dict):
            manifest.setdefault(section, {})
    manifest["__prompts__"] = {name: name for name in manifest if not name.startswith("_")}
    return manifest | {
        "_src_path": "https://example.com/tiny.git",
        "_commit": "$Format:%(describe:tags)$",
    }


def first(*, with_scripts: bool = True) -> Release:
    """Return the first release; without its scripts it is half the size."""
    toggled = (
        "\n\n"
        "def parts() -> list[str]:\n"
        '    found = ["core"]\n'
        "    # jinja: if cookiecutter.include_docs\n"
        '    found.append("docs")\n'
        "    # jinja: endif\n"
        "    return found\n"
    )
    files: dict[str, bytes | str] = {
        "README.md": "# {{ cookiecutter.project_name }}\n\nYours.\n",
        "CHANGELOG.md": "# Changelog\n",
        "pyproject.toml": f'{MERGED}[project]\nname = "{{{{ cookiecutter.__dist_name }}}}"\n'
        'dependencies = [\n  "alpha>=1",\n  "beta>=1",\n  "gamma>=1",\n]\n\n[tool.one]\nx = 1\n\n'
        "[tool.two]\ny = 2\n\n[tool.three]\nz = 3\n",
        ".gitignore": f"{MERGED}__pycache__/\n.env\n/.kept/\nbuild/\ndist/\n\n# Tools\n.cache/\n\n"
        "# This project's\n",
        "settings.toml": MERGED + _lines("setting"),
        "site.yml": f"{MERGED}nav:\n  - index.md\n  - guide.md\ntheme: plain\nfont: none\n",
        "docs/index.md": "# Home\n",
        "docs/guide.md": "<!-- " + MANAGED[2:-1] + " -->\n# Guide\n\nRead it.\n",
        "docs/logo.png": PNG + b"first",
        "salt.py": MANAGED + _lines("salt"),
        "tests/test_core.py": MANAGED + _lines("test_core"),
        "tests/orders/test_orders.py": "ORDERS = 1\n",
        f"{PACKAGE}/__init__.py": f'{MANAGED}"""The package."""\n',
        f"{PACKAGE}/main.py": "from .orders import service\n\nAPP = service\n",
        f"{PACKAGE}/settings.py": _lines("own_setting", 6),
        f"{PACKAGE}/commands.py": _lines("command", 6),
        f"{PACKAGE}/orders/__init__.py": "",
        f"{PACKAGE}/orders/service.py": _lines("order", 8),
        f"{PACKAGE}/core/__init__.py": MANAGED,
        f"{PACKAGE}/core/app.py": MANAGED + _lines("app") + toggled,
        f"{PACKAGE}/core/errors.py": MANAGED + _lines("error"),
        f"{PACKAGE}/jobs/__init__.py": MANAGED,
        f"{PACKAGE}/jobs/worker.py": MANAGED + _lines("worker"),
        f"{PACKAGE}/jobs/tasks.py": _lines("task", 4),
        "scripts/check": "#!/bin/sh\n# " + MANAGED[2:] + "exit 0\n",
    }
    for path in sorted((BODY / "scripts").rglob("*")) if with_scripts else ():
        name = path.relative_to(BODY).as_posix()
        if path.is_file() and name != "scripts/check" and path.suffix not in {".toml", ".pyc"}:
            files[name] = path.read_bytes()
    return Release(_first_manifest(), files)


def second(release: Release) -> None:
    """Add a question with managed and owned files, and change something of every class."""
    manifest, files = release.manifest, release.files
    manifest["include_audit"] = False
    manifest["__prompts__"]["include_audit"] = "include_audit"
    manifest["_features"]["include_audit"] = ["src/*/audit"]
    ownership = manifest["_ownership"]
    ownership["owned"] += ["src/*/audit/actions.py", "tests/own"]
    ownership["layout"], ownership["since"] = 2, {"tests/own": 2}
    files["tests/own/test_new.py"] = "NEW = 1\n"
    files[f"{PACKAGE}/audit/__init__.py"] = MANAGED
    files[f"{PACKAGE}/audit/log.py"] = MANAGED + _lines("audit")
    files[f"{PACKAGE}/audit/actions.py"] = _lines("action", 4)
    files[f"{PACKAGE}/core/extra.py"] = MANAGED + _lines("extra")
    _replace(files, f"{PACKAGE}/core/app.py", "APP_3 = 3", "APP_3 = 33")
    _replace(files, f"{PACKAGE}/core/errors.py", "ERROR_5 = 5\n", "ERROR_5 = 55\nERROR_5B = 5\n")
    _replace(files, f"{PACKAGE}/jobs/worker.py", "WORKER_1 = 1", "WORKER_1 = 11")
    _replace(files, f"{PACKAGE}/main.py", "APP = service", "APP = service  # second")
    _replace(files, "pyproject.toml", '  "beta>=1",\n', '  "beta>=2",\n')
    _replace(files, "settings.toml", "SETTING_2 = 2", "SETTING_2 = 22")
    _replace(files, ".gitignore", ".cache/\n", ".cache/\n.second/\n")
    files["docs/logo.png"] = PNG + b"second"


def third(release: Release) -> None:
    """Rename a question, move a file of each class, drop one."""
    manifest, files = release.manifest, release.files
    renamed = {"include_jobs": "include_background"}
    for old, new in renamed.items():
        for table in (manifest, manifest["__prompts__"], manifest["_features"]):
            names = list(table)
            values = [table.pop(name) for name in names]
            table |= {new if n == old else n: v for n, v in zip(names, values, strict=True)}
    moved = {
        "src/*/core/errors.py": "src/*/core/problems.py",
        "settings.toml": "config/settings.toml",
        "src/*/commands.py": "src/*/cli/commands.py",
    }
    manifest["_migrations"]["v2.0.0"] = {
        "questions": renamed,
        "paths": moved | {"src/*/core/extra.py": None},
    }
    for table in (manifest["_ownership"]["owned"], manifest["_ownership"]["merged"]):
        table[:] = [moved.get(path, path) for path in table]
    for old, new in moved.items():
        source, target = (path.replace("*", BODY.name) for path in (old, new))
        files[target] = files.pop(source)
    del files[f"{PACKAGE}/core/extra.py"]
    _replace(files, f"{PACKAGE}/core/problems.py", "ERROR_0 = 0", "ERROR_0 = 100")
    _replace(files, "config/settings.toml", "SETTING_9 = 9", "SETTING_9 = 99")
    _replace(files, "site.yml", "theme: plain", "theme: bold")


def fourth(release: Release) -> None:
    """Make what was unconditional optional, with the default to keep it; touch every feature."""
    manifest, files = release.manifest, release.files
    manifest["include_guide"] = True
    manifest["__prompts__"]["include_guide"] = "include_guide"
    manifest["_features"]["include_guide"] = ["docs/guide.md"]
    manifest["flavour"].append("sweet")
    manifest["_features"]["flavour=sweet"] = ["sweet.py"]
    files["sweet.py"] = MANAGED + _lines("sweet")
    for name in (f"{PACKAGE}/jobs/worker.py", f"{PACKAGE}/audit/log.py", "salt.py"):
        files[name] = str(files[name]) + "FOURTH = 4\n"
    _replace(files, "pyproject.toml", '  "gamma>=1",\n', '  "gamma>=1",\n  "delta>=1",\n')
    _replace(files, f"{PACKAGE}/core/app.py", "APP_0 = 0\n", "APP_0 = 0\nAPP_00 = 0\n")


STEPS: tuple[Callable[[Release], None], ...] = (second, third, fourth)


def _replace(files: dict[str, bytes | str], name: str, old: str, new: str) -> None:
    text = str(files[name])
    assert old in text, f"{name} has no {old!r}"
    files[name] = text.replace(old, new)


def build(root: Path, *, with_scripts: bool = True) -> Path:
    """Write the template's history, one tag for each release."""
    root.mkdir(parents=True)
    release = first(with_scripts=with_scripts)
    release.manifest["_src_path"] = f"git+file://{root}"
    for tag, step in zip(RELEASES, (None, *STEPS), strict=True):
        if step:
            release = copy.deepcopy(release)
            step(release)
        release.write(root)
        commit_all(root, f"release {tag}", tag)
    git(root, "repack", "-adq")
    return root
