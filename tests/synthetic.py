"""Three releases after this repository's own state, made from it: what years bring, in one fixture.

The first touches the managed files of every feature, and merged and owned ones, and asks a new
question. The second renames a question and a file and drops one. The third adds to what changed
before. They are made by rule from the manifest, so a new feature is in them without a word.
"""

import json
import re
from pathlib import Path
from typing import Any

import manifest as generator
import manifest_model
import ownership
from combinations import BODY, load_manifest
from rendering import TAG, commit_all, copy_template, git, text_of, tracked_files

TAGS = ("v0.1.0", "v0.2.0", "v0.3.0")
PACKAGE = "src/{{cookiecutter.project_slug}}"
RENAMED = ("include_docs", "include_site")
MOVED = ("tests/utils/test_taxonomy.py", "tests/utils/test_categories.py")
DROPPED = "tests/middleware/test_cors.py"


def build(root: Path) -> Path:
    """Write the template's history: this state, tagged as the first release, and three more."""
    copy_template(root)
    for tag, change in zip(TAGS, (_first, _second, _third), strict=True):
        change(root)
        for name, text in generator.generated(manifest_model.load(root)).items():
            (root / name).write_text(text, "utf-8")
        commit_all(root, f"release {tag}", tag)
    git(root, "repack", "-adq")
    return root


def _manifest(root: Path, change: dict[str, Any] | None = None) -> dict[str, Any]:
    path = root / "cookiecutter.json"
    if change is not None:
        path.write_text(json.dumps(change, indent=2, ensure_ascii=False) + "\n", "utf-8")
    loaded: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return loaded


def _touch(root: Path, line: str) -> None:
    """Put a comment under the header of every managed file that can take one, and of a merged one."""
    manifest = load_manifest(root)
    for name in tracked_files(root):
        relative = name.removeprefix(f"{BODY.name}/")
        path = re.sub(r"{{.*?}}", "*", relative)
        text = text_of(root / name) or ""
        python = name.endswith((".py", ".toml")) and text.startswith(f"# {ownership.MANAGED}\n")
        if relative == name or "ownership.toml" in name:
            continue
        if (python and ownership.classes_of(path, manifest) == ["managed"]) or path == ".gitignore":
            first, _, rest = text.partition("\n")
            (root / name).write_text(f"{first}\n# {line}\n{rest}", "utf-8")


def _append(root: Path, name: str, text: str) -> None:
    with (root / BODY.name / name).open("a", encoding="utf-8") as file:
        file.write(text)


def _first(root: Path) -> None:
    _touch(root, "The first release after this.")
    manifest = _manifest(root)
    last = list(manifest_model.questions(manifest))[-1]
    questions = {}
    for name, value in manifest.items():
        questions[name] = value
        if name == last:
            questions["include_synthetic"] = False
    manifest = questions
    manifest["__prompts__"]["include_synthetic"] = "Add a synthetic feature?"
    manifest["_features"]["include_synthetic"] = ["src/*/synthetic"]
    manifest["_ownership"]["owned"] += ["src/*/synthetic/own.py", "tests/later"]
    manifest["_ownership"]["layout"] += 1
    manifest["_ownership"]["since"]["tests/later"] = manifest["_ownership"]["layout"]
    _manifest(root, manifest)
    header = f"# {ownership.MANAGED}\n"
    body = root / BODY.name
    for name, text in {
        f"{PACKAGE}/synthetic/__init__.py": f'{header}"""Synthetic."""\n',
        f"{PACKAGE}/synthetic/own.py": '"""The project\'s own."""\n',
        "tests/later/__init__.py": "",
        f"{PACKAGE}/core/later.py": f'{header}"""New in this release."""\n',
    }.items():
        (body / name).parent.mkdir(parents=True, exist_ok=True)
        (body / name).write_text(text, "utf-8")
    _append(root, f"{PACKAGE}/main.py", "\n# Only new projects see this.\n")
    ignored = body / ".gitignore"
    text = ignored.read_text("utf-8").replace("# This project's", "*.later\n\n# This project's")
    ignored.write_text(text, "utf-8")


def _second(root: Path) -> None:
    old, new = RENAMED
    for name in tracked_files(root):
        text = text_of(root / name)
        if text and old in text and (name.startswith(BODY.name) or name == "cookiecutter.json"):
            (root / name).write_text(text.replace(old, new), "utf-8")
    body = root / BODY.name
    (body / MOVED[0]).rename(body / MOVED[1])
    (body / DROPPED).unlink()
    manifest = _manifest(root)
    manifest["_migrations"][TAGS[1]] = {
        "questions": {old: new},
        "paths": {MOVED[0]: MOVED[1], DROPPED: None},
    }
    _manifest(root, manifest)


def _third(root: Path) -> None:
    _touch(root, "The third release after this.")
    path = root / BODY.name / "pyproject.toml"
    text = path.read_text("utf-8")
    path.write_text(text.replace("show_missing = true\n", "show_missing = true\nprecision = 1\n"))


def first_release() -> str:
    """Return the tag of the state that this repository is in now."""
    return TAG
